"""Searches for the settings of a merge: what is tried next, on which items, and what was said of it. Pure."""
