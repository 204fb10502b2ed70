"""``git theta merge`` of many heads: renames, sides that there are not, odd places, progress."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_progress import on_a_terminal
from tests.integration.three_branches import (
    BASE,
    MODEL,
    NEW,
    added,
    assert_clean,
    branch,
    everything,
    on_main,
    parents,
    started,
    values,
)
from tests.sandbox import Sandbox, model


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """``main`` with a checkpoint and a note; ``fork`` is the commit that branches start at."""
    return started(sandbox)


# Renames

RENAMED = "deep/a b/n\u00e9\nw.safetensors"


def renamed(repository: Sandbox, name: str, path: str, checkpoint: bytes) -> None:
    """A branch from ``fork`` on which MODEL was renamed and, unless it is BASE, changed; back on main."""
    repository.git("checkout", "--quiet", "-b", name, "fork")
    (repository.root / path).parent.mkdir(parents=True, exist_ok=True)
    repository.git("mv", MODEL, path)
    repository.write(path, checkpoint)
    repository.commit(name)
    repository.git("checkout", "--quiet", "main")


def test_a_rename_is_followed(repository: Sandbox) -> None:
    """Two heads of three know the file by its old name, and one of those has nothing else to merge."""
    renamed(repository, "a", RENAMED, added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, a__weight=2, b__weight=1))
    on_main(repository, added(BASE, a__bias=1))
    plan = json.loads(repository.theta("merge", "--plan", "--json", "a", "b", "-s", "average").stdout)
    [file] = plan["files"]
    assert (file["path"], file["renamed_from"], file["merged"]) == (RENAMED, MODEL, "parameters")
    repository.theta("merge", "a", "b", "-s", "average")
    assert not (repository.root / MODEL).exists()
    merged = repository.read(RENAMED)
    three = sum(values(added(BASE, a__weight=delta), "a.weight").astype("f8") for delta in (0, 1, 2))
    assert np.allclose(values(merged, "a.weight"), three / 3, atol=1e-6)
    assert np.array_equal(values(merged, "a.bias"), values(BASE, "a.bias") + 1)
    assert np.array_equal(values(merged, "b.weight"), values(BASE, "b.weight") + 1)
    assert_clean(repository)


def test_a_rename_alone_and_the_same_rename_twice(repository: Sandbox) -> None:
    renamed(repository, "a", "new.safetensors", BASE)
    renamed(repository, "b", "new.safetensors", added(BASE, b__weight=1))
    repository.write("own.txt", b"own\n")
    repository.commit("ours")
    assert f"renamed from {MODEL}" in repository.theta("merge", "--plan", "a").stdout
    repository.theta("merge", "a", "b")
    assert repository.git("ls-files", "*.safetensors").stdout == "new.safetensors\n"
    assert repository.read("new.safetensors") == added(BASE, b__weight=1)


@pytest.mark.parametrize("second", ["renamed it to y.safetensors", "removed it", "has another file"])
def test_names_that_contradict_each_other_change_nothing(repository: Sandbox, second: str) -> None:
    renamed(repository, "a", "x.safetensors", added(BASE, a__weight=1))
    if second.startswith("renamed"):
        renamed(repository, "b", "y.safetensors", added(BASE, a__weight=2))
    else:
        repository.git("checkout", "--quiet", "-b", "b", "fork")
        if second == "removed it":
            repository.git("rm", "--quiet", MODEL)
        else:
            repository.write("x.safetensors", model(9, **NEW))
        repository.commit("b")
        repository.git("checkout", "--quiet", "main")
    on_main(repository, added(BASE, a__bias=1))
    before = everything(repository)
    assert "contested as a file" in repository.theta("merge", "--plan", "a", "b").stdout
    done = repository.theta("merge", "a", "b", "-s", "average", check=False)
    assert done.returncode == 1
    assert f"{MODEL}: a renamed it to x.safetensors, " in done.stderr
    assert f"b {second}" in done.stderr
    assert everything(repository) == before


def test_renames_are_not_followed_where_git_is_told_so(repository: Sandbox) -> None:
    renamed(repository, "a", "new.safetensors", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, a__weight=2))
    repository.git("config", "merge.renames", "false")
    done = repository.theta("merge", "a", "b", "-s", "average", check=False)
    assert f"{MODEL}: a removed it, b changed it" in done.stderr


# Sides of many heads


@pytest.mark.parametrize("origin", [".theta.toml, rule 1", "theta-merge", "theta.merge.strategy", "--for", "frame"])
def test_many_heads_have_no_theirs_whoever_says_so(repository: Sandbox, origin: str) -> None:
    theirs = {"b.weight": "ours", "*": "theirs"} if origin == "--for" else {}
    heads = [added(BASE, a__weight=number) for number in (1, 2, 3)]
    if origin == "frame":  # nothing is contested but what is no parameter
        heads = [tagged(added(BASE, **{name: 1}), name) for name in ("a__weight", "a__bias", "b__weight")]
    branch(repository, "a", heads[0])
    branch(repository, "b", heads[1])
    if origin.startswith(".theta"):
        repository.write(".theta.toml", b'[[merge]]\nstrategy = "theirs"\n')
    elif origin == "theta-merge":
        repository.write(".gitattributes", repository.read(".gitattributes") + b"*.safetensors theta-merge=theirs\n")
    elif origin != "--for":
        repository.git("config", "theta.merge.strategy", "theirs")
    on_main(repository, heads[2])
    before = everything(repository)
    rules = [word for glob, strategy in theirs.items() for word in ("--for", f"{glob}={strategy}")]
    done = repository.theta("merge", "a", "b", *rules, check=False)
    assert done.returncode == 2, done.stderr
    said = "theta.merge.strategy" if origin == "frame" else origin
    assert f"{MODEL}: {said}: theirs merges 2 heads, not 3" in done.stderr
    assert everything(repository) == before


def tagged(checkpoint: bytes, tag: str) -> bytes:
    """The checkpoint with metadata."""
    length = int.from_bytes(checkpoint[:8], "little")
    header = json.dumps({"__metadata__": {"by": tag}} | json.loads(checkpoint[8 : 8 + length])).encode()
    return len(header).to_bytes(8, "little") + header + checkpoint[8 + length :]


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_side_that_may_be_without_the_file_is_refused(repository: Sandbox, side: str) -> None:
    """``ours`` is what is checked out, not the first head that happens to have the file."""
    for name, number in (("a", 1), ("b", 3)):
        repository.git("checkout", "--quiet", "-b", name, "fork")
        repository.write("new.safetensors", model(number, **NEW))
        repository.commit(name)
    repository.git("checkout", "--quiet", "main")
    repository.write("own.txt", b"own\n")
    repository.commit("ours")
    done = repository.theta("merge", "a", "b", "-s", side, check=False)
    assert done.returncode == 2
    assert f"new.safetensors: -s: {side} may be a head without this file" in done.stderr


# Odd places


def test_many_heads_heed_merges_that_are_not_allowed(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, b__weight=2))
    repository.git("config", "merge.ff", "only")
    before = everything(repository)
    done = repository.theta("merge", "a", "b", check=False)
    assert done.returncode == 2
    assert "merge.ff" in done.stderr
    assert everything(repository) == before


def test_where_history_is_cut_off_the_hint_says_so(repository: Sandbox, tmp_path: Path) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, b__weight=2))
    on_main(repository, added(BASE, a__bias=1))
    repository.theta("install", "--global")
    clone = Sandbox.clone(f"file://{repository.root}", tmp_path / "clone", "--depth=1", "--no-single-branch")
    done = clone.theta("merge", "origin/a", "origin/b", "-s", "average", check=False)
    assert (done.returncode, "git fetch --unshallow" in done.stderr) == (2, True)
    clone.git("fetch", "--quiet", "--unshallow")
    clone.theta("merge", "origin/a", "origin/b", "-s", "average")
    assert_clean(clone)


def test_nothing_is_committed_yet(sandbox: Sandbox) -> None:
    done = sandbox.theta("merge", "topic", check=False)
    assert (done.returncode, "nothing is committed here yet" in done.stderr) == (2, True)


def test_clients_without_the_filter_process_are_told_what_they_record(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=2))
    repository.git("merge", "a", check=False)
    repository.git("config", "--unset", "filter.theta.process")
    done = repository.git("add", MODEL)
    assert f"{MODEL}: 1 contested parameter is recorded as ours: a.weight" in done.stderr


_SLOW = """\
import sys
from git_theta.cli import progress
from git_theta.cli.main import main
progress._FIRST_DELAY = progress._REDRAW_PERIOD = 0
sys.exit(main(["merge", "a", "b", "-s", "average"]))
"""


def test_progress_of_many_heads_on_a_terminal(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1, b__weight=1))
    branch(repository, "b", added(BASE, a__weight=2))
    on_main(repository, added(BASE, a__weight=3, a__bias=1))
    _, drawn = on_a_terminal(_SLOW, repository.root)
    assert f"Merging {MODEL}" in drawn
    assert len(parents(repository)) == 3
    assert "256/256 bytes" in drawn
