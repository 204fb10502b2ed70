"""Every command that reports does so in JSON, too; and then prints nothing else."""

from __future__ import annotations

import json
import struct
from typing import Any

import click
import pytest

from git_theta.cli.main import COMMANDS, theta
from tests.docs.test_command_reference import keys
from tests.sandbox import Sandbox, changed, model, safetensors_bytes, track_and_commit
from tests.templates import built_once

REPORTS = {
    "track": [],
    "add": ["a.safetensors", "--update", "scale", "--from", "../adapter.safetensors"],
    "export-update": ["HEAD~", "HEAD", "--rank", "1", "-o", "../exported", "--", "a.safetensors"],
    "relayout": ["a.safetensors"],
    "repack": [],
    "ls-files": [],
    "status": [],
    "checkout": [],
    "diff": ["HEAD", "topic"],
    "show": ["HEAD:a.safetensors"],
    "log": [],
    "blame": ["a.safetensors"],
    "describe": ["a.safetensors"],
    "bisect": ["--run", "exit 1", "a.safetensors"],
    "map": ["topic", "HEAD", "--", "a.safetensors"],
    "path": ["topic", "HEAD", "--", "a.safetensors"],
    "centroid": ["topic", "HEAD", "-o", "../mean.safetensors", "--", "a.safetensors"],
    "tokens": [],
    "eval": ["--list"],
    "search": ["-s", "average", "topic"],
    "merge": ["topic", "-s", "average"],
    "round": ["start", "cold"],
    "strategies": [],
    "resolve": ["--ours"],
    "fetch": ["./"],
    "pull": ["./"],
    "push": ["./", "-n"],
    "fsck": [],
    "du": [],
    "gc": ["-n"],
    "prune": ["--remote", "-n"],
    "plugins": [],
    "env": [],
    "doctor": [],
    "migrate": ["import", "-n"],
}
"""Every command that reports, with arguments by which it has something to report."""
ACTS = {"install", "uninstall", "untrack"}
"""Those that set something up, and say that they did."""
PRINTS = {"help", "completion"}
"""Those that print what is text by nature."""
CALLED = {name for name, entry in COMMANDS.items() if not entry.help}
"""Those that Git and shells call."""


def test_every_command_is_known_to_report_or_not() -> None:
    assert COMMANDS.keys() == REPORTS.keys() | ACTS | PRINTS | CALLED
    for name in COMMANDS:
        command = theta.get_command(click.Context(theta), name)
        assert command
        inner = list(command.commands.values()) if isinstance(command, click.Group) else [command]
        for one in inner:
            assert any("--json" in parameter.opts for parameter in one.params) == (name in REPORTS), (name, one.name)


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """Two branches that changed one parameter each way, and a remote."""
    _diverge(sandbox)
    bare = Sandbox.create(sandbox.root.parent / "bare", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    return sandbox


@built_once
def _diverge(sandbox: Sandbox) -> None:
    base = model()
    track_and_commit(sandbox, {"a.safetensors": base})
    sandbox.git("branch", "topic")
    sandbox.write("a.safetensors", changed(base, "layer.bias"))
    sandbox.commit("ours")
    sandbox.git("switch", "-q", "topic")
    sandbox.write("a.safetensors", changed(base, "layer.bias", at=4))
    sandbox.commit("theirs")
    sandbox.git("switch", "-q", "main")


def read_json(repository: Sandbox, *arguments: str, code: int = 0) -> Any:
    done = repository.theta(*arguments, "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", REPORTS)
def test_json_is_all_that_is_printed(repository: Sandbox, name: str) -> None:
    before, paths = REPORTS[name], []
    if "--" in before:
        before, paths = before[: before.index("--")], before[before.index("--") :]
    if name == "resolve":
        repository.git("merge", "topic", check=False)
    if name == "search":
        repository.git("config", "theta.eval.mine.command", """echo '{"id": "a", "score": 1}'""")
    if name == "add":
        scale = safetensors_bytes({"layer.bias/scale": ("F32", (1,), struct.pack("<f", 2))})
        repository.write("../adapter.safetensors", scale)
    if name == "export-update":
        repository.write("a.safetensors", changed(model(), "layer.weight", struct.pack("<f", 3)))
        repository.commit("a matrix")
    if name == "fsck":
        next(file for file in (repository.root / ".git/theta/objects").rglob("*") if file.is_file()).unlink()
    done = repository.theta(name, *before, "--json", *paths, check=name not in ("doctor", "fsck"))
    assert set(keys(json.loads(done.stdout)))


def test_a_merge_tells_what_it_did(repository: Sandbox) -> None:
    found = read_json(repository, "merge", "topic", "-s", "average")
    assert found["commit"] == repository.git("rev-parse", "HEAD").stdout.strip()
    assert found["conflicts"] == []
    [file] = found["files"]
    [parameter] = file["parameters"]
    assert (file["path"], parameter["name"]) == ("a.safetensors", "layer.bias")
    assert parameter["strategy"]["name"] == "average"
    assert parameter["agreement"]
    again = read_json(repository, "merge", "topic")
    assert again == {"version": 1, "commit": found["commit"], "conflicts": [], "files": []}


def test_a_merge_that_waits_has_no_commit_yet(repository: Sandbox) -> None:
    found = read_json(repository, "merge", "topic", "-s", "average", "--no-commit")
    assert (found["commit"], found["conflicts"], len(found["files"])) == (None, [], 1)


def test_a_merge_tells_of_conflicts(repository: Sandbox) -> None:
    found = read_json(repository, "merge", "topic", code=1)
    assert (found["commit"], found["conflicts"]) == (None, ["a.safetensors"])
    assert found["files"][0]["parameters"][0]["left"]


def test_a_merge_of_many_tells_of_conflicts(repository: Sandbox) -> None:
    repository.git("switch", "-q", "-c", "third", "HEAD~")
    repository.write("a.safetensors", changed(model(), "layer.bias", at=8))
    repository.commit("third")
    repository.git("switch", "-q", "main")
    found = read_json(repository, "merge", "topic", "third", code=1)
    assert found["commit"] is None
    assert "layer.bias" in found["conflicts"][0]


def test_a_fast_forward_has_the_commit_it_went_to(repository: Sandbox) -> None:
    repository.git("switch", "-q", "-c", "behind", "HEAD~")
    found = read_json(repository, "merge", "topic")
    assert found["commit"] == repository.git("rev-parse", "topic").stdout.strip()


def test_relayout_tells_both_layouts(repository: Sandbox) -> None:
    layout = {"format": "safetensors", "parameters": 3}
    assert read_json(repository, "relayout", "a.safetensors") == [
        {"path": "a.safetensors", "before": layout, "after": layout}
    ]
