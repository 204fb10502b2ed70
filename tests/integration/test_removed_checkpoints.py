"""Checkpoints of several files that one side of a merge removed, or moved elsewhere: decided about as one (L13)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.integration.test_sharded_merges import Files, assert_merged, start
from tests.integration.three_branches import assert_clean, values
from tests.pairs import cross_in_pairs
from tests.questions import answer_questions
from tests.sandbox import Sandbox
from tests.sharded_checkpoints import INDEX, names_in, replace_files, shard_name, sharded, tensor_of
from tests.templates import built_once

BASE = sharded("abc", "de")
TRAINED = sharded("abc", "de", a=1)
OTHER = {"other": b"another file, so that there is a commit"}
FILES = {INDEX, shard_name(1, 2), shard_name(2, 2)}


HEADS = ("ours", "theirs")
SIDES = (*HEADS, "base")


@pytest.fixture(params=HEADS)
def remover(request: pytest.FixtureRequest) -> str:
    """The side that removed the checkpoint; the other one trained it."""
    return str(request.param)


def start_removed(sandbox: Sandbox, remover: str, trained: Files = TRAINED) -> None:
    """One side removed it all, the other one changed ``a``, which is in the first shard."""
    ours, theirs = (OTHER, trained) if remover == "ours" else (trained, OTHER)
    start(sandbox, BASE, ours, theirs)


@built_once
def start_conflict(sandbox: Sandbox, remover: str, trained: Files = TRAINED) -> None:
    """The same, and Git has begun to merge them."""
    start_removed(sandbox, remover, trained)
    assert sandbox.git("merge", "theirs", check=False).returncode == 1


def files_of(sandbox: Sandbox) -> set[str]:
    return {file.name for file in sandbox.root.glob("model*")}


SETTLED = [
    ("git", "ours", "ours"),
    ("git", "theirs", "theirs"),
    ("git", "ours", "base"),
    ("git theta", "ours", "theirs"),
    ("git theta", "theirs", "ours"),
    ("git theta", "theirs", "base"),
]
"""What merges, who removed it, and what is taken: each with each of the others. What settles it reads the index, which
is the same whichever of the two has merged."""


@pytest.mark.parametrize(("command", "remover", "taken"), SETTLED)
def test_it_is_one_conflict_that_a_side_settles(sandbox: Sandbox, remover: str, command: str, taken: str) -> None:
    start_removed(sandbox, remover)
    other = {"ours": "theirs", "theirs": "ours"}[remover]
    sentence = f"{INDEX}: {remover} removed it, {other} changed it"
    if command == "git":
        assert sandbox.git("merge", "theirs", check=False).returncode == 1
    else:
        done = sandbox.theta("merge", "theirs", check=False)
        assert done.returncode == 1
        assert done.stderr.count(sentence) == 1
        assert "git theta resolve --ours, or --theirs" in done.stderr
    assert sandbox.theta("status").stdout.count(f"checkpoint: {sentence}") == 1
    [said] = json.loads(sandbox.theta("status", "--json").stdout)["checkpoints"]
    assert said == {"path": INDEX, "reason": sentence.partition(": ")[2], "contested": []}
    done = sandbox.theta("resolve", check=False)
    assert done.returncode == 1
    assert sentence in done.stderr

    done = sandbox.theta("resolve", f"--{taken}")
    assert sandbox.git("ls-files", "-u").stdout == ""
    sandbox.git("commit", "-qm", "merged")
    if taken == remover:
        assert done.stdout == f"{INDEX}: removed, as at {taken}; staged\n"
        assert files_of(sandbox) == set()
        assert_clean(sandbox)
    else:
        assert done.stdout == f"{INDEX}: as it is at {taken}; staged\n"
        assert_merged(sandbox, {} if taken == "base" else {"a": 1}, ["abc", "de"])


MODEL = "model.safetensors"
SINGLE, SINGLE_TRAINED = sharded("abcde"), sharded("abcde", a=1)


def start_removed_file(sandbox: Sandbox, remover: str, way: str) -> str:
    """The same of a checkpoint that is a single file; the sentence that tells of it."""
    ours, theirs = (OTHER, SINGLE_TRAINED) if remover == "ours" else (SINGLE_TRAINED, OTHER)
    start(sandbox, SINGLE, ours, theirs)
    assert sandbox.git(*way.split(), check=False).returncode == 1
    return f"{MODEL}: {remover} removed it, {'theirs' if remover == 'ours' else 'ours'} changed it"


WAYS = ("merge theirs", "rebase main theirs", "cherry-pick theirs", "merge --squash theirs")


@pytest.mark.parametrize(("way", "taken", "remover"), cross_in_pairs(WAYS, SIDES, HEADS), indirect=["remover"])
def test_so_is_a_single_file(sandbox: Sandbox, remover: str, way: str, taken: str) -> None:
    sentence = start_removed_file(sandbox, remover, way)
    assert f"checkpoint: {sentence}" in sandbox.theta("status").stdout
    done = sandbox.theta("resolve", check=False)
    assert (done.returncode, sentence in done.stderr) == (1, True)

    sandbox.theta("resolve", f"--{taken}")
    assert sandbox.git("ls-files", "-u").stdout == ""
    wanted = None if taken == remover else (SINGLE if taken == "base" else SINGLE_TRAINED)[MODEL]
    assert (sandbox.read(MODEL) if files_of(sandbox) else None) == wanted
    sandbox.git("commit", "-q", "--allow-empty", "-m", "settled")
    assert sandbox.git("status", "--porcelain").stdout == ""


def test_a_person_is_asked_about_a_single_file(sandbox: Sandbox, remover: str) -> None:
    sentence = start_removed_file(sandbox, remover, "merge theirs")
    code, said = answer_questions(sandbox, ["t"])
    assert (code, f"{sentence}\r\n  [o]urs, [t]heirs, [b]ase, [s]kip" in said) == (0, True)
    assert bool(files_of(sandbox)) == (remover == "ours")


def test_a_single_file_that_was_edited_since_is_not_overwritten(sandbox: Sandbox, remover: str) -> None:
    start_removed_file(sandbox, remover, "merge theirs")
    mine = sharded("abcde", e=9)[MODEL] or b""
    sandbox.write(MODEL, mine)
    done = sandbox.theta("resolve", f"--{remover}", check=False)
    assert f"{MODEL} was changed since the merge" in done.stderr
    assert sandbox.read(MODEL) == mine


@pytest.mark.parametrize("name", [INDEX, shard_name(1, 2), shard_name(2, 2), "model*"])
def test_any_of_its_files_names_it(sandbox: Sandbox, remover: str, name: str) -> None:
    start_conflict(sandbox, remover)
    assert "no file in conflict matches" in sandbox.theta("resolve", "--ours", "no-such", check=False).stderr
    data = json.loads(sandbox.theta("resolve", "--json", "--base", name).stdout)
    assert data["files"] == [
        {"path": INDEX, "by_parameters": False, "staged": True, "taken": "base", "settled": [], "left": []}
    ]
    assert {path: sandbox.read(path) for path in FILES} == BASE


def test_a_file_that_was_changed_since_is_not_overwritten(sandbox: Sandbox, remover: str) -> None:
    start_conflict(sandbox, remover)
    mine = TRAINED[shard_name(2, 2)]
    assert mine
    for path in (shard_name(1, 2), shard_name(2, 2)):  # in conflict, and gone
        before = sandbox.root.joinpath(path).exists() and sandbox.read(path)
        sandbox.write(path, mine[:-1] + b"x")
        done = sandbox.theta("resolve", f"--{'theirs' if remover == 'ours' else 'ours'}", check=False)
        assert done.returncode == 2
        assert f"{path} was changed since the merge" in done.stderr
        assert sandbox.read(path) == mine[:-1] + b"x"
        sandbox.root.joinpath(path).unlink()
        if before:
            sandbox.write(path, before)


def test_what_only_one_side_removed_is_gone(sandbox: Sandbox) -> None:
    """The other one stored it anew, which is no change: Git has a conflict of it, and we have none."""
    sandbox.git("config", "theta.delta.depth", "4")
    start(sandbox, BASE, OTHER, BASE)
    sandbox.git("switch", "-q", "theirs")
    sandbox.git("rm", "-qr", "--cached", ".")
    sandbox.git("config", "theta.serializer", "raw")
    sandbox.run("rm", "-r", ".git/theta")
    sandbox.git("add", "--all")
    sandbox.git("commit", "--amend", "-qm", "stored anew")
    assert sandbox.git("diff", "--no-ext-diff", "--name-only", "HEAD~1").stdout
    sandbox.git("switch", "-q", "main")
    sandbox.theta("merge", "theirs")
    assert files_of(sandbox) == set()
    sandbox.git("reset", "-q", "--hard", "HEAD~1")
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    sandbox.theta("resolve")
    assert sandbox.git("ls-files", "-u").stdout == ""
    assert files_of(sandbox) == set()


def test_what_both_sides_removed_is_gone(sandbox: Sandbox) -> None:
    start(sandbox, BASE, OTHER, {"third": b"a third file"})
    plan = sandbox.theta("merge", "--plan", "theirs").stdout
    assert plan == f"{INDEX}\n  ours, theirs removed it: removed\n"
    sandbox.theta("merge", "theirs")
    assert files_of(sandbox) == set()
    assert_clean(sandbox)


def test_a_plan_says_it_in_a_sentence(sandbox: Sandbox) -> None:
    start_removed(sandbox, "theirs")
    plan = sandbox.theta("merge", "--plan", "theirs").stdout
    assert plan == f"{INDEX}\n  contested as a file: theirs removed it, ours changed it\n"


def test_many_heads_change_nothing_and_say_it_once(sandbox: Sandbox) -> None:
    start_removed(sandbox, "theirs")
    sandbox.git("switch", "-qc", "third", "main~1")
    replace_files(sandbox, sharded("abc", "de", d=9), "third")
    sandbox.git("switch", "-q", "main")
    done = sandbox.theta("merge", "theirs", "third", "-s", "average", check=False)
    assert done.returncode == 1
    assert f"1 conflict:\ntheta:   {INDEX}: theirs removed it, HEAD, third changed it\n" in done.stderr
    assert_merged(sandbox, {"a": 1}, ["abc", "de"])


def test_what_several_heads_added_is_merged_whole(sandbox: Sandbox) -> None:
    start(sandbox, {}, sharded("abc", "de", c=2), {"third": b"a third file"})
    sandbox.git("switch", "-qc", "third", "main~1")
    replace_files(sandbox, sharded("ab", "cde", c=4), "third")
    sandbox.git("switch", "-q", "main")
    sandbox.theta("merge", "theirs", "third", "-s", "average")
    assert_merged(sandbox, {"c": 3}, ["abc", "de"])


def test_an_index_that_was_edited_since_is_not_overwritten(sandbox: Sandbox, remover: str) -> None:
    start_conflict(sandbox, remover, sharded("ab", "cde", a=1))
    sandbox.write(INDEX, b'{"weight_map": {}}')
    done = sandbox.theta("resolve", "--base", check=False)
    assert f"{INDEX} was changed since the merge" in done.stderr
    assert sandbox.read(INDEX) == b'{"weight_map": {}}'


@pytest.mark.parametrize("answer", ["ours", "t", "base", "skip"])
def test_a_person_is_asked_about_it_as_one(sandbox: Sandbox, remover: str, answer: str) -> None:
    start_conflict(sandbox, remover)
    code, said = answer_questions(sandbox, [answer])
    other = {"ours": "theirs", "theirs": "ours"}[remover]
    assert f"{INDEX}: {remover} removed it, {other} changed it\r\n  [o]urs, [t]heirs, [b]ase, [s]kip" in said
    taken = {"t": "theirs"}.get(answer, answer)
    assert code == (taken == "skip")
    assert bool(sandbox.git("ls-files", "-u").stdout) == (taken == "skip")
    wanted = set() if taken == remover else FILES
    assert taken == "skip" or files_of(sandbox) == wanted


def test_a_person_who_is_asked_about_some_parameters_is_not_asked_about_it(sandbox: Sandbox, remover: str) -> None:
    start_conflict(sandbox, remover)
    code, said = answer_questions(sandbox, [], "--only", "a")
    assert code == 1 and "[o]urs" not in said


MOVED = sharded("abc", "de", folder="final/")


def move_to(sandbox: Sandbox, branch: str, files: Files) -> None:
    sandbox.git("switch", "-q", branch)
    for file in sandbox.root.rglob("model*"):
        file.unlink()
    replace_files(sandbox, files, "moved")
    sandbox.git("switch", "-q", "main")


def merge_whole(sandbox: Sandbox, command: str) -> None:
    """By ``git theta merge``; or by Git, and what it leaves by ``git theta resolve``."""
    if command == "merge":
        sandbox.theta("merge", "theirs", "-s", "average")
    elif sandbox.git("merge", "-q", "theirs", "-m", "merged", check=False).returncode:
        sandbox.theta("resolve", "-s", "average")
        assert sandbox.git("ls-files", "-u").stdout == ""
        sandbox.git("commit", "-qm", "merged")


def assert_moved(sandbox: Sandbox, deltas: dict[str, float], shards: list[str]) -> None:
    assert files_of(sandbox) == set()
    for file in sandbox.root.joinpath("final").glob("model*"):
        file.rename(sandbox.root / file.name)
    sandbox.root.joinpath("final").rmdir()
    sandbox.git("add", "--all")
    sandbox.git("commit", "-qm", "moved back")
    assert_merged(sandbox, deltas, shards)


@pytest.mark.parametrize("command", ["merge", "resolve"])
@pytest.mark.parametrize("mover", ["main", "theirs"])
def test_a_renamed_folder_is_followed(sandbox: Sandbox, mover: str, command: str) -> None:
    """The other side moved a parameter to another shard, and trained it and another."""
    changed = sharded("ab", "cde", c=1, e=2)
    start(sandbox, BASE, BASE if mover == "main" else changed, BASE if mover == "theirs" else changed)
    move_to(sandbox, mover, sharded("abc", "de", folder="final/", a=4))
    merge_whole(sandbox, command)
    assert_moved(sandbox, {"a": 4, "c": 1, "e": 2}, ["ab", "cde"])


def test_a_renamed_folder_is_told_in_the_plan(sandbox: Sandbox) -> None:
    start(sandbox, BASE, sharded("ab", "cde", c=1), BASE)
    move_to(sandbox, "theirs", MOVED)
    assert sandbox.theta("merge", "--plan", "theirs").stdout.startswith(f"final/{INDEX}\n  renamed from {INDEX}\n")


@pytest.mark.parametrize("taken", ["ours", "theirs"])
@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (sharded("abc", "de", folder="best/"), "ours renamed it to best, theirs renamed it to final"),
        (OTHER, "theirs renamed it to final, ours removed it"),
    ],
    ids=["elsewhere", "removed"],
)
def test_a_folder_about_which_sides_contradict_each_other(sandbox: Sandbox, ours: Files, told: str, taken: str) -> None:
    start(sandbox, BASE, ours, BASE)
    move_to(sandbox, "theirs", MOVED)
    done = sandbox.theta("merge", "theirs", check=False)
    assert done.returncode == 1
    assert done.stderr.count(f"{INDEX}: {told}") == 1
    sandbox.theta("resolve", f"--{taken}")
    assert sandbox.git("ls-files", "-u").stdout == ""
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    found = {file.relative_to(sandbox.root).as_posix() for file in sandbox.root.rglob("model*")}
    assert found == {path for path in (ours if taken == "ours" else MOVED) if "model" in path}


SHIM = """\
#!/bin/sh
if [ "$1 $2" = "--literal-pathspecs $DIES_AT" ]; then
    kill -KILL "$PPID"
    exit 1
fi
exec {git} "$@"
"""
CHANGES: tuple[Files, ...] = (OTHER, TRAINED, sharded("abc", "de", folder="best/"))
KILLS = [
    (("rm", "checkout")[(number + at) % 2], ours, taken)
    for number, ours in enumerate(CHANGES)
    for at, taken in enumerate(SIDES)
]
"""Where it is killed, what ours did, and what is taken: each with each of the others, for `git rm` of some files and
`git checkout` of the others are the same two steps, one after the other, whatever is taken of what."""


@pytest.mark.parametrize(("at", "ours", "taken"), KILLS)
def test_killed_in_between_nothing_looks_settled_and_the_same_again_settles_it(
    sandbox: Sandbox, at: str, ours: Files, taken: str, tmp_path: Path
) -> None:
    """L7: what is half done would be committed without a word."""
    start(sandbox, BASE, ours, OTHER if INDEX in ours else BASE)
    if INDEX not in ours:
        move_to(sandbox, "theirs", MOVED)
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    tmp_path.joinpath("bin").mkdir()
    shim = tmp_path / "bin" / "git"
    shim.write_text(SHIM.format(git=shutil.which("git")))
    shim.chmod(0o755)
    path = os.pathsep.join([str(shim.parent), os.environ["PATH"]])
    command = (sys.executable, "-m", "git_theta", "resolve", f"--{taken}")
    killed = sandbox.run(*command, env={"PATH": path, "DIES_AT": at}, check=False)
    assert killed.returncode in (0, -signal.SIGKILL)
    assert (killed.returncode == 0) == (sandbox.git("ls-files", "-u").stdout == "")
    if killed.returncode:
        sandbox.theta("resolve", f"--{taken}")
    assert sandbox.git("ls-files", "-u").stdout == ""
    wanted = {"ours": ours, "theirs": OTHER if INDEX in ours else MOVED, "base": BASE}[taken]
    assert {one for one in sandbox.git("ls-files").stdout.split() if "model" in one} == set(wanted) - set(OTHER)
    assert {path: sandbox.read(path) for path in wanted if "model" in path} == {
        path: content for path, content in wanted.items() if "model" in path
    }


NESTED = {"model-00001-of-00002": "x/part", "model-00002-of-00002": "y/part"}


def nest(files: Files, folder: str = "") -> Files:
    """The same checkpoint, with its shards of one name in folders of their own."""
    found: dict[str, bytes | None] = {}
    for path, content in files.items():
        assert content
        for plain, other in NESTED.items():
            path = path.replace(plain, other)
            content = content.replace(plain.encode(), other.encode()) if INDEX in path else content
        found[folder + path] = content
    return found


@pytest.mark.parametrize("command", ["merge", "resolve"])
def test_a_renamed_folder_keeps_its_folders(sandbox: Sandbox, command: str) -> None:
    """The other side moved a parameter to another shard, and both trained it; the shards have the same name."""
    changed, trained = sharded("ab", "cde", c=2, e=2), sharded("abc", "de", c=4)
    start(sandbox, nest(BASE, "a b/"), nest(changed, "a b/"), nest(trained, "a b/"))
    sandbox.git("switch", "-q", "theirs")
    sandbox.git("mv", "a b", "C")
    sandbox.git("commit", "-qm", "moved")
    sandbox.git("switch", "-q", "main")
    merge_whole(sandbox, command)
    wanted = nest(sharded("ab", "cde", c=3, e=2), "C/")
    listed = {one for one in sandbox.git("ls-files").stdout.splitlines() if one.endswith(("json", ".safetensors"))}
    assert listed == set(wanted)
    found = sandbox.read("C/y/part.safetensors")
    assert np.allclose(values(found, "c"), tensor_of("c", 3), atol=1e-6)
    assert (names_in(found), sandbox.read(f"C/{INDEX}")) == (["c", "d", "e"], wanted[f"C/{INDEX}"])
    assert_clean(sandbox)
