"""Plain frozen data: graphs and results, to and from JSON."""
