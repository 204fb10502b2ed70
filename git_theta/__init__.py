"""Git-Theta: version machine-learning checkpoints with Git, parameter by parameter."""

__version__ = "1.0.0.dev0"
