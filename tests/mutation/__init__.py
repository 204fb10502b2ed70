"""``make mutate``: lines of the rooms that hold the laws, changed one at a time; and what no test notices."""
