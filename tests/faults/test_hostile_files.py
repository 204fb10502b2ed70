"""L1, L6, L10: whatever a file is, it comes back bit for bit, takes little memory, and nothing in it runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.faults import faulty_process, hostile_files
from tests.faults.harness import (
    CONVERSATION,
    MODEL,
    Stage,
    assert_comes_back,
    assert_decent,
    attempt,
    leftovers,
    small,
    streamed,
)
from tests.sandbox import Sandbox

MEMORY = 300 << 20


def measured(sandbox: Sandbox, *args: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """``git ARGS``, and how much memory its filter took at most, in bytes."""
    peak = sandbox.root.parent / "peak"
    done = attempt(sandbox, *args, process=faulty_process.command("measure", peak))
    return done, int(peak.read_text())


NAMES = [*hostile_files.HARMED, *hostile_files.BOMBS]
GROUPS = 8
"""Files of a group go through one filter: what one of them leaves behind is the next one's to bear."""


@pytest.mark.parametrize("number", range(GROUPS))
def test_kept_bit_for_bit(number: int, empty: Sandbox) -> None:
    contents = {name: hostile_files.harmed(name) for name in NAMES[number::GROUPS]}
    for name, content in contents.items():
        empty.write(name, content)
    done, peak = measured(empty, "add", *contents)
    assert done.returncode == 0
    assert peak < MEMORY
    assert_decent(done.stderr)
    for name in contents:
        (empty.root / name).unlink()
    done, peak = measured(empty, "checkout", "--", *contents)
    assert done.returncode == 0
    assert peak < MEMORY
    for name, content in contents.items():
        assert empty.read(name) == content, name
    assert not (empty.root.parent / "outside").exists()
    assert leftovers(empty) == []
    attempt(empty, "theta", "ls-files", "--parameters")


@pytest.mark.parametrize(("wrapped", "suffix"), [(True, "pt"), (False, "pt"), (False, "safetensors")])
@pytest.mark.parametrize("attack", ["command", "import"])
def test_not_a_pickle_is_executed(attack: str, wrapped: bool, suffix: str, empty: Sandbox) -> None:
    marker = empty.root.parent / "ran"
    if attack == "command":
        pickled = hostile_files.commanding(marker)
    else:
        pickled = hostile_files.importing("side_effect")
        empty.write("side_effect.py", f"open({os.fspath(marker)!r}, 'w')\ndef run(): pass\n".encode())
    content = hostile_files.archive(pickled) if wrapped else pickled
    empty.write(f"evil.{suffix}", content)
    for args in (["add", "."], ["commit", "-m", "evil"], ["rm", "--quiet", f"evil.{suffix}"], ["reset", "--hard"]):
        assert attempt(empty, *args).returncode == 0
    for args in (["ls-files", "--parameters"], ["status"], ["fsck"], ["checkout"]):
        assert attempt(empty, "theta", *args).returncode == 0
    assert empty.read(f"evil.{suffix}") == content
    assert not marker.exists()


def test_the_pickles_would_have_run(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    import pickle

    pickle.loads(hostile_files.commanding(tmp_path / "ran"))
    assert (tmp_path / "ran").exists()


def test_a_directory_of_that_name(empty: Sandbox) -> None:
    empty.write("folder.safetensors/inner.safetensors", small())
    empty.write("folder.safetensors/note.txt", b"a note")
    empty.git("add", "--all")
    assert_comes_back(empty, small(), "folder.safetensors/inner.safetensors")


def test_a_link_of_that_name_stays_a_link(empty: Sandbox) -> None:
    elsewhere = empty.root.parent / "elsewhere.safetensors"
    elsewhere.write_bytes(small())
    link = empty.root / MODEL
    link.symlink_to(elsewhere)
    empty.git("add", MODEL)
    assert empty.git("show", f":{MODEL}").stdout == os.fspath(elsewhere)
    link.unlink()
    empty.git("checkout", "--", MODEL)
    assert link.readlink() == elsewhere
    assert elsewhere.read_bytes() == small()


def test_a_pipe_of_that_name(empty: Sandbox) -> None:
    os.mkfifo(empty.root / MODEL)
    empty.write("other.safetensors", small())
    attempt(empty, "add", MODEL)
    assert attempt(empty, "add", "other.safetensors").returncode == 0
    assert attempt(empty, "theta", "status").returncode == 0
    assert attempt(empty, "theta", "checkout").returncode == 0


def test_content_from_a_pipe(empty: Sandbox) -> None:
    """Git cleans what it is told is at a path; nothing need be there, or a pipe may be."""
    os.mkfifo(empty.root / MODEL)
    source = empty.root.parent / "source"
    source.write_bytes(streamed())
    with source.open("rb") as stream:
        done = subprocess.run(
            ["git", "hash-object", "-w", "--stdin", "--path", MODEL],
            cwd=empty.root,
            stdin=stream,
            capture_output=True,
            timeout=CONVERSATION,
            check=True,
        )
    (empty.root / MODEL).unlink()
    empty.git("update-index", "--add", "--cacheinfo", f"100644,{done.stdout.decode().strip()},{MODEL}")
    empty.git("checkout", "--", MODEL)
    assert empty.read(MODEL) == streamed()


REPLACED = [
    Stage("git_theta.operations.adding.clean:open_file_source", "before"),
    Stage("git_theta.operations.adding.pinned_layout:detect_format", "after"),
]


@pytest.mark.parametrize("stage", REPLACED, ids=str)
@pytest.mark.parametrize("how", ["rename", "overwrite", "truncate", "remove", "pipe", "grow"])
def test_a_file_that_changes_while_it_is_added(how: str, stage: Stage, empty: Sandbox) -> None:
    old, new = streamed(), small()
    file = empty.write(MODEL, old)
    marker = empty.root.parent / "marker"
    process = faulty_process.command("fault", stage.target, stage.when, str(stage.nth), "pause", marker)
    git = subprocess.Popen(
        ["git", "-c", f"filter.theta.process={process}", "add", MODEL],
        cwd=empty.root,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    faulty_process.wait_for(marker, CONVERSATION)
    change(file, how, new)
    marker.unlink()
    _, said = git.communicate(timeout=CONVERSATION)
    assert_decent(said)
    assert leftovers(empty) == []
    file.unlink(missing_ok=True)
    if git.returncode:
        assert MODEL in said
        file.write_bytes(new)
        empty.git("add", MODEL)
        assert_comes_back(empty, new)
    else:
        empty.git("checkout", "--", MODEL)
        found = empty.read(MODEL)  # what Git had read, which is old until the change reached it
        assert found == old + b"more" or (old.startswith(found) and len(found) >= len(new))


def change(file: Path, how: str, new: bytes) -> None:
    if how == "rename":
        other = file.with_name("other")
        other.write_bytes(new)
        other.rename(file)
    elif how == "overwrite":
        with file.open("r+b") as out:
            out.write(new)
    elif how == "truncate":
        os.truncate(file, len(new))
    elif how == "grow":
        with file.open("ab") as out:
            out.write(b"more")
    else:
        file.unlink()
        if how == "pipe":
            os.mkfifo(file)
