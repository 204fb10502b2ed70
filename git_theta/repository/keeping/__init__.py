"""What a repository needs, and what it may drop."""
