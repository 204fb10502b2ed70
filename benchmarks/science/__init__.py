"""How good merges are: real models, tuned on real tasks, merged by every strategy and scored on what none has seen."""
