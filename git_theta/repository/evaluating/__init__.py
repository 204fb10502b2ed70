"""Evaluations in a repository: what may run, on which versions, and where its results are kept."""
