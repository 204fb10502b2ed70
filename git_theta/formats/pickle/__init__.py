"""Pickles, read without running them, and written."""
