"""The stores of a repository: its own, its alternates' and its remotes'."""
