"""Clean: a checkpoint into parts, into the store, into a manifest."""
