"""Flax's files of parameters."""
