"""A report to look at: text and statistics for a terminal, JSON for programs, HTML and PNG. Nothing here reads."""
