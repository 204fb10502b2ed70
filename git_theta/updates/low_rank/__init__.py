"""The update ``low-rank``: the update base plus the product of two thin matrices."""
