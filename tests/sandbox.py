"""Real repositories and small real checkpoints for the tests."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import pytest

from tests import command_server
from tests.templates import built_once

# protocol.file: git >= 2.38.1 refuses local submodules otherwise; init.defaultBranch: one name on every machine.
GLOBAL_CONFIG = """\
[init]
\tdefaultBranch = main
[protocol "file"]
\tallow = always
[advice]
\tdetachedHead = false
[maintenance]
\tauto = false
"""
"""Git starts no process after every commit that would find nothing to tidy up."""


ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Tests are a process per core. What numpy multiplies with starts a thread per core whenever it is imported, 20 to 40
ms of each process; those of torch burn CPU while they wait for each other: 80 steps of a toy training 1.7 s, for 0.04.
"""


def environment(home: Path) -> dict[str, str]:
    """The variables that seal git, and everything it starts, into ``home`` (created and filled here)."""
    return {
        **name_home(fill_home(home)),
        "GIT_ATTR_NOSYSTEM": "1",  # /etc/gitattributes
        "GIT_AUTHOR_NAME": "A. U. Thor",  # commit ids must not depend on who runs the tests, or when
        "GIT_AUTHOR_EMAIL": "author@example.com",
        "GIT_AUTHOR_DATE": "1112911993 -0700",
        "GIT_COMMITTER_NAME": "C. O. Mitter",
        "GIT_COMMITTER_EMAIL": "committer@example.com",
        "GIT_COMMITTER_DATE": "1112911993 -0700",
        "GIT_EDITOR": "true",  # rebase, merge and commit --amend would wait for a person
        "GIT_TERMINAL_PROMPT": "0",  # as would a remote that asks for a password
        "LC_ALL": "C",  # git translates its messages
        **ONE_THREAD,
        "TZ": "UTC",  # git prints dates in local time
        # `git theta` means the git-theta beside the interpreter that runs the tests, whatever else is installed.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


_HOME_FILES = {".gitconfig": GLOBAL_CONFIG, "system.gitconfig": ""}


def fill_home(home: Path) -> Path:
    """Make ``home`` as it is for a new user; returns it."""
    home.mkdir(parents=True, exist_ok=True)
    for name, content in _HOME_FILES.items():
        (home / name).write_text(content)
    return home


def name_home(home: Path) -> dict[str, str]:
    """Those of the variables of :func:`environment` that name the home."""
    return {
        "HOME": f"{home}",
        "XDG_CONFIG_HOME": f"{home}/.config",  # holds a second global config, attributes and ignore file
        "GIT_CONFIG_GLOBAL": f"{home}/.gitconfig",
        # Rather than GIT_CONFIG_NOSYSTEM: Debian's git-lfs registers its filters in /etc/gitconfig, which must stay
        # out, and `install --system` needs a file that it may write.
        "GIT_CONFIG_SYSTEM": f"{home}/system.gitconfig",
        "GIT_CEILING_DIRECTORIES": f"{home.parent}",  # the temporary folder may itself lie in somebody's repository
    }


def is_new_home(home: Path) -> bool:
    """Whether ``home`` is still as :func:`fill_home` made it."""
    try:
        return {file.name: file.read_text() for file in home.iterdir()} == _HOME_FILES
    except (OSError, UnicodeError):  # a folder in it, for one
        return False


def seal_environment(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Seal this process, and everything that it starts, into ``home``."""
    # Run from a hook, or below `git rebase --exec`, GIT_DIR and GIT_INDEX_FILE would send every call to the wrong
    # repository; GIT_CONFIG_COUNT, GIT_TRACE and their kin would change what git does or prints. So would the width
    # that pytest-xdist says its workers' terminals have.
    for name in [name for name in os.environ if name.startswith("GIT_") or name in ("COLUMNS", "LINES")]:
        patch.delenv(name)
    for name, value in environment(home).items():
        patch.setenv(name, value)


_moments = itertools.count(1_500_000_000)
"""When files were written, in seconds since the epoch: long ago, since Git has our filter look once more at those that
are as new as its index; and never two at one time, since that is how it tells an edited file."""


_Run = Callable[[Sequence[str], Path, Mapping[str, str], bytes], subprocess.CompletedProcess[bytes]]


class Options(TypedDict, total=False):
    """How a program is run in a sandbox: ``check`` its exit status (default), ``input`` on stdin, ``env`` on top."""

    check: bool
    input: str
    env: Mapping[str, str]


@dataclass(frozen=True)
class Sandbox:
    """A real repository that a test may do anything to.

    Attributes:
        root: top of its worktree (or the repository itself, where it is bare).
    """

    root: Path

    @classmethod
    def create(
        cls, root: Path, object_format: Literal["sha1", "sha256"] = "sha1", *, install: bool = True, bare: bool = False
    ) -> Sandbox:
        """A new repository at ``root``; with git-theta installed in its own config unless told otherwise.

        Git then starts our filter and drivers as it does for anybody where ``GENUINE`` is set; else they are forked
        (see ``command_server``).
        """
        root.mkdir(parents=True, exist_ok=True)
        sandbox = cls(root)
        if install:
            command_server.start_server()
        _initialise(sandbox, object_format, bare, install)
        return sandbox

    @classmethod
    def clone(cls, source: Sandbox | Path | str, dest: Path, *args: str) -> Sandbox:
        """``git clone ARGS SOURCE DEST``. The filter runs in it only where it is installed ``--global``, as in life."""
        origin = source.root if isinstance(source, Sandbox) else source
        subprocess.run(["git", "clone", "--quiet", *args, origin, dest], check=True)
        return cls(dest)

    def run(self, *command: str | Path, **options: Unpack[Options]) -> subprocess.CompletedProcess[str]:
        """Run a program at the top of the repository; see :class:`Options`.

        Output that is no UTF-8 keeps its bytes as surrogates. Raises AssertionError with all that was printed when
        the program fails, unless ``check`` is False.
        """
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, **options.get("env", {})},
            # An inherited stdin would let a hook or a prompt wait for the terminal.
            input=options.get("input", ""),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
        if options.get("check", True):
            _require_success(done)
        return done

    def git(self, *args: str | Path, **options: Unpack[Options]) -> subprocess.CompletedProcess[str]:
        """Run ``git ARGS``; see :meth:`run`."""
        return self.run("git", *args, **options)

    def theta(self, *args: str | Path, **options: Unpack[Options]) -> subprocess.CompletedProcess[str]:
        """Run ``git theta ARGS``; see :meth:`run`. Python is not started anew for it: see ``command_server``.

        ``git("theta", ...)`` runs it through Git, as a person would.
        """
        return self._fork(command_server.run_command, args, options)

    def python(self, *args: str | Path, **options: Unpack[Options]) -> subprocess.CompletedProcess[str]:
        """Run ``python FILE ARGS``; see :meth:`run`. Torch is not imported anew for it: see ``command_server``."""
        return self._fork(command_server.run_script, args, options)

    def _fork(self, run: _Run, args: Sequence[str | Path], options: Options) -> subprocess.CompletedProcess[str]:
        """Run a program that ``command_server`` forks; what it printed is text."""
        environment = {**os.environ, **options.get("env", {})}
        given = options.get("input", "").encode(errors="surrogateescape")
        done = run([os.fspath(arg) for arg in args], self.root, environment, given)
        printed, said = (
            output.decode(errors="surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
            for output in (done.stdout, done.stderr)
        )
        decoded = subprocess.CompletedProcess(done.args, done.returncode, printed, said)
        if options.get("check", True):
            _require_success(decoded)
        return decoded

    def write(self, path: str | Path, content: bytes) -> Path:
        """Write a file of the worktree, making the folders above it. It looks old, yet newer than all before it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        moment = next(_moments)
        os.utime(file, (moment, moment))
        return file

    def read(self, path: str | Path) -> bytes:
        """The bytes of a file of the worktree."""
        return (self.root / path).read_bytes()

    def sha(self, path: str | Path) -> str:
        """SHA-256 of a file of the worktree, in hex."""
        with (self.root / path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def commit(self, message: str = "a commit") -> str:
        """Add everything in the worktree and commit it; returns the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)
        return self._read_head()

    def remove_locks(self) -> None:
        """Remove what a git that was killed leaves: the next one names it, and says to do so. What is ours stays."""
        git = self.root / ".git" if (self.root / ".git").is_dir() else self.root  # of a bare one
        for lock in [file for file in git.rglob("*.lock") if not file.is_relative_to(git / "theta")]:
            lock.unlink(missing_ok=True)

    def _read_head(self) -> str:
        """The commit that is checked out."""
        try:
            name = (self.root / ".git/HEAD").read_text().removeprefix("ref: ").strip()
            return (self.root / ".git" / name).read_text().strip()
        except OSError:  # a linked worktree, or no branch
            return self.git("rev-parse", "HEAD").stdout.strip()


def _require_success(done: subprocess.CompletedProcess[str]) -> None:
    printed = f"{done.stdout}{done.stderr}".encode(errors="backslashreplace").decode()
    assert done.returncode == 0, f"{' '.join(map(str, done.args))} exited {done.returncode}:\n{printed}"


def track_and_commit(sandbox: Sandbox, files: Mapping[str, bytes], *patterns: str) -> Sandbox:
    """Track these patterns, ``*.safetensors`` where there is none, and commit these files."""
    _start(sandbox, files, patterns or ("*.safetensors",))
    return sandbox


@built_once
def _start(sandbox: Sandbox, files: Mapping[str, bytes], patterns: Sequence[str]) -> None:
    sandbox.theta("track", *patterns)
    for path, content in files.items():
        sandbox.write(path, content)
    sandbox.commit()


@built_once
def _initialise(sandbox: Sandbox, object_format: str, bare: bool, install: bool) -> None:
    kind = ["--bare"] if bare else []
    subprocess.run(["git", "init", "--quiet", f"--object-format={object_format}", *kind, sandbox.root], check=True)
    if install:
        sandbox.theta("install", "--local")


def safetensors_bytes(
    tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """A safetensors file, written without the library: name -> (dtype as safetensors spells it, shape, raw bytes)."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata is not None else {}
    offset = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the library's own writer aligns the data with spaces
    return len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in tensors.values())


def model(seed: int = 0, **sizes: int | tuple[int, ...]) -> bytes:
    """A safetensors checkpoint of normally distributed fp32 tensors, the same for the same arguments.

    Args:
        seed: seeds the values.
        **sizes: parameter name -> shape; a small two-layer model where none is given.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    shapes = sizes or {"embed.weight": (64, 32), "layer.weight": (32, 32), "layer.bias": 32}
    tensors = {}
    for name, size in shapes.items():
        shape = (size,) if isinstance(size, int) else size
        values = generator.standard_normal(math.prod(shape), dtype=np.float32)
        tensors[name] = ("F32", shape, values.astype("<f4").tobytes())
    return safetensors_bytes(tensors)


def changed(checkpoint: bytes, name: str, data: bytes | None = None, *, at: int = 0) -> bytes:
    """A safetensors checkpoint in which one tensor's bytes differ and nothing else does.

    Args:
        checkpoint: the file's bytes.
        name: the parameter to change.
        data: bytes to put at ``at``; None flips the lowest bit of the byte there (one ulp of a little-endian float).
        at: where in the tensor, in bytes.
    """
    length = int.from_bytes(checkpoint[:8], "little")
    begin, end = json.loads(checkpoint[8 : 8 + length])[name]["data_offsets"]
    start = 8 + length + begin + at
    new = bytes([checkpoint[start] ^ 1]) if data is None else data
    assert start + len(new) <= 8 + length + end, f"{name} has {end - begin} bytes"
    return checkpoint[:start] + new + checkpoint[start + len(new) :]
