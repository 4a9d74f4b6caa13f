"""Published figures: which an analysis reproduces, what else reproduces them, and the errata of the course decks."""
