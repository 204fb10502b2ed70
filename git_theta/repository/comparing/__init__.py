"""Files that differ between two versions, as the checkpoints that they are."""
