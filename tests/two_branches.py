"""The beginning of a merge: two branches that changed the same files differently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

MODEL = "model.safetensors"
BASE = model()
Files = Mapping[str, bytes | None]


def fork(sandbox: Sandbox, base: Files, ours: Files, theirs: Files) -> Sandbox:
    """Commit ``base``, then ``theirs`` on branch ``side`` and ``ours`` on ``main``, which is checked out; None removes.

    The tags ``base``, ``ours`` and ``theirs`` name the commits.
    """
    _fork(sandbox, base, ours, theirs)
    return sandbox


@built_once
def _fork(sandbox: Sandbox, base: Files, ours: Files, theirs: Files) -> None:
    sandbox.theta("track", "*.safetensors", "*.pt")
    sandbox.commit("track")
    record(sandbox, base, "base")
    sandbox.git("switch", "-qc", "side")
    record(sandbox, theirs, "theirs")
    sandbox.git("switch", "-q", "main")
    record(sandbox, ours, "ours")


def record(sandbox: Sandbox, files: Files, tag: str) -> None:
    """Commit these files, under a tag."""
    for path, content in files.items():
        if content is None:
            (sandbox.root / path).unlink()
        else:
            sandbox.write(path, content)
    sandbox.git("add", "--all")
    sandbox.git("commit", "-q", "--allow-empty", "-m", tag)
    sandbox.git("tag", tag)


def contested(sandbox: Sandbox, *names: str) -> Sandbox:
    """A fork in which both sides changed these parameters of MODEL, and each side one more: the embedding, the bias.

    ``layer.weight`` is contested where no names are given.
    """
    ours, theirs = changed(BASE, "embed.weight"), changed(BASE, "layer.bias")
    for name in names or ["layer.weight"]:
        ours, theirs = changed(ours, name, bytes(4), at=8), changed(theirs, name, bytes(4), at=16)
    return fork(sandbox, {MODEL: BASE}, {MODEL: ours}, {MODEL: theirs})


def tensor(checkpoint: bytes, name: str) -> bytes:
    """The bytes of one tensor of a safetensors checkpoint."""
    length = int.from_bytes(checkpoint[:8], "little")
    begin, end = json.loads(checkpoint[8 : 8 + length])[name]["data_offsets"]
    return checkpoint[8 + length + begin : 8 + length + end]


def tensors(checkpoint: bytes) -> dict[str, bytes]:
    """The bytes of all tensors of a safetensors checkpoint."""
    length = int.from_bytes(checkpoint[:8], "little")
    return {name: tensor(checkpoint, name) for name in json.loads(checkpoint[8 : 8 + length]) if name != "__metadata__"}


def at(sandbox: Sandbox, revision: str, path: str = MODEL) -> bytes:
    """The file as it is at a revision, checked out elsewhere."""
    done = sandbox.git("archive", "--format=tar", "-o", str(sandbox.root / ".git/out.tar"), revision, path)
    assert done.returncode == 0
    import tarfile

    with tarfile.open(sandbox.root / ".git/out.tar") as archive:
        member = archive.extractfile(path)
        assert member
        return member.read()


def stages(sandbox: Sandbox, path: str = MODEL) -> list[int]:
    """The stages that the index has for a path."""
    listing = sandbox.git("ls-files", "-s", "--", path).stdout.splitlines()
    return [int(line.split("\t")[0].split(" ")[2]) for line in listing]


def objects_of(sandbox: Sandbox, revision: str, name: str, path: str = MODEL) -> list[Path]:
    """The files of the store that hold a parameter of a revision."""
    manifest = sandbox.git("show", f"{revision}:{path}").stdout.splitlines()[2:]
    oids = [entry["storage"]["object"] for entry in map(json.loads, manifest) if entry.get("name") == name]
    assert oids
    return [sandbox.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid for oid in oids]
