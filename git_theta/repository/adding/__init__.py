"""New versions of checkpoints that are not files of the worktree."""
