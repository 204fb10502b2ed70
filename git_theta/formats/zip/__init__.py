"""Zip archives: their directory read, written and mended."""
