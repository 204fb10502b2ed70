"""L7: what Git holds for a tracked path and is no manifest of ours passes through untouched, with a word about it."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.checkpoint_history import assert_clean, assert_round_trip, digest, staged
from tests.sandbox import Sandbox, model
from tests.templates import built_once

LARGE = model(1, **{"layer.weight": (2200, 1000)})  # 8.8 MB

LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)
OLD_METADATA = json.dumps(
    {
        "layer/weight": {
            "tensor_metadata": {"shape": [2, 2], "dtype": "float32", "hash": [0.0]},
            "lfs_metadata": {"version": "1", "oid": "4d7a2146", "size": "12"},
            "theta_metadata": {"update_type": "dense", "last_commit": "", "update_serializer": "tensorstore"},
        }
    },
    indent=2,
).encode()


class Foreign(NamedTuple):
    """A blob, words that its warning says it is, and words that the warning says to do."""

    blob: bytes
    what: str
    do: str


def newer(text: bytes) -> bytes:
    return text.replace(b"git-theta manifest 1\n", b"git-theta manifest 2\n")


def manifest_text() -> bytes:
    """A manifest whose object nobody has."""
    oid = "a" * 64
    line = {
        "name": "w", "dtype": "F32", "shape": [1], "size": 4, "oid": oid,
        "storage": {"update": "dense", "serializer": "raw", "object": oid, "bytes": 4},
    }  # fmt: skip
    lines = [{"format": "safetensors", "size": 4}, line]
    return b"git-theta manifest 1\n" + b"".join(
        json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in lines
    )


FOREIGN = {
    "raw_checkpoint": Foreign(model(), "raw safetensors checkpoint", "git add --renormalize"),
    "raw_large_checkpoint": Foreign(LARGE, "raw safetensors checkpoint", "git add --renormalize"),
    "raw_bytes": Foreign(b"not a checkpoint", "raw file", "git add --renormalize"),
    "lfs_pointer": Foreign(LFS_POINTER, "git-lfs pointer", "git lfs pull"),
    "old_metadata": Foreign(OLD_METADATA, "git-theta 0.2", "Check the file out with git-theta 0.2"),
    "newer_manifest": Foreign(newer(manifest_text()), "version 2", "pip install --upgrade git-theta"),
    "damaged_manifest": Foreign(manifest_text()[:-10], "not a valid manifest", "another commit"),
}
CONVERTIBLE = ["raw_checkpoint", "raw_large_checkpoint", "raw_bytes"]
PATH = "model.safetensors"


@pytest.fixture
def foreign(request: pytest.FixtureRequest, sandbox: Sandbox) -> Sandbox:
    """A repository in which the blob was committed before ``track``."""
    _commit_and_track(sandbox, FOREIGN[request.param].blob)
    return sandbox


@built_once
def _commit_and_track(sandbox: Sandbox, blob: bytes) -> None:
    sandbox.write(PATH, blob)
    sandbox.commit("before track")
    sandbox.theta("track", "*.safetensors")
    sandbox.git("add", ".gitattributes")
    sandbox.git("commit", "--quiet", "-m", "track")


def warnings(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("theta: warning:")]


@pytest.mark.parametrize(("foreign", "name"), [(name, name) for name in FOREIGN], indirect=["foreign"])
def test_it_is_checked_out_as_it_is_with_one_warning(foreign: Sandbox, name: str) -> None:
    (foreign.root / PATH).unlink()
    done = foreign.git("checkout", "--", PATH)
    assert digest(foreign.read(PATH)) == digest(FOREIGN[name].blob)
    (warning,) = warnings(done.stderr)
    assert PATH in warning
    assert FOREIGN[name].what in warning
    assert FOREIGN[name].do in done.stderr


@pytest.mark.parametrize(("foreign", "name"), [(name, name) for name in FOREIGN], indirect=["foreign"])
def test_it_stays_in_history_as_it_was(foreign: Sandbox, name: str) -> None:
    assert foreign.git("cat-file", "-s", f"HEAD:{PATH}").stdout.strip() == str(len(FOREIGN[name].blob))


# A raw file that Git looks at again is modified, as with any filter: adding it would change what Git holds.
@pytest.mark.parametrize("foreign", [name for name in FOREIGN if name not in CONVERTIBLE], indirect=True)
def test_status_is_clean_after_it_was_checked_out(foreign: Sandbox) -> None:
    (foreign.root / PATH).unlink()
    foreign.git("checkout", "--", PATH)
    assert_clean(foreign)


@pytest.mark.parametrize("foreign", [name for name in FOREIGN if name not in CONVERTIBLE], indirect=True)
def test_what_stands_for_something_stays_when_it_is_added(foreign: Sandbox) -> None:
    before = foreign.git("rev-parse", f":{PATH}").stdout
    done = foreign.git("add", "--renormalize", PATH)
    assert foreign.git("rev-parse", f":{PATH}").stdout == before
    assert len(warnings(done.stderr)) == 1
    assert_clean(foreign)


@pytest.mark.parametrize(("foreign", "name"), [(name, name) for name in CONVERTIBLE], indirect=["foreign"])
def test_renormalize_converts_a_raw_file(foreign: Sandbox, name: str) -> None:
    foreign.git("add", "--renormalize", ".")
    assert is_manifest(staged(foreign, PATH))
    foreign.git("commit", "--quiet", "-m", "convert")
    (foreign.root / PATH).unlink()
    foreign.git("checkout", "--", PATH)
    assert_round_trip(foreign, {PATH: FOREIGN[name].blob})


@pytest.mark.parametrize("foreign", ["raw_checkpoint"], indirect=True)
def test_back_to_the_time_before_track(foreign: Sandbox) -> None:
    foreign.git("add", "--renormalize", ".")
    foreign.git("commit", "--quiet", "-m", "convert")
    foreign.git("checkout", "--quiet", "HEAD~2")
    assert digest(foreign.read(PATH)) == digest(FOREIGN["raw_checkpoint"].blob)
    assert_clean(foreign)
    foreign.git("checkout", "--quiet", "main")
    assert_round_trip(foreign, {PATH: FOREIGN["raw_checkpoint"].blob})


def test_an_empty_file(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(PATH, b"")
    sandbox.commit()
    (sandbox.root / PATH).unlink()
    sandbox.git("checkout", "--", PATH)
    assert sandbox.read(PATH) == b""
    assert_clean(sandbox)


def test_a_manifest_is_what_git_holds_for_itself(sandbox: Sandbox) -> None:
    """Added in the place of its checkpoint (after GIT_THETA_SKIP_SMUDGE), or written by a script."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write(PATH, model())
    sandbox.commit()
    text = staged(sandbox, PATH)
    sandbox.write(PATH, text)
    sandbox.write(f"copy.{PATH}", text)
    sandbox.commit("the manifests themselves")
    assert staged(sandbox, PATH) == staged(sandbox, f"copy.{PATH}") == text
    (sandbox.root / PATH).unlink()
    sandbox.git("checkout", "--", PATH)
    assert_round_trip(sandbox, {PATH: model()})
