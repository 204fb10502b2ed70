"""`git theta X` from an installed package: listed, guarded, and never in the place of a command of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from git_theta.cli.plugin_commands import find_command
from git_theta.errors import PluginError
from git_theta.known_plugins import KNOWN_PACKAGES
from tests.command_server import fork_programs_of
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox
from tests.test_registry import install

HELLO = """
import sys
import click
import git_theta
from git_theta.errors import UsageError

@click.command("hello")
@click.option("--loud", is_flag=True, help="Shout.")
@click.argument("who", default="world")
def hello(loud, who):
    '''Greet somebody.

    At length.
    '''
    if who == "crash":
        {}["no such key"]
    if who == "exit":
        sys.exit(3)
    if who == "usage":
        raise UsageError("nobody is called so", hint="Try another name.")
    if who == "click":
        raise click.UsageError("not like this")
    click.echo(f"hello {who}".upper() if loud else f"hello {who}")
    return 5 if who == "five" else None

@click.group("greet")
def greet():
    '''Several greetings.'''

@greet.command()
def twice():
    '''Greet twice.'''
    raise KeyError("inner")

status = click.Command("status", callback=lambda: click.echo("not ours"))
"""
POINTS = """\
[git_theta.plugins.commands]
hello = hello:hello
greet = hello:greet
status = hello:status
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with git-theta, these commands, and one that does not load."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source.py"
    source.write_text(HELLO)
    made = make_interpreter(folder, "hello", str(source), POINTS)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    install(site, "broken", "[git_theta.plugins.commands]\nbroken = broken:command\n", "raise RuntimeError('half')\n")
    fork_programs_of(made)
    return made


@pytest.fixture
def sandbox(python: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    """A repository whose `git theta` is that interpreter's."""
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    made = Sandbox.create(tmp_path / "repository", install=False)
    made.theta("install", "--local")
    return made


def test_it_runs_as_ours_do(sandbox: Sandbox) -> None:
    assert sandbox.git("theta", "hello").stdout == "hello world\n"
    assert sandbox.theta("hello", "--loud", "you").stdout == "HELLO YOU\n"
    assert sandbox.theta("hello", "five", check=False).returncode == 5
    assert sandbox.theta("hello", "exit", check=False).returncode == 3
    shown = sandbox.theta("hello", "-h").stdout
    assert shown.startswith("Usage: git theta hello [OPTIONS] [WHO]\n")
    assert "--debug" in shown


def test_the_help_lists_it_and_says_what_does_not_load(sandbox: Sandbox) -> None:
    shown = sandbox.theta("-h").stdout
    _, _, others = shown.partition("Commands of other packages:\n")
    assert [line.split()[0] for line in others.splitlines()] == ["broken", "greet", "hello"]
    assert "broken  (does not load: git theta plugins says why)" in others
    assert "hello   Greet somebody." in others


def test_it_never_hides_one_of_ours(sandbox: Sandbox) -> None:
    assert "0 files" in sandbox.theta("status").stdout
    rows = json.loads(sandbox.theta("plugins", "--json", check=False).stdout)
    states = {row["name"]: row["state"] for row in rows if row["family"] == "commands"}
    assert states == {"hello": "ok", "greet": "ok", "status": "broken", "broken": "broken"}
    [reason] = [row["reason"] for row in rows if (row["family"], row["name"]) == ("commands", "status")]
    assert reason == "git-theta has a command 'status' of its own"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["hello", "crash"], 8, "error: the command 'hello' of hello 1.0 failed: KeyError: 'no such key'"),
        (["greet", "twice"], 8, "error: the command 'greet' of hello 1.0 failed: KeyError: 'inner'"),
        (["broken"], 8, "the command 'broken' of broken 1.0 (broken:command) cannot be loaded: RuntimeError: half"),
        (["hello", "usage"], 2, "error: nobody is called so\nhint: Try another name."),
        (["hello", "click"], 2, "Error: not like this"),
        (["hello", "--quiet"], 2, "No such option"),
        (["absent"], 2, "No such command 'absent'"),
    ],
)
def test_what_goes_wrong_is_its_own(sandbox: Sandbox, arguments: list[str], code: int, said: str) -> None:
    done = sandbox.theta(*arguments, check=False)
    assert done.returncode == code
    assert said in done.stderr


def test_what_is_disabled_is_no_command(sandbox: Sandbox) -> None:
    sandbox.git("config", "theta.plugins.disable", "commands:hello")
    assert "No such command 'hello'" in sandbox.theta("hello", check=False).stderr
    assert "Greet somebody" not in sandbox.theta("-h").stdout


def test_a_command_of_a_package_that_we_know_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN_PACKAGES, "commands", {"fisher": "git-theta-fisher"})
    with pytest.raises(PluginError, match="no command is called 'fisher' here") as caught:
        find_command("fisher")
    assert "It comes with git-theta-fisher: " in caught.value.hint
