"""Raw files under a tracked pattern, committed without git-theta: as they are, until somebody asks for parameters."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.checkpoint_history import assert_clean, staged
from tests.sandbox import Sandbox, changed, model
from tests.sharded_checkpoints import read_checkpoint, replace_files, shard_name, sharded, tensor_of
from tests.templates import built_once
from tests.two_branches import BASE, MODEL

LARGE = model(1, **{"layer.weight": (2200, 1000)})  # 8.8 MB: taken from the worktree's file
CONTENTS: dict[str, bytes] = {
    "small": BASE,
    "large": LARGE,
    "no_checkpoint": b"not a checkpoint",
    "large_bytes": bytes(3 << 20),
}


@pytest.fixture(params=CONTENTS)
def raw(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> Sandbox:
    """A repository in which a raw file is committed under a tracked pattern, by somebody without git-theta."""
    sandbox = Sandbox.create(tmp_path / "repository", "sha256" if request.param == "large" else "sha1", install=False)
    _commit_raw(sandbox, CONTENTS[request.param])
    return sandbox


@built_once
def _commit_raw(sandbox: Sandbox, content: bytes) -> None:
    sandbox.write(MODEL, content)
    sandbox.commit("raw")
    sandbox.theta("track", "*.safetensors")
    sandbox.commit("track")


def touch(sandbox: Sandbox) -> None:
    os.utime(sandbox.root / MODEL, (1e9, 1e9))


def is_raw(sandbox: Sandbox) -> bool:
    """Whether the index holds the very bytes of the worktree's file."""
    oid = sandbox.git("hash-object", "--no-filters", MODEL).stdout
    return sandbox.git("rev-parse", f":{MODEL}").stdout == oid


def test_it_does_not_stay_modified_for_ever(raw: Sandbox, tmp_path: Path) -> None:
    content = raw.read(MODEL)
    for repository in (raw, Sandbox.clone(raw, tmp_path / "clone")):
        touch(repository)
        assert_clean(repository)
        touch(repository)
        repository.git("diff", "--exit-code")
        touch(repository)
        repository.git("add", "--all")
        repository.git("commit", "-qam", "nothing of it", "--allow-empty")
        repository.git("switch", "-qc", "side", "HEAD~")
        touch(repository)
        repository.git("stash", check=False)
        repository.git("merge", "-q", "main")
        assert repository.read(MODEL) == content
        assert is_raw(repository)
        assert_clean(repository)


def test_one_client_at_a_time(raw: Sandbox) -> None:
    """For clients that do not speak the process protocol."""
    raw.git("config", "--global", "--unset", "filter.theta.process")
    touch(raw)
    assert_clean(raw)


def test_other_bytes_of_the_same_size_are_seen(raw: Sandbox) -> None:
    content = bytearray(raw.read(MODEL))
    content[-1] ^= 1
    raw.write(MODEL, bytes(content))
    assert raw.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    raw.git("add", MODEL)
    assert is_manifest(staged(raw, MODEL))
    raw.git("commit", "-qm", "by parameters")
    assert_clean(raw)


@pytest.mark.parametrize("option", ["--renormalize", "--renorm"])
def test_the_one_command_that_adopts_it(raw: Sandbox, option: str) -> None:
    touch(raw)
    raw.git("add", option, MODEL)
    assert is_manifest(staged(raw, MODEL))
    raw.git("commit", "-qm", "adopted")
    assert_clean(raw)


def diverge(sandbox: Sandbox, adopted: str) -> None:
    """One branch that adopted git-theta, one that did not, and different parameters trained on each."""
    ours, theirs = changed(BASE, "embed.weight"), changed(BASE, "layer.bias")
    sandbox.write(MODEL, BASE)
    sandbox.commit("raw")
    for branch, content in (("adopted", ours), ("raw", theirs)):
        sandbox.git("switch", "-qc", branch, "main")
        if branch == "adopted":
            sandbox.theta("track", "*.safetensors")
            sandbox.git("add", "--renormalize", ".")
        sandbox.write(MODEL, content)
        sandbox.commit(branch)
    sandbox.git("switch", "-q", adopted)


@pytest.mark.parametrize("side", ["adopted", "raw"])
def test_where_one_side_adopted_the_message_offers_what_merges_by_parameters(sandbox: Sandbox, side: str) -> None:
    diverge(sandbox, side)
    other = {"adopted": "raw", "raw": "adopted"}[side]
    if side == "raw":  # has no .gitattributes of ours: Git takes those that are here
        sandbox.theta("track", "*.safetensors")
        sandbox.commit("track, and adopt nothing")
        assert is_raw(sandbox)
    done = sandbox.git("merge", "-m", "plain", other, check=False)
    assert done.returncode
    assert "git merge -X renormalize BRANCH" in done.stderr
    sandbox.git("merge", "--abort")
    sandbox.git("merge", "-q", "-m", "by parameters", "-X", "renormalize", other)
    assert is_manifest(staged(sandbox, MODEL))
    assert sandbox.read(MODEL) == changed(changed(BASE, "embed.weight"), "layer.bias")
    assert_clean(sandbox)


def test_the_configuration_that_says_the_same(sandbox: Sandbox) -> None:
    diverge(sandbox, "adopted")
    sandbox.git("config", "merge.renormalize", "true")
    sandbox.git("merge", "-q", "-m", "by parameters", "raw")
    assert sandbox.read(MODEL) == changed(changed(BASE, "embed.weight"), "layer.bias")


def test_track_and_doctor_say_which_and_offer_the_command(sandbox: Sandbox) -> None:
    sandbox.write("a b.safetensors", BASE)
    sandbox.commit("raw")
    done = sandbox.theta("track", "*.safetensors")
    assert "git add --renormalize 'a b.safetensors'" in done.stderr
    found = sandbox.theta("doctor", check=False)
    assert "committed by git-theta: 'a b.safetensors'" in found.stdout
    assert "git add --renormalize -- 'a b.safetensors'" in found.stderr


def test_git_theta_merge_with_that_configuration(sandbox: Sandbox) -> None:
    diverge(sandbox, "adopted")
    sandbox.git("-c", "merge.renormalize=true", "theta", "merge", "-m", "by parameters", "raw")
    assert sandbox.read(MODEL) == changed(changed(BASE, "embed.weight"), "layer.bias")
    assert_clean(sandbox)


def test_git_theta_merge_takes_the_other_side_by_parameters(sandbox: Sandbox) -> None:
    diverge(sandbox, "adopted")
    assert "1 changed by one (theirs)" in sandbox.theta("merge", "--plan", "raw").stdout
    sandbox.theta("merge", "raw")
    assert is_manifest(staged(sandbox, MODEL))
    assert sandbox.read(MODEL) == changed(changed(BASE, "embed.weight"), "layer.bias")
    assert_clean(sandbox)


def test_where_our_side_tracks_nothing_nothing_is_stored_by_parameters(sandbox: Sandbox) -> None:
    diverge(sandbox, "raw")
    assert "not stored by parameters at" in sandbox.theta("merge", "--plan", "adopted").stdout


@pytest.mark.parametrize("command", ["merge", "resolve"])
def test_shards_of_a_side_that_did_not_adopt_are_merged_whole(sandbox: Sandbox, command: str) -> None:
    """Ours cut the checkpoint otherwise, and trained e; theirs trained c, and all of it is raw there."""
    replace_files(sandbox, sharded("abc", "de"), "raw")
    sandbox.git("switch", "-qc", "side")
    replace_files(sandbox, sharded("abc", "de", c=1), "trained c, raw")
    sandbox.git("switch", "-q", "main")
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, sharded("ab", "cd", "e", e=2), "adopted, cut and trained")
    if command == "merge":
        sandbox.theta("merge", "side")
    else:
        assert sandbox.git("merge", "side", check=False).returncode == 1
        sandbox.theta("resolve")
        sandbox.git("commit", "-qm", "merged")
    found = read_checkpoint(sandbox.root)
    assert {name for name in found if not np.array_equal(found[name], tensor_of(name))} == {"c", "e"}
    assert np.allclose(found["c"], tensor_of("c", 1))
    assert is_manifest(staged(sandbox, shard_name(2, 3)))
    assert_clean(sandbox)
