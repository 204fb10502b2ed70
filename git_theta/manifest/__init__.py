"""What Git sees in place of a checkpoint: the values, and their one text encoding."""
