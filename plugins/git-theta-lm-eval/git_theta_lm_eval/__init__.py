"""The evaluator ``lm-eval`` of Git-Theta: what lm-evaluation-harness logs of each question."""
