"""Objects on their way to remotes and back, and what remotes keep."""
