"""Git alone: its commands, files and protocols. Knows nothing of checkpoints; is handed functions where it must."""
