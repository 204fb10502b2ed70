"""One file per command; the only room that prints, prompts and reads the environment."""
