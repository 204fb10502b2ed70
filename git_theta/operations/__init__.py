"""What git-theta does, each operation one straight line through the rooms below. Handed functions where it needs Git."""
