"""What git-theta does: each operation one straight line through the rooms below, handed functions where it needs Git."""
