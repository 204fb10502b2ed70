"""An index of shards may say anything: what reads it names what is wrong, or goes on; nothing else goes wrong."""

from __future__ import annotations

import json

import pytest

import git_theta
from git_theta.errors import ThetaError
from tests.faults.harness import assert_decent
from tests.sandbox import Sandbox, model, track_and_commit
from tests.templates import built_once

INDEX = "model.safetensors.index.json"
SHARDS = {"model-1.safetensors": model(1, first=(64, 64)), "model-2.safetensors": model(2, last=(64, 64))}
PLACES = {"first": "model-1.safetensors", "last": "model-2.safetensors"}
NAMES = {
    "a lone surrogate": "\ud800.safetensors",
    "a NUL": "model-1.safetensors\0x",
    "a newline": "x\n\x1b[31m.safetensors",
    "out of the worktree": "../../../../etc/passwd",
    "from the root": "/etc/passwd",
    "Git's own": ".git/config",
    "nothing": "",
    "this folder": ".",
    "a folder": "folder",
    "itself": INDEX,
    "a pathspec": ":(top)*",
    "an option": "--upload-pack=x",
    "too long": "x" * 100_000,
}
READING = (
    ("show", f"HEAD:{INDEX}"), ("show", "--json", f"HEAD:{INDEX}"), ("blame", INDEX), ("doctor",), ("status",),
    ("diff", "HEAD~", "HEAD"),
)  # fmt: skip


@built_once
def _record(sandbox: Sandbox, index: bytes) -> None:
    track_and_commit(sandbox, {**SHARDS, "folder/note.txt": b"a note"})
    sandbox.write(INDEX, index)
    sandbox.commit("an index")


def assert_all_read(sandbox: Sandbox) -> None:
    for command in READING:
        done = sandbox.theta(*command, check=False)
        assert done.returncode < 10, (command, done.stderr)
        assert_decent(done.stderr)
        assert "fatal: " not in done.stderr and "\x1b[31m" not in done.stdout + done.stderr, command
    for path, content in SHARDS.items():
        assert sandbox.read(path) == content


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_shard_that_is_none(name: str, sandbox: Sandbox) -> None:
    _record(sandbox, json.dumps({"weight_map": {"none": name, **PLACES}}).encode())
    assert_all_read(sandbox)
    try:
        found = git_theta.open(INDEX, "HEAD", sandbox.root)
    except ThetaError:
        return
    assert sorted(found) == ["first", "last"]


@pytest.mark.parametrize(
    "name", ["\ud800", "a\0b", "\n\x1b[31m", "x" * 100_000], ids=["surrogate", "NUL", "red", "long"]
)
def test_a_parameter_of_no_shard(name: str, sandbox: Sandbox) -> None:
    _record(sandbox, json.dumps({"weight_map": {name: "model-1.safetensors", **PLACES}}).encode())
    assert_all_read(sandbox)


WHOLE = json.dumps({"weight_map": PLACES}).encode()
TEXTS = {
    "a list": b'{"weight_map": [1, 2]}',
    "no names": b'{"weight_map": {"first": 3, "last": null, "c": ["x"]}}',
    "a number of 5000 digits": WHOLE.replace(b"{", b'{"metadata": {"total_size": %b}, ' % (b"9" * 5000), 1),
    "infinity": WHOLE.replace(b"{", b'{"metadata": {"total_size": 1e999}, ', 1),
    "too deep": b"[" * 100_000,
    "deep": WHOLE.replace(b"{", b'{"metadata": %b, ' % (b"[" * 900 + b"]" * 900), 1),
    "a key twice": WHOLE.replace(b"{", b'{"weight_map": {"first": "model-2.safetensors"}, ', 1),
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "no UTF-8": b'{"weight_map": {"\xff": "model-1.safetensors"}}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_no_index(text: bytes, sandbox: Sandbox) -> None:
    _record(sandbox, text)
    assert_all_read(sandbox)
