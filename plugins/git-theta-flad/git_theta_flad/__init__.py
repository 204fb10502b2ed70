"""Samplers that choose auxiliary data sets for a training loop, and go on where they stopped."""

from git_theta_flad.exp3_sampler import Exp3Sampler
from git_theta_flad.gradient_alignment import measure_alignment
from git_theta_flad.sampler_files import load_sampler, save_sampler
from git_theta_flad.ucb1_sampler import Ucb1Sampler

__all__ = ["Exp3Sampler", "Ucb1Sampler", "load_sampler", "measure_alignment", "save_sampler"]
