"""The strategies that ship with git-theta. Each module ends with what is registered."""
