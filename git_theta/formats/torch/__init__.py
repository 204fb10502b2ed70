"""torch's zip archives."""
