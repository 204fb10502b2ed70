"""File formats: where in a file the tensors are."""
