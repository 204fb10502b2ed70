"""Values of a part to storage, and storage to values: the one place where updates, serializers and the store meet."""
