"""A Git-Theta plug-in that keeps a repository's objects in one SQLite file."""
