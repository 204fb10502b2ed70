"""Two or more versions side by side, and their history."""
