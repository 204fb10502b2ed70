"""Smudge: a manifest back to the file it stands for."""
