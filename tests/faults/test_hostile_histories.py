"""A history is rewritten exactly as odd as it is, or refused by the commit's name; nothing is moved then."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest

from tests.faults.harness import leftovers
from tests.sandbox import Sandbox, changed, model

CHECKPOINT = model(1, weight=(64, 64), bias=8)
PERSON = b"A U Thor <author@example.com> 1 +0000"
Tree = Sequence[tuple[bytes, bytes, str]]
"""Mode, name and id of what a tree has."""


def git(sandbox: Sandbox, *args: str, given: bytes = b"") -> bytes:
    return subprocess.run(["git", *args], cwd=sandbox.root, input=given, check=True, capture_output=True).stdout


def write_object(sandbox: Sandbox, kind: str, content: bytes) -> str:
    return git(sandbox, "hash-object", "-t", kind, "-w", "--literally", "--stdin", given=content).decode().strip()


def write_tree(sandbox: Sandbox, tree: Tree) -> str:
    """As it is given, in whatever order, with whatever names."""
    return write_object(sandbox, "tree", b"".join(b"%b %b\0" % one[:2] + bytes.fromhex(one[2]) for one in tree))


def write_commit(
    sandbox: Sandbox, tree: Tree, parents: Sequence[str] = (), head: bytes | None = None, message: bytes = b"message\n"
) -> str:
    lines = [f"tree {write_tree(sandbox, tree)}", *(f"parent {parent}" for parent in parents)]
    people = b"author %b\ncommitter %b" % (PERSON, PERSON) if head is None else head
    return write_object(sandbox, "commit", "\n".join(lines).encode() + b"\n" + people + b"\n\n" + message)


def described(sandbox: Sandbox) -> list[tuple[list[bytes], bytes, bytes]]:
    """The commits of the branch: their headers but for trees and parents, messages, and modes and names of files."""
    found = []
    for commit in git(sandbox, "rev-list", "--topo-order", "main").decode().split():
        head, _, message = git(sandbox, "cat-file", "commit", commit).partition(b"\n\n")
        lines = [line for line in head.split(b"\n") if not line.startswith((b"tree ", b"parent "))]
        listing = git(sandbox, "ls-tree", "-r", "-z", "--format=%(objectmode) %(path)", commit).split(b"\0")
        found.append((lines, message, b"\0".join(one for one in listing if not one.endswith(b".gitattributes"))))
    return found


def contents(sandbox: Sandbox) -> list[bytes]:
    """What Git says that the commits hold: mode, id and name of each file."""
    commits = git(sandbox, "rev-list", "--topo-order", "main").decode().split()
    return [git(sandbox, "ls-tree", "-r", "-z", commit) for commit in commits]


NAMES = [
    b'a"b', b"a\nb", b"a\tb", b"\xff\xfe", b" led", b'"quoted"', b"a\\b", "\u00fc".encode(), b"-x", b"\x01", b"trail ",
]  # fmt: skip
HEADS = [
    b"author  <> 0 +0000\ncommitter  <> 0 +0000",
    b"author A <a@b> 99999999999999 +0000\ncommitter A <a@b> -100 -7",
    b"author   A <a@b> 1 +051800\ncommitter J\xf6rg <j@b> 1 +0000\nencoding ISO-8859-1",
    b"author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\nencoding no such thing",
]
MESSAGES = [b"", b"no newline", b"\n\n\nfrom :1\ndata 5\n", b"\xff\xfe\n"]


def build_odd(sandbox: Sandbox) -> str:
    """A history in which everything is odd, and right."""
    blobs = [write_object(sandbox, "blob", changed(CHECKPOINT, "bias", bytes([number] * 4))) for number in range(9)]
    ending = b".safetensors"
    tip = write_commit(sandbox, [(b"100644", name + ending, blobs[0]) for name in sorted(NAMES)])
    for number, head in enumerate(HEADS):
        mode = [b"100755", b"100664", b"100644", b"100600"][number]
        tip = write_commit(sandbox, [(mode, b"m" + ending, blobs[number])], [tip], head, MESSAGES[number])
    module, link = "1" * len(tip), write_object(sandbox, "blob", b"m.safetensors")
    below = write_tree(sandbox, [(b"100644", b"y" + ending, blobs[1])])
    for mode, content in (
        (b"100644", blobs[2]), (b"40000", below), (b"120000", link), (b"160000", module), (b"100644", blobs[2])
    ):  # fmt: skip
        tip = write_commit(sandbox, [(mode, b"x" + ending, content)], [tip])
    roots = [write_commit(sandbox, [(b"100644", b"x" + ending, blobs[3 + number])]) for number in range(3)]
    git(sandbox, "update-ref", "refs/notes/none", blobs[0])
    git(sandbox, "update-ref", "refs/notes/tree", below)
    return write_commit(sandbox, [(b"100644", b"x" + ending, blobs[7])], [tip, *roots, roots[0]])


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_what_is_odd_stays_as_odd(object_format: Literal["sha1", "sha256"], tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "repository", object_format)
    git(sandbox, "update-ref", "refs/heads/main", build_odd(sandbox))
    git(sandbox, "reset", "-q", "--hard")
    before, held = described(sandbox), contents(sandbox)
    sandbox.theta("migrate", "import", "--include", "*.safetensors")
    assert described(sandbox) == before
    assert sandbox.git("status", "--porcelain").stdout == ""
    sandbox.theta("fsck")
    sandbox.theta("migrate", "export")
    assert described(sandbox) == before
    assert contents(sandbox) == held


def leads_out(sandbox: Sandbox, blob: str) -> str:
    below = write_tree(sandbox, [(b"100644", b"m.safetensors", blob)])
    return write_commit(sandbox, [(b"40000", b"..", below), (b"100644", b"m.safetensors", blob)])


def in_a_git_directory(sandbox: Sandbox, blob: str) -> str:
    below = write_tree(sandbox, [(b"100644", b"m.safetensors", blob)])
    return write_commit(sandbox, [(b"40000", b".git", below)])


def twice(sandbox: Sandbox, blob: str) -> str:
    other = write_object(sandbox, "blob", changed(CHECKPOINT, "bias"))
    return write_commit(sandbox, [(b"100644", b"m.safetensors", blob), (b"100644", b"m.safetensors", other)])


def headed(head: bytes, message: bytes = b"message\n") -> Callable[[Sandbox, str], str]:
    return lambda sandbox, blob: write_commit(sandbox, [(b"100644", b"m.safetensors", blob)], (), head, message)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (leads_out, "commit {}: the commit has a file '../m.safetensors'"),
        (in_a_git_directory, "commit {}: the commit has a file '.git/m.safetensors'"),
        (twice, "m.safetensors: commit {} has two files of this name"),
        (headed(b"committer " + PERSON), "could not find author in commit {}"),
        (headed(b"author A <a@b> 1\ncommitter " + PERSON), 'Invalid raw date "1"'),
        (headed(b"author A<a@b> 1 +0000\ncommitter " + PERSON), "Missing space before <"),
        (headed(b"author %b\ncommitter %b" % (PERSON, PERSON), b"a\0b\n"), "commit {} cannot be made anew"),
    ],
)
def test_what_cannot_be_copied_is_named(build: Callable[[Sandbox, str], str], words: str, sandbox: Sandbox) -> None:
    sandbox.write("note.txt", b"a note")
    sandbox.commit("what is checked out")
    commit = build(sandbox, write_object(sandbox, "blob", CHECKPOINT))
    git(sandbox, "update-ref", "refs/heads/odd", commit)
    refs = sandbox.git("for-each-ref").stdout
    done = sandbox.theta("migrate", "import", "--include", "*.safetensors", "odd", check=False)
    assert done.returncode == 7, done.stderr
    assert words.format(commit) in done.stderr
    assert sandbox.git("for-each-ref").stdout == refs
    assert not list((sandbox.root / ".git").glob("fast_import_crash_*"))
    assert leftovers(sandbox) == []
