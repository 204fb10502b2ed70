"""A Git-Theta plug-in that merges fine-tunes weighted by their Fisher information."""
