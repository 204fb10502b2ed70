"""A Git-Theta plug-in that stores tensors with pcodec, a coder of numerical sequences."""
