"""The reference goes stale in no silence: every command, option, key, code and setting is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from git_theta import errors, known_plugins
from git_theta.cli import boundary, filter_process
from git_theta.cli.main import COMMANDS, theta
from git_theta.vcs import config
from git_theta.vcs.attribute_files import attribute_lines
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

REFERENCE = Path(__file__).parents[2] / "docs/reference"
PARTS = dict(re.findall(r"^## git theta (\S+)\n(.*?)(?=^## |\Z)", (REFERENCE / "commands.md").read_text(), re.M | re.S))


def code_words(text: str) -> set[str]:
    """What stands in backticks, at the start of them."""
    return {word.split()[0] for word in re.findall(r"`([^`]+)`", text)}


def test_every_command_is_described_and_nothing_else() -> None:
    assert list(PARTS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described_and_nothing_else(name: str) -> None:
    command = theta.get_command(click.Context(theta), name)
    assert command
    inner = list(command.commands.values()) if isinstance(command, click.Group) else []
    parameters = [parameter for one in (command, *inner) for parameter in one.params]
    options = {option for parameter in parameters for option in parameter.opts if option.startswith("-")}
    described = {cell for row in re.findall(r"^\| `(-[^`]*)`", PARTS[name], re.M) for cell in row.split()}
    assert described == options - {"--debug", "--help", "--no-pager"}


def test_what_all_commands_have_in_common_is_described() -> None:
    head = (REFERENCE / "commands.md").read_text().partition("## git theta")[0]
    assert {"-h", "--debug"} <= code_words(head)
    assert "`git theta --version`" in head


def keys(data: Any) -> Iterator[str]:
    """The keys of all objects in it, but for those that are data: names of versions, settings, remotes ..."""
    if isinstance(data, list):
        for item in data:
            yield from keys(item)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            if key not in ("versions", "filter", "plugins", "environment", "remotes", "dtypes", "metadata"):
                yield from keys(value)


_REMOTE_JSON = ("fsck --remote", "prune --remote --dry-run")
_JSON = [
    *_REMOTE_JSON, "track", "ls-files --parameters", "status", "show HEAD:tied.pt", "log", "blame tied.pt", "fsck",
    "env", "doctor", "checkout", "repack", "fetch", "pull", "push ./ -n", "du", "du --by commit",
    "du --by update", "gc", "migrate export", "migrate import -n", "strategies", "relayout tied.pt",
    "bisect --run false tied.pt", "describe tied.pt", "eval --list", "eval", "eval --compare HEAD HEAD",
    "round status", "round close", "round submit",
]  # fmt: skip


@built_once
def _start(sandbox: Sandbox) -> None:
    import torch

    sandbox.theta("track", "*.safetensors", "*.pt")
    sandbox.write("a.safetensors", model())
    weight = torch.zeros(2, 3)
    torch.save({"embed": weight, "head": weight.T}, sandbox.root / "tied.pt")
    sandbox.commit()


@built_once
def _submit_head(sandbox: Sandbox) -> None:
    """A head of a round, which an evaluation knows."""
    sandbox.git("config", "theta.eval.mine.command", """echo '{"id": "a", "score": 1}'""")
    sandbox.write(".theta/rounds.toml", b'[round.cold]\neval = "mine"\n')
    sandbox.commit("Rounds")
    sandbox.theta("round", "start", "cold")
    sandbox.write("a.safetensors", changed(model(), "layer.bias"))
    sandbox.commit("Tuned")
    sandbox.theta("round", "submit")


@pytest.mark.parametrize("name", _JSON)
def test_every_key_of_json_is_described(sandbox: Sandbox, name: str) -> None:
    _start(sandbox)
    if name in ("fsck", "fetch", "pull"):
        next(path for path in (sandbox.root / ".git/theta/objects").rglob("*") if path.is_file()).unlink()
    if name.startswith("eval"):
        sandbox.git("config", "theta.eval.mine.command", """echo '{"id": "a", "score": 1, "bucket": "b"}'""")
    if name.startswith("round"):
        _submit_head(sandbox)
    if name in _REMOTE_JSON:
        sandbox.git("remote", "add", "origin", Sandbox.create(sandbox.root / "bare", install=False, bare=True).root)
    command, *options = name.split()
    data = json.loads(sandbox.theta(command, *options, "--json", check=False).stdout)
    found = set(keys(data))
    assert found
    assert found - code_words(PARTS[command]) == set()


def test_every_family_of_plug_ins_is_described() -> None:
    (families,) = re.findall(r"^\| `family` \|(.*)\|$", PARTS["plugins"], re.M)
    assert code_words(families) == set(known_plugins.BUILT_IN)


def test_every_exit_code_is_described_with_its_errors() -> None:
    rows = re.findall(r"^\| (\d+) \|(.*?)\|", (REFERENCE / "exit-codes.md").read_text(), re.M)
    described = {int(code): code_words(names) for code, names in rows}
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    expected: dict[int, set[str]] = {0: set()}
    expected |= {code: set() for code in (boundary.DEFECT, boundary.INTERRUPTED, boundary.BROKEN_PIPE)}
    for kind in classes:
        assert issubclass(kind, errors.ThetaError)
        expected.setdefault(kind.exit_code, set()).add(kind.__name__)
    assert described == expected


def test_every_setting_is_described() -> None:
    described = code_words((REFERENCE / "configuration.md").read_text())
    written = {setting.key for setting in config.our_settings("/usr/bin/python3")}
    assert written | {attribute.decode() for attribute in attribute_lines.ATTRIBUTES} <= described
    assert {boundary.DEBUG, filter_process.SKIP_SMUDGE} <= described
