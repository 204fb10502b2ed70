"""Tensors that torch quantised as one: scale and zero point stand in the pickle, codes elsewhere; kept together."""

from __future__ import annotations

import io
from argparse import Namespace
from typing import Any, NamedTuple

import pytest
import torch

from tests.sandbox import Sandbox
from tests.two_branches import Files, fork

FILE = "int8.pt"
pytestmark = pytest.mark.filterwarnings("ignore")  # torch calls these tensors deprecated


class Quantised(NamedTuple):
    """A tensor of one code everywhere, and its scale."""

    code: int
    scale: float


BASE = Quantised(1, 0.5)


def saved(w: Quantised, v: Quantised = BASE, **others: Any) -> Files:
    stream = io.BytesIO()
    values = {"w": quantised(w), "v": torch.nn.Parameter(quantised(v), requires_grad=False), "bias": torch.ones(4)}
    torch.save({**values, **others}, stream)
    return {FILE: stream.getvalue()}


def quantised(told: Quantised) -> torch.Tensor:
    return torch.quantize_per_tensor(torch.full((6,), told.code * told.scale), told.scale, 0, torch.qint8)


def worktree(sandbox: Sandbox) -> tuple[Quantised, Quantised]:
    """What w and v are."""
    values = torch.load(sandbox.root / FILE, weights_only=False)
    w, v = (Quantised(int(one.int_repr()[0]), one.q_scale()) for one in (values["w"], values["v"]))
    return w, v


def test_codes_of_ours_never_stand_beside_a_scale_of_theirs(sandbox: Sandbox) -> None:
    """Each side changed one of them alone: ids and keys would have settled it."""
    ours, theirs = BASE._replace(code=7), BASE._replace(scale=0.25)
    fork(sandbox, saved(BASE), saved(ours), saved(theirs))
    done = sandbox.theta("merge", "-s", "average", "side", check=False)
    assert done.returncode == 1
    assert "w (codes mean nothing without the scales that they were made with: average does not compute" in done.stderr
    assert worktree(sandbox)[0] == ours
    assert "contested: w" in sandbox.theta("status").stdout
    sandbox.theta("resolve", "--theirs")
    assert worktree(sandbox)[0] == theirs
    assert sandbox.git("ls-files", "-u").stdout == ""


def test_so_it_is_where_no_checksum_tells_that_codes_changed(sandbox: Sandbox) -> None:
    """Ours has the frame of the base then."""
    torch.serialization.set_crc32_options(False)
    try:
        ours, theirs = BASE._replace(code=7), BASE._replace(scale=0.25)
        fork(sandbox, saved(BASE), saved(ours), saved(theirs))
    finally:
        torch.serialization.set_crc32_options(True)
    assert sandbox.git("merge", "--no-edit", "side", check=False).returncode == 1
    assert worktree(sandbox)[0] == ours
    sandbox.theta("resolve", "--ours")
    assert worktree(sandbox)[0] == ours


def test_each_side_may_quantise_another_tensor_anew(sandbox: Sandbox) -> None:
    ours, theirs = Quantised(7, 0.25), Quantised(9, 2.0)
    fork(sandbox, saved(BASE), saved(ours), saved(BASE, theirs))
    sandbox.git("merge", "--no-edit", "side")
    assert worktree(sandbox) == (ours, theirs)


def test_each_is_settled_by_itself_some_at_a_time(sandbox: Sandbox) -> None:
    ours, theirs = Quantised(7, 0.25), Quantised(9, 2.0)
    fork(sandbox, saved(BASE), saved(ours, BASE._replace(code=3)), saved(theirs, BASE._replace(scale=4.0)))
    assert sandbox.git("merge", "--no-edit", "side", check=False).returncode == 1
    assert sandbox.theta("resolve", "--ours", "--only", "v", check=False).returncode == 1
    assert worktree(sandbox) == (ours, BASE._replace(code=3))
    sandbox.theta("resolve", "--theirs", "--only", "w")
    assert worktree(sandbox) == (theirs, BASE._replace(code=3))
    assert sandbox.git("ls-files", "-u").stdout == ""


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_where_the_pickle_is_taken_whole_they_come_with_it(sandbox: Sandbox, side: str) -> None:
    """It holds an object, so that it is not written again."""
    ours, theirs = Quantised(7, 0.25), Quantised(9, 2.0)
    args = Namespace(seed=1)
    fork(sandbox, saved(BASE, args=args), saved(ours, args=args), saved(BASE, theirs, args=args))
    done = sandbox.git("merge", "--no-edit", "side", check=False)
    assert done.returncode == 1
    assert "with the tensors whose scales it holds" in done.stderr
    assert worktree(sandbox) == (ours, BASE)
    sandbox.theta("resolve", f"--{side}")
    assert worktree(sandbox) == {"ours": (ours, BASE), "theirs": (BASE, theirs)}[side]
