"""A format that comes and goes, and checkpoints of it: each parameter is called by a letter, and is full of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from git_theta.manifest.text import decode_manifest
from tests.integration.test_rogue_plugins import find_packages_in
from tests.sandbox import Sandbox
from tests.test_registry import install

_FORMAT = '''
from git_theta.formats.base import Format, Span
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

class Letters(Format):
    """LETTERS, their names, a line's end, and 100 bytes for each."""

    name = "letters"

    def matches(self, head, path):
        return head.startswith(b"LETTERS ") and path.endswith(".letters")

    def spans(self, source):
        head = source.read(0, min(64, source.size)).split(b"\\n")[0]
        names = head[8:].decode()
        return [
            Span(name, Spec(BY_NAME["F32"], (25,)), len(head) + 1 + 100 * at, 100) for at, name in enumerate(names)
        ]

    def build(self, parts, like):
        return [b"LETTERS " + "".join(part.name for part in parts).encode() + b"\\n", *(b"" for _ in parts)]
'''
INDEX = "model.letters.index.json"


def install_format(sandbox: Sandbox, site: Path) -> None:
    """Have the repository's filter and drivers find the format in ``site``, and track files of it."""
    install(site, "letters", "[git_theta.plugins.formats]\nletters = letters:Letters\n", _FORMAT)
    find_packages_in(site, sandbox)
    sandbox.theta("track", "*.letters")
    sandbox.commit("track")


def remove_format(sandbox: Sandbox) -> None:
    """Uninstall it."""
    site_of(sandbox).rename(site_of(sandbox).with_name("gone"))


def restore_format(sandbox: Sandbox) -> None:
    """Install it again."""
    site_of(sandbox).with_name("gone").rename(site_of(sandbox))


def site_of(sandbox: Sandbox) -> Path:
    """Where it is installed."""
    return sandbox.root.parent / "site"


def ask(sandbox: Sandbox, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Git, whose `git theta` finds the format too."""
    return sandbox.git(*command, check=check, env={"PYTHONPATH": str(site_of(sandbox))})


def lettered(names: str, trained: str = "") -> bytes:
    """A file of these parameters; capitals stand for the values of those that were trained."""
    values = (name.upper() if name in trained else name for name in names)
    return f"LETTERS {names}\n".encode() + b"".join(value.encode() * 100 for value in values)


def lettered_shards(*shards: str, trained: str = "") -> dict[str, bytes]:
    """The files of a checkpoint: each shard is spelled by its parameters."""
    files = {f"model-{at:05d}-of-{len(shards):05d}.letters": names for at, names in enumerate(shards, 1)}
    places = {name: file for file, names in files.items() for name in names}
    index = {"metadata": {"total_size": 100 * len(places)}, "weight_map": places}
    found = {file: lettered(names, trained) for file, names in files.items()}
    return found | {INDEX: f"{json.dumps(index, indent=2, sort_keys=True)}\n".encode()}


def commit_files(sandbox: Sandbox, files: Mapping[str, bytes], message: str = "files") -> None:
    """Commit a checkpoint in the place of the one that is there."""
    for old in sandbox.root.glob("model*"):
        old.unlink()
    for path, content in files.items():
        sandbox.write(path, content)
    sandbox.git("add", "--all")
    sandbox.git("commit", "--quiet", "--allow-empty", "-m", message)


def read_layouts(sandbox: Sandbox, revision: str = "HEAD") -> dict[str, str]:
    """Path to the names of the parameters that Git has of each file; "" for one that is kept whole."""
    listed = sandbox.git("ls-tree", "-r", "--name-only", revision).stdout.split()
    texts = {path: sandbox.git("cat-file", "blob", f"{revision}:{path}").stdout.encode() for path in listed}
    return {
        path: "".join(entry.name or "" for entry in decode_manifest(text).parameters())
        for path, text in texts.items()
        if path.endswith(".letters")
    }


def read_letters(sandbox: Sandbox) -> str:
    """The values of the checkpoint in the worktree, in the order of names, as the index places them."""
    places = json.loads(sandbox.read(INDEX))["weight_map"]
    found = {}
    for path in sandbox.root.glob("model-*"):
        head, _, values = path.read_bytes().partition(b"\n")
        for at, name in enumerate(head[8:].decode()):
            assert places[name] == path.name
            assert name not in found
            found[name] = values[100 * at : 100 * at + 1].decode()
            assert values[100 * at : 100 * at + 100] == found[name].encode() * 100
    assert found.keys() == places.keys()
    return "".join(found[name] for name in sorted(found))
