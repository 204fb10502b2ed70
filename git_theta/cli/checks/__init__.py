"""What `git theta doctor` looks at, by what it is about."""
