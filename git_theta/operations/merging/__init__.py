"""Plans carried out: contested parameters, frames, conflicts."""
