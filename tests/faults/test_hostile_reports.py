"""L10: what a forged manifest, a name or a path says reaches reports and merges as words, and does nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import ManifestError, UsageError
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.vcs import atomic
from tests.manifest_history import Story, entry
from tests.sandbox import Sandbox, safetensors_bytes
from tests.two_branches import MODEL, fork

ESCAPE, ESCAPED = "\x1b[31m", r"\x1b[31m"
OID = "0" * 64


def commit(sandbox: Sandbox, branch: str, path: str, *entries: Entry, form: str = "safetensors") -> None:
    """A commit of a manifest on a branch of its own; the values are not there."""
    text = encode_manifest(Manifest(form, sum(part.size for part in entries), entries)).decode()
    blob = sandbox.git("hash-object", "-w", "--stdin", input=text).stdout.strip()
    listing = f"100644 blob {blob}\t{path}\0"
    tree = sandbox.git("mktree", "-z", input=listing).stdout.strip()
    oid = sandbox.git("commit-tree", "-m", branch, tree).stdout.strip()
    sandbox.git("branch", branch, oid)


def stored(sandbox: Sandbox, data: bytes, dtype: str, *shape: int, name: str = "w") -> Entry:
    """A parameter whose bytes are in the store, whatever dtype and shape say."""
    oid = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.decode()[:64]
    file = sandbox.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return Entry(oid, len(data), Storage(Coding("dense", "raw"), Place(oid, len(data))), name, dtype, shape)


LIES: dict[str, tuple[str, tuple[int, ...], int]] = {
    "no whole number of elements": ("F32", (16,), 63),
    "half an element": ("C128", (1,), 8),
    "a product beyond any float": ("F32", ((1 << 62),) * 64, 64),
    "fewer elements": ("F32", (2, 2), 64),
}


@pytest.mark.parametrize(("dtype", "shape", "size"), LIES.values(), ids=LIES)
def test_a_size_that_contradicts_the_shape_is_told(
    dtype: str, shape: tuple[int, ...], size: int, sandbox: Sandbox
) -> None:
    for branch, letter in (("a", b"a"), ("b", b"b")):
        good = stored(sandbox, letter * 64, "F32", 4, 4, name="good")
        commit(sandbox, branch, MODEL, stored(sandbox, letter * size, dtype, *shape), good)
    done = sandbox.theta("diff", "a", "b", check=False)
    assert (done.returncode, "has not as many bytes as" in done.stdout, done.stderr) == (2, True, "")
    found = sandbox.theta("map", "a", "b", "--base", "a", "--", MODEL)
    assert "1 compared" in found.stdout and "has not as many bytes as" in found.stdout
    assert "good" in sandbox.theta("show", "a", "--parameters").stdout


def test_a_shape_has_64_dimensions_at_most() -> None:
    whole = Manifest("safetensors", 4, (entry("w", "x")._replace(shape=(1,) * 65),))
    with pytest.raises(ManifestError, match="65 dimensions"):
        decode_manifest(encode_manifest(whole))
    view = View("v", "F32", (1,) * 65)
    with pytest.raises(ManifestError, match="65 dimensions"):
        decode_manifest(encode_manifest(whole._replace(entries=(entry("w", "x")._replace(views=(view,)),))))


@pytest.mark.parametrize(("dtype", "size"), [("NEW", 64), ("F32", 63)])
def test_a_parameter_that_no_file_could_have_is_a_conflict(dtype: str, size: int, sandbox: Sandbox) -> None:
    """It is left to the person, and so is the file that would have to be built around it."""
    sandbox.write(".gitattributes", b"* merge=theta\n")
    for branch, letter in (("a", b"a"), ("b", b"b")):
        good = stored(sandbox, letter * 64, "F32", 4, 4, name="good")
        commit(sandbox, branch, MODEL, stored(sandbox, letter * size, dtype, 16), good)
    sandbox.git("read-tree", "a")
    sandbox.git("symbolic-ref", "HEAD", "refs/heads/a")
    files = [sandbox.write(name, sandbox.git("show", f"{rev}:{MODEL}").stdout.encode())
             for name, rev in (("ours", "a"), ("theirs", "b"))]  # fmt: skip
    sandbox.write("base", b"")
    driver = sandbox.git("config", "merge.theta.driver").stdout.partition(" %")[0]
    env = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "theta.merge.strategy", "GIT_CONFIG_VALUE_0": "average"}
    done = sandbox.run("sh", "-c", f"{driver} base {files[0]} {files[1]} 7 {MODEL}", check=False, env=env)
    assert done.returncode == 1, done.stderr
    assert "unexpected" not in done.stderr


def told(sandbox: Sandbox, *command: str) -> str:
    done = sandbox.git("theta", *command, check=False)
    return done.stdout + done.stderr


def test_no_name_steers_a_terminal(sandbox: Sandbox) -> None:
    path = f"a{ESCAPE}\n{MODEL}"
    for branch, letter in (("a", b"a"), ("b", b"b")):
        named = stored(sandbox, letter * 64, f"F{ESCAPE}", 16, name=f"w{ESCAPE}\n")
        commit(sandbox, branch, path, named, form=f"saf{ESCAPE}")
    sandbox.git("read-tree", "a")
    sandbox.theta("track", "*.safetensors")
    commands = [["diff", "a", "b"], ["show", "a"], ["show", f"a:{path}"], ["show", "a", "--parameters"], ["log", "a"],
                ["blame", path, "a"], ["map", "a", "b", "--base", "a", "--", path], ["ls-files"],
                ["ls-files", "--parameters"], ["status"], ["doctor"]]  # fmt: skip
    for command in commands:
        said = told(sandbox, *command)
        assert "\x1b" not in said, command
        assert ESCAPED in said or command == ["doctor"], command


def test_what_is_contested_steers_no_terminal(sandbox: Sandbox) -> None:
    """Where nobody watches, click takes such sequences out itself: what counts is that they are told as text."""
    name = f"w{ESCAPE}\n"
    versions = [{MODEL: safetensors_bytes({name: ("F32", (1,), letter * 4)})} for letter in (b"a", b"b", b"c")]
    fork(sandbox, *versions)
    sandbox.git("merge", "side", check=False)
    for command in (["status"], ["resolve"], ["merge", "--plan", "side"]):
        assert f"w{ESCAPED}\\n" in told(sandbox, *command), command


def test_a_long_name_does_not_make_every_line_long(sandbox: Sandbox) -> None:
    long = stored(sandbox, bytes(4), "F32", 1, name="x" * 100_000)
    commit(sandbox, "a", MODEL, long, *(stored(sandbox, bytes(4), "F32", 1, name=f"w{n}") for n in range(50)))
    for command in (["show", "a", "--parameters"], ["blame", MODEL, "a"]):
        assert len(sandbox.theta(*command).stdout) < 300_000


def test_a_path_with_a_newline_is_found(tmp_path: Path) -> None:
    story = Story(Sandbox.create(tmp_path / "repository"))
    commit(story.sandbox, "a", "new\nline.safetensors", entry("w", "1"))
    assert "1, 1.02 k elements" in story.sandbox.theta("show", "a:new\nline.safetensors").stdout


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_nothing_is_put_in_the_place_of_a_special_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "special"
    if kind == "a pipe":
        os.mkfifo(file)
    elif os.geteuid():
        pytest.skip("only root makes device files")
    else:
        os.mknod(file, 0o600 | 0o020000, os.makedev(1, 3))
    before = file.stat().st_mode
    for action in (lambda: atomic.replace_file(file, b"x"), lambda: atomic.read_file(file)):
        with pytest.raises(UsageError, match="no regular file"):
            action()
    assert file.stat().st_mode == before


def test_a_bare_repository_has_a_file_that_is_called_head(sandbox: Sandbox, tmp_path: Path) -> None:
    for name, value in (("a", "1"), ("b", "2")):
        commit(sandbox, name, MODEL, entry("w", value))
    bare = Sandbox.clone(sandbox, tmp_path / "bare", "--bare")
    bare.git("symbolic-ref", "HEAD", "refs/heads/b")
    assert "1 changed" in bare.theta("diff", "--stat", "a", "HEAD").stdout
    assert MODEL in bare.theta("show", "HEAD").stdout
    assert MODEL in bare.theta("show").stdout


def test_a_link_in_the_place_of_a_checkpoint_is_called_by_its_name(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    commit(sandbox, "a", MODEL, entry("w", "1"))
    sandbox.git("symbolic-ref", "HEAD", "refs/heads/a")
    sandbox.git("read-tree", "a")
    (sandbox.root / MODEL).symlink_to("elsewhere")
    said = sandbox.git("diff").stdout
    assert f"diff --theta a/{MODEL} b/{MODEL}" in said and "a symbolic link" in said
    assert "git-blob" not in said


def test_a_factor_that_the_dtype_does_not_hold_is_refused() -> None:
    import torch

    from git_theta import merge_tensors

    branches: Any = [torch.full((3,), 2.0), torch.zeros(3)]
    with pytest.raises(UsageError, match=r"1e\+308 is more than"):
        merge_tensors("task-arithmetic", branches, base=torch.ones(3), lambda_=1e308)


def test_weights_whose_sum_no_number_holds_are_refused() -> None:
    import torch

    from git_theta import merge_tensors

    for strategy in ("weighted", "ties"):
        with pytest.raises(UsageError, match="more than a number holds"):
            merge_tensors(strategy, [torch.full((3,), 2.0), torch.zeros(3)], base=torch.ones(3), weights=[1e308, 1e308])
