"""Merges, picks, reverts and rebases, as Git makes them and notes them."""
