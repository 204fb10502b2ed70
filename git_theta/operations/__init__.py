"""What git-theta does: each operation one straight line through the rooms below. Git comes in as functions."""
