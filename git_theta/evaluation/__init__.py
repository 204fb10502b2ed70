"""What an evaluator says of a checkpoint: scores, how those of two versions compare, and gates that they must pass."""
