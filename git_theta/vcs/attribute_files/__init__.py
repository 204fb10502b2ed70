"""Attributes of files: how Git reads them, how ours are written, and which files have them."""
