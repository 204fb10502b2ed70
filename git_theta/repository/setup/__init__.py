"""What makes a repository ready for others: plug-ins, the pre-push hook, a word in its README."""
