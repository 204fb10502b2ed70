"""Files that are one checkpoint: shards and their index."""
