"""Tar archives, as far as checkpoints come in them."""
