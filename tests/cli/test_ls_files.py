"""``git theta ls-files``, as a person types it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, model, track_and_commit

STRANGE = ("with space.safetensors", "quo\"te's.safetensors", "ünï.safetensors", "new\nline.safetensors")


def tracking(sandbox: Sandbox) -> Sandbox:
    sandbox.theta("track", "*.safetensors")
    return sandbox


def test_paths_sizes_formats_and_numbers_of_parameters(sandbox: Sandbox) -> None:
    tracking(sandbox)
    sandbox.write("a.safetensors", model())
    sandbox.write("sub/b.safetensors", model(only=(2, 3)))
    sandbox.write("notes.txt", b"no checkpoint")
    sandbox.git("add", "--all")
    lines = sandbox.theta("ls-files").stdout.splitlines()
    assert lines == [
        "a.safetensors\t12.6 kB\tsafetensors\t3 parameters",
        "sub/b.safetensors\t96 B\tsafetensors\t1 parameter",
    ]
    below = Sandbox(sandbox.root / "sub")
    assert below.theta("ls-files", "-z").stdout == "b.safetensors\0"
    assert below.theta("ls-files", "-z", "..").stdout == "../a.safetensors\0b.safetensors\0"
    assert sandbox.theta("ls-files", "-z", "sub").stdout == "sub/b.safetensors\0"
    assert sandbox.theta("ls-files", "nothing").stdout == ""


def test_parameters(sandbox: Sandbox) -> None:
    tracking(sandbox)
    sandbox.write("a.safetensors", model(bias=4, scale=()))
    sandbox.git("add", "--all")
    [file] = json.loads(sandbox.theta("ls-files", "--json", "--parameters").stdout)
    data = sandbox.read("a.safetensors")
    assert file["path"] == "a.safetensors"
    assert file["size"] == len(data)
    assert [parameter["name"] for parameter in file["parameters"]] == ["bias", "scale"]
    bias = hashlib.sha256(data[-20:-4]).hexdigest()
    assert file["parameters"][0] == {
        "name": "bias", "dtype": "F32", "shape": [4], "size": 16, "oid": bias, "views": []
    }  # fmt: skip
    lines = sandbox.theta("ls-files", "--parameters").stdout.splitlines()
    assert lines[1] == f"  bias\tF32\t[4]\t16 B\t{bias[:12]}"
    assert lines[2].startswith("  scale\tF32\t[]\t4 B\t")


def test_tied_parameters_are_listed_by_all_their_names(sandbox: Sandbox) -> None:
    import torch

    sandbox.theta("track", "*.pt")
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"embed": weight, "head": weight.T}, sandbox.root / "tied.pt")
    sandbox.git("add", "--all")
    [file] = json.loads(sandbox.theta("ls-files", "--json", "--parameters").stdout)
    [parameter] = file["parameters"]
    assert parameter["name"] == "embed"
    assert parameter["views"] == [{"name": "head", "dtype": "F32", "shape": [3, 2], "stride": [1, 3], "offset": 0}]
    lines = sandbox.theta("ls-files", "--parameters").stdout.splitlines()
    assert lines[2].startswith("  head\tF32\t[3, 2]\tof embed\t")


def test_what_was_committed_without_git_theta_says_so(tmp_path: Path) -> None:
    plain = Sandbox.create(tmp_path / "repository", install=False)
    plain.write("raw.safetensors", model())
    plain.write("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    plain.commit()
    tracking(plain).theta("install", "--local")
    assert plain.theta("ls-files").stdout.splitlines() == [
        "pointer.safetensors\ta git-lfs pointer",
        "raw.safetensors\ta raw safetensors checkpoint, committed without git-theta",
    ]
    pointer, raw = json.loads(plain.theta("ls-files", "--json", "--parameters").stdout)
    assert (pointer["raw"], pointer["parameters"]) == ("a git-lfs pointer", None)
    assert (raw["path"], raw["size"], raw["format"]) == ("raw.safetensors", None, None)


def test_strange_paths(sandbox: Sandbox) -> None:
    tracking(sandbox)
    for number, name in enumerate(STRANGE):
        sandbox.write(f"sub/{name}", model(number))
    sandbox.git("add", "--all")
    below = Sandbox(sandbox.root / "sub")
    assert set(below.theta("ls-files", "-z").stdout.split("\0")[:-1]) == set(STRANGE)
    assert {file["path"] for file in json.loads(below.theta("ls-files", "--json").stdout)} == {
        f"sub/{name}" for name in STRANGE
    }
    assert (
        sandbox.theta("ls-files", "-z", ":(literal)sub/new\nline.safetensors").stdout == "sub/new\nline.safetensors\0"
    )


def test_where_it_cannot_run_and_what_excludes_what(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.theta("ls-files", "-z", "--json", check=False).returncode == 2
    assert sandbox.theta("ls-files").stdout == ""
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    assert bare.theta("ls-files", check=False).returncode == 2


@pytest.mark.parametrize("command", ["ls-files", "status"])
def test_what_matches_nothing_is_told_and_no_error(sandbox: Sandbox, command: str) -> None:
    track_and_commit(sandbox, {"m.safetensors": model(), "note.txt": b"text"}, "*.safetensors")
    done = sandbox.theta(command, "m.safetensors", "nope*")
    assert "m.safetensors\t" in done.stdout
    assert "'nope*' matches no file of the index" in done.stderr
    assert "git theta ls-files :/" in done.stderr
    assert "no file that 'note.txt' matches is versioned" in sandbox.theta(command, "note.txt").stderr
    assert sandbox.theta(command, "m.safetensors", "note.txt").stderr == ""
    assert sandbox.theta(command, "--json", "nope*").stderr
