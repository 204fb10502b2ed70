"""The Git command that runs us: what it is doing, what it was told, and what it makes of our answer."""
