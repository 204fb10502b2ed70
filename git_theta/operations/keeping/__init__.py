"""What is needed, what is here, what is damaged."""
