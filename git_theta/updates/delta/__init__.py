"""The update ``delta``: the difference from a prediction, as integers."""
