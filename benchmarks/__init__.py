"""Side-by-side runs of git-theta, git-lfs and the physical bounds: ``python -m benchmarks``."""
