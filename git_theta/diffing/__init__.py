"""What changed between two versions of a checkpoint: compare (ids), measure (values), render."""
