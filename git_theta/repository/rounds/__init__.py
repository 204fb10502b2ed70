"""Collaborative rounds: who has submitted a head, which heads are merged, and what becomes of them."""
