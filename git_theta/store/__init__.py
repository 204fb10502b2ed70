"""Objects by id: immutable bytes under their SHA-256."""
