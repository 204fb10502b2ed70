"""Arithmetic that gives the same bytes anywhere, in bounded memory: sums, orders, random numbers, matrices (L9)."""
