"""What the environment says about merging."""

from __future__ import annotations

import os

from git_theta.repository.merging.policy_sources import (
    OPTIONS_VARIABLE,
    STRATEGY_VARIABLE,
    MergeOptions,
    decode_options,
)


def read_merge_options() -> MergeOptions:
    """What a `git theta merge` above us has handed on, and the strategy that the environment names."""
    return decode_options(os.environ.get(OPTIONS_VARIABLE, ""), os.environ.get(STRATEGY_VARIABLE, ""))
