"""Versions of a checkpoint that are stored relative to each other, in repositories whose Git runs with such updates."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np

from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox, safetensors_bytes
from tests.templates import built_once
from tests.testing import sample_updates

MODEL = "model.safetensors"
ELEMENTS = 6000
NAMES = ("embed", "layer")
_ENTRY_POINTS = """\
[git_theta.plugins.updates]
difference = acme_updates:DifferenceUpdate
xor-any = acme_updates:XorUpdate
"""


@cache
def tensor(name: str, number: int) -> bytes:
    """The values of a parameter after so many steps: a few bits of each moved, other than before."""
    generator = np.random.default_rng([*name.encode(), 1])
    first = generator.standard_normal(ELEMENTS, dtype=np.float32).view(np.uint32)
    for step in range(number):
        first = first + np.random.default_rng([*name.encode(), 2, step]).integers(0, 8, ELEMENTS, np.uint32)
    return first.astype("<u4").tobytes()


def version(number: int, *names: str) -> bytes:
    """A checkpoint of these parameters, both where none is named, after so many steps."""
    return safetensors_bytes({name: ("F32", (ELEMENTS,), tensor(name, number)) for name in names or NAMES})


def make_chaining_interpreter(folder: Path) -> Path:
    """An interpreter that has git-theta and the updates of ``tests.testing.sample_updates``."""
    return make_interpreter(folder, "acme_updates", sample_updates.__file__, _ENTRY_POINTS)


def create_chaining(root: Path) -> Sandbox:
    """A repository with a tracked pattern; every repository of the user stores differences, up to 3 on each other."""
    sandbox = Sandbox.create(root, install=False)
    sandbox.theta("install", "--global")
    settings = Path(os.environ["GIT_CONFIG_GLOBAL"])
    with settings.open("a") as file:
        file.write('[theta]\n\tupdates = difference\n[theta "delta"]\n\tdepth = 3\n')
    _track(sandbox)
    return sandbox


@built_once
def _track(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.commit("track")


def commit_version(sandbox: Sandbox, number: int, content: bytes | None = None, path: str = MODEL) -> bytes:
    """Commit a version, tagged ``vN``; its bytes."""
    content = version(number) if content is None else content
    sandbox.write(path, content)
    sandbox.commit(f"version {number}")
    sandbox.git("tag", f"v{number}")
    return content


def commit_versions(sandbox: Sandbox, count: int) -> list[bytes]:
    """Commit so many versions; their bytes."""
    _commit_versions(sandbox, count)
    return [version(number) for number in range(count)]


@built_once
def _commit_versions(sandbox: Sandbox, count: int) -> None:
    for number in range(count):
        commit_version(sandbox, number)


def manifest_at(sandbox: Sandbox, revision: str = "", path: str = MODEL) -> Manifest:
    """What a commit has for a file; the index, where none is named."""
    return decode_manifest(sandbox.git("show", f"{revision}:{path}").stdout.encode(errors="surrogateescape"))


def entry_at(sandbox: Sandbox, revision: str = "", name: str = "layer", path: str = MODEL) -> Entry:
    """One parameter of it."""
    return next(entry for entry in manifest_at(sandbox, revision, path).parameters() if entry.name == name)


def depth_at(sandbox: Sandbox, revision: str = "", name: str = "layer", path: str = MODEL) -> int:
    """How many update bases a parameter has there."""
    return len(entry_at(sandbox, revision, name, path).storage.coding.chain)


def object_files(sandbox: Sandbox) -> dict[str, Path]:
    """The objects of a repository, by id."""
    folder = sandbox.root / ".git" if (sandbox.root / ".git").exists() else sandbox.root
    return {file.name: file for file in folder.glob("theta/objects/??/??/*")}
