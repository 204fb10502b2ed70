"""Samplers as files: JSON beside the checkpoint, so that a commit has both, and a loop goes on from both."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from git_theta.checkpoints.index_file import whole_path_of
from git_theta.errors import UsageError
from git_theta.vcs.atomic import read_file, replace_file

from git_theta_flad.base import FladSampler
from git_theta_flad.exp3_sampler import Exp3Sampler
from git_theta_flad.ucb1_sampler import Ucb1Sampler

_VERSION = 1
_KINDS: dict[str, type[FladSampler]] = {kind.algorithm: kind for kind in (Exp3Sampler, Ucb1Sampler)}


def find_sampler_file(checkpoint: str | os.PathLike[str]) -> Path:
    """``model.flad.json`` for ``model.safetensors``, and for the index of its shards."""
    file = Path(whole_path_of(os.fspath(checkpoint)))
    return file.with_name(f"{file.stem}.flad.json")


def save_sampler(sampler: FladSampler, checkpoint: str | os.PathLike[str]) -> Path:
    """Write it beside a checkpoint, whole or not at all; returns the file. Raises OSError."""
    state = {"version": _VERSION, "algorithm": sampler.algorithm, **asdict(sampler)}
    file = find_sampler_file(checkpoint)
    replace_file(file, (json.dumps(state, indent=1, allow_nan=False) + "\n").encode())
    return file


def load_sampler(checkpoint: str | os.PathLike[str]) -> FladSampler | None:
    """The one that lies beside a checkpoint; None where there is none.

    Raises UsageError, which names the file, for what ``save_sampler`` has not written, and for a newer version.
    """
    file = find_sampler_file(checkpoint)
    if not (content := read_file(file)):
        return None
    try:
        return _read_sampler(json.loads(content))
    except UsageError as error:
        raise error.add_location(path=str(file)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"it is no state of a sampler: {error}", hint="Restore it from Git, or begin anew.", path=str(file)
        ) from None


def _read_sampler(state: dict[str, Any]) -> FladSampler:
    if state["version"] > _VERSION:
        raise UsageError("it is of a newer git-theta-flad", hint="pip install -U git-theta-flad")
    kind = _KINDS[state["algorithm"]]
    return kind(**{one.name: state[one.name] for one in fields(kind)})
