"""Versions of checkpoints in the history, and what can be asked of them."""
