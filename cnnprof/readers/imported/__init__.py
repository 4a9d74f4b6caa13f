"""Networks that somebody wrote in PyTorch, to graphs."""
