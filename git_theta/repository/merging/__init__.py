"""Merges of commits: their policies, their checkpoints, and what stays contested."""
