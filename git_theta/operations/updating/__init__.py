"""Updates that a person brings: adapters that were trained elsewhere, and what becomes of a checkpoint with them."""
