"""What the environment says about merging."""

from __future__ import annotations

import os

from git_theta.repository.policy_sources import HANDED, STRATEGY, MergeOptions, decode_options


def read_merge_options() -> MergeOptions:
    """What a `git theta merge` above us has handed on, and the strategy that the environment names."""
    return decode_options(os.environ.get(HANDED, ""), os.environ.get(STRATEGY, ""))
