"""Arrays of NumPy in what ``torch.save`` writes, by both kinds of its pickles: nothing is lost, and all is told."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import torch

from tests.sandbox import Sandbox
from tests.two_branches import Files, fork

FILE = "train.pt"
USUAL, NEWER = 2, 4


def saved(protocol: int, **arrays: float) -> Files:
    """A checkpoint with a tensor, a step, and arrays that are filled with a number; their bytes are no ASCII."""
    stream = io.BytesIO()
    step = arrays.pop("step", 1)
    ema = {name: np.full(20_000, at, "<f4") for name, at in arrays.items()}
    value = {"w": torch.zeros(3), "step": step, "ema": ema}
    torch.save(value, stream, pickle_protocol=protocol)
    return {FILE: stream.getvalue()}


def loaded(sandbox: Sandbox) -> Any:
    return torch.load(sandbox.root / FILE, weights_only=False)


def ema(sandbox: Sandbox) -> dict[str, float]:
    return {name: float(array.mean()) for name, array in loaded(sandbox)["ema"].items()}


def names(sandbox: Sandbox) -> list[str]:
    return [one["name"] for one in json.loads(sandbox.theta("show", "--json", f"HEAD:{FILE}").stdout)["parameters"]]


@pytest.mark.parametrize("protocol", [3, NEWER, 5])
def test_by_a_newer_protocol_they_are_parameters_like_others(sandbox: Sandbox, protocol: int) -> None:
    base, ours, theirs = (saved(protocol, x=x, y=y) for x, y in ((-1, -1), (2, -1), (4, -3)))
    fork(sandbox, base, ours, theirs)
    assert sorted(names(sandbox)) == ["ema.x", "ema.y", "w"]
    assert "ema.x" in sandbox.theta("diff", "base", "ours").stdout
    done = sandbox.git("merge", "--no-edit", "side", check=False)
    assert done.returncode == 1
    assert "ema.x" in done.stderr
    assert ema(sandbox) == {"x": 2, "y": -3}
    sandbox.theta("resolve", "-s", "average")
    assert ema(sandbox) == {"x": 3, "y": -3}
    assert sandbox.git("ls-files", "-u").stdout == ""


def test_by_a_newer_protocol_plain_values_that_both_changed_are_a_conflict(sandbox: Sandbox) -> None:
    """A pickle with arrays in it is not written again: nothing is guessed."""
    fork(sandbox, saved(NEWER, x=1), saved(NEWER, x=2, step=2), saved(NEWER, x=4, step=3))
    done = sandbox.theta("merge", "-s", "average", "side")
    assert "ours is kept" in done.stderr
    assert (ema(sandbox), loaded(sandbox)["step"]) == ({"x": 3}, 2)


def test_by_the_usual_protocol_they_are_merged_whole_by_key(sandbox: Sandbox) -> None:
    base, ours, theirs = saved(USUAL, x=-1, y=-1, z=-1), saved(USUAL, x=2, y=-1, z=5), saved(USUAL, x=-1, y=-3, z=6)
    fork(sandbox, base, ours, theirs)
    assert names(sandbox) == ["w"]
    told = "ema.x: an array of NumPy, merged whole, not by elements"
    assert told in sandbox.theta("show", f"HEAD:{FILE}").stdout
    assert sandbox.theta("diff", "base", "ours", "--exit-code", check=False).returncode == 1
    done = sandbox.theta("merge", "-s", "average", "side", check=False)
    assert done.returncode == 1
    assert "(frame) ema.z" in done.stderr
    assert "average computes with parameters, and this may be more than metadata" in done.stderr
    assert ema(sandbox) == {"x": 2, "y": -3, "z": 5}
    sandbox.theta("resolve", "--theirs")
    assert ema(sandbox) == {"x": 2, "y": -3, "z": 6}
    assert sandbox.git("ls-files", "-u").stdout == ""


def test_where_a_side_changed_the_protocol_what_the_other_trained_is_contested(sandbox: Sandbox) -> None:
    fork(sandbox, saved(USUAL, x=-1), saved(USUAL, x=2), saved(NEWER, x=-1))
    assert "ema.x" in sandbox.theta("merge", "-s", "average", "side", check=False).stderr
    assert ema(sandbox) == {"x": 2}
    sandbox.git("merge", "--abort")
    done = sandbox.git("merge", "--no-edit", "side", check=False)
    assert done.returncode == 1
    assert "ema.x" in done.stderr
    assert ema(sandbox) == {"x": 2}
