"""A Git-Theta plug-in for the files that NumPy writes."""
