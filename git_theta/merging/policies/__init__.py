"""Which strategy merges what: a project's rules for its checkpoints and its rounds, and what is no weight."""
