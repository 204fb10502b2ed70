"""Tensors that torch quantised as one: scale and zero point stand in the pickle, codes elsewhere; kept together."""

from __future__ import annotations

import io
import json
from argparse import Namespace
from typing import Any, NamedTuple

import pytest
import torch

import git_theta as gt
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


def planned(sandbox: Sandbox, *args: str) -> dict[str, Any]:
    """What the plan says of the one file: by name, with what is said of the file under ""."""
    [file] = json.loads(sandbox.theta("merge", "--plan", "--json", "side", *args).stdout)["files"]
    parameters = file["plan"]["parameters"] if file["plan"] else []
    return {item["name"]: item for item in parameters} | {"": file}


def test_a_plan_tells_of_scales_that_go_with_their_codes(sandbox: Sandbox) -> None:
    """Each side changed one of them alone: by ids alone, the codes of ours would be taken, and nobody contest them."""
    fork(sandbox, saved(BASE), saved(BASE._replace(code=7)), saved(BASE._replace(scale=0.25)))
    found = planned(sandbox, "-s", "average")
    assert found["w"]["state"] == "contested"
    assert found["w"]["by"] == ["ours", "theirs"]
    assert found["w"]["take"] is found["w"]["strategy"] is None
    assert found["v"]["take"] == "ours"
    assert planned(sandbox, "-s", "theirs")["w"]["strategy"]["name"] == "theirs"
    said = sandbox.theta("merge", "--plan", "side", "-s", "average").stdout
    assert "contested: w: ours and theirs changed it differently (codes and scales: together)" in said
    assert "average does not compute with them" in said
    made = gt.merge("main", "side", strategy="average", repo=sandbox.root)
    [row] = [row for row in made.plan if row.name == "w"]
    assert (row.contested, row.strategy) == (True, None)


def test_a_plan_tells_where_they_come_from_with_a_pickle_that_is_taken_whole(sandbox: Sandbox) -> None:
    ours, theirs = Quantised(7, 0.25), Quantised(9, 2.0)
    args = Namespace(seed=1)
    fork(sandbox, saved(BASE, args=args), saved(ours, args=args), saved(BASE, theirs, args=args))
    for side in ("ours", "theirs"):
        found = planned(sandbox, "-s", side)
        assert (found["w"]["take"], found["v"]["take"]) == (side, side)


def test_a_plan_tells_of_shards_that_will_be_refused(sandbox: Sandbox) -> None:
    def shards(w: Quantised, v: Quantised) -> Files:
        return {f"model-{at:05d}-of-00002.pt": saved(one)[FILE] for at, one in enumerate((w, v), 1)}

    fork(sandbox, shards(BASE, BASE), shards(BASE._replace(code=7), BASE), shards(BASE, BASE._replace(scale=4.0)))
    found = planned(sandbox)[""]
    done = sandbox.theta("merge", "side", check=False)
    assert (found["merged"], found["plan"]) == ("contested", None)
    assert "whose scales are in the shards' pickles" in found["reason"]
    assert done.returncode == 1
    assert found["reason"] in done.stderr


def test_a_plan_fetches_nothing_and_says_what_it_could_not_see(sandbox: Sandbox) -> None:
    fork(sandbox, saved(BASE), saved(BASE._replace(code=7)), saved(BASE._replace(scale=0.25)))
    for file in (sandbox.root / ".git/theta/objects").rglob("*"):
        if file.is_file():
            file.unlink()
    done = sandbox.theta("merge", "--plan", "side")
    assert "cannot be told, so the merge may contest more" in done.stderr
