"""Checkpoints that are contested across their files, of which Git, file by file, sees no conflict (L7, L13)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load

from tests.integration.test_sharded_merges import Files, start
from tests.integration.three_branches import assert_clean
from tests.sandbox import Sandbox, safetensors_bytes
from tests.sharded_checkpoints import INDEX, shard_name, sharded, tensor_of

pytestmark = pytest.mark.forked
CODES, SCALES = shard_name(1, 2), shard_name(2, 2)
TOLD = "Git merged its files one by one, but the checkpoint is contested"


def without_index(files: Files) -> Files:
    return {path: content for path, content in files.items() if path != INDEX}


def quantised(code: int, scale: float) -> Files:
    """fp8 codes in one shard, their scales in another."""
    index = {"metadata": {}, "weight_map": {"w.weight": CODES, "w.weight_scale": SCALES}}
    return {
        CODES: safetensors_bytes({"w.weight": ("F8_E4M3", (64, 64), bytes([code]) * 4096)}),
        SCALES: safetensors_bytes({"w.weight_scale": ("F32", (64,), np.full(64, scale, "<f4").tobytes())}),
        INDEX: json.dumps(index).encode(),
    }


def start_quantised(sandbox: Sandbox) -> None:
    start(sandbox, quantised(56, 1), quantised(57, 1), quantised(56, 2))


def start_added(sandbox: Sandbox) -> None:
    """Both sides add a parameter, each to another shard."""
    start(sandbox, *map(without_index, (sharded("abc", "de"), sharded("abcx", "de"), sharded("abc", "dex", x=2))))


def content_of(sandbox: Sandbox) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sandbox.root.glob("model*")}


@pytest.mark.parametrize("strategy", [(), ("-s", "average")])
def test_codes_and_scales_in_different_shards_are_one_conflict(sandbox: Sandbox, strategy: tuple[str, ...]) -> None:
    start_quantised(sandbox)
    done = sandbox.theta("merge", "theirs", *strategy, check=False)
    assert done.returncode == 1
    assert f"{INDEX}: {TOLD}" in done.stderr
    assert "w.weight" in done.stderr
    assert sandbox.git("commit", "-qm", "mixed", check=False).returncode != 0
    assert sandbox.theta("resolve", check=False).returncode == 1
    sandbox.git("merge", "--abort")
    assert_clean(sandbox)
    assert content_of(sandbox) == quantised(57, 1)


@pytest.mark.parametrize(("side", "kept"), [("ours", quantised(57, 1)), ("theirs", quantised(56, 2))])
def test_a_side_settles_it_with_what_belongs_together(sandbox: Sandbox, side: str, kept: Files) -> None:
    start_quantised(sandbox)
    sandbox.theta("merge", "theirs", check=False)
    sandbox.theta("resolve", f"--{side}")
    assert sandbox.git("ls-files", "-u").stdout == ""
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    assert content_of(sandbox)[CODES] == kept[CODES]
    assert content_of(sandbox)[SCALES] == kept[SCALES]


def test_a_parameter_that_both_added_never_stands_twice(sandbox: Sandbox) -> None:
    start_added(sandbox)
    done = sandbox.theta("merge", "theirs", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    sandbox.theta("resolve", "-s", "average")
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    held = [load(content) for path, content in sorted(content_of(sandbox).items()) if path != INDEX]
    assert ["x" in one for one in held].count(True) == 1
    [merged] = [one["x"] for one in held if "x" in one]
    np.testing.assert_allclose(merged, tensor_of("x", 1), atol=1e-6)


def test_so_it_is_beside_a_conflict_of_another_file(sandbox: Sandbox) -> None:
    base, ours, theirs = (
        {**files, "other.safetensors": safetensors_bytes({"o": ("U8", (4096,), bytes([at]) * 4096)})}
        for at, files in enumerate((quantised(56, 1), quantised(57, 1), quantised(56, 2)))
    )
    start(sandbox, base, ours, theirs)
    done = sandbox.theta("merge", "theirs", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    assert {CODES, SCALES, "other.safetensors"} == set(
        sandbox.git("diff", "--name-only", "--diff-filter=U").stdout.split()
    )


def test_json_names_the_files(sandbox: Sandbox) -> None:
    start_quantised(sandbox)
    done = sandbox.theta("merge", "theirs", "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["conflicts"]) == (1, [CODES, SCALES])
    assert json.loads(done.stdout)["commit"] is None
