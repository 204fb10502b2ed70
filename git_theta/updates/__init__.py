"""How a tensor is stored relative to an update base."""
