"""The updates ``low-rank`` and ``scale``: the update base plus the product of two thin matrices, or times a vector."""
