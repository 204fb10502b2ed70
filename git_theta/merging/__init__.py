"""Merging: which parameters need it, by which strategy, and what comes of it."""
