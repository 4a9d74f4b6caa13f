"""Networks that are imported from PyTorch."""
