"""A repository with its store, state and remotes: where Git and the operations meet."""
