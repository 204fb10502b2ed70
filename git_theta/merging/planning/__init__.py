"""What becomes of every parameter and of the file, on ids alone, and how that is shown."""
