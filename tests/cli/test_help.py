"""Help is the same wherever people look for it."""

from __future__ import annotations

import click
import pytest

from git_theta.cli.main import COMMANDS, theta
from tests.sandbox import Sandbox


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_what_its_options_print(sandbox: Sandbox, name: str) -> None:
    printed = sandbox.theta("help", name).stdout
    assert printed.startswith(f"Usage: git theta {name}")
    assert printed == sandbox.theta(name, "-h").stdout == sandbox.theta(name, "--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_what_an_option_is_where_it_is_left_out(name: str) -> None:
    whole = theta.get_command(click.Context(theta), name)
    assert whole
    for command in [whole, *(whole.commands.values() if isinstance(whole, click.Group) else [])]:
        for option in command.params:
            default = option.to_info_dict()["default"]
            if isinstance(option, click.Option) and not option.is_flag and default not in (None, "", ()):
                assert str(default) in str(option.help), option.opts


def test_help_alone_lists_the_commands(sandbox: Sandbox) -> None:
    printed = sandbox.theta("help").stdout
    assert "Find and explain what is wrong with a setup." in printed
    assert printed == sandbox.theta("-h").stdout == sandbox.theta().stdout
    assert printed.replace("git theta", "") == sandbox.run("git-theta", "--help").stdout.replace("git theta", "")


@pytest.mark.parametrize("name", ["migrate", "round"])
def test_help_of_a_group_cuts_no_line_short(sandbox: Sandbox, name: str) -> None:
    assert "...\n" not in sandbox.theta("help", name).stdout.partition("Commands:")[2]


def test_help_of_a_command_of_a_command(sandbox: Sandbox) -> None:
    printed = sandbox.theta("help", "migrate", "import").stdout
    assert printed.startswith("Usage: git theta migrate import [OPTIONS] [REF]...")
    assert printed == sandbox.theta("migrate", "import", "-h").stdout


@pytest.mark.parametrize("words", [["stratgies"], ["help", "stratgies"]])
def test_a_command_that_is_none_is_told_with_the_closest(sandbox: Sandbox, words: list[str]) -> None:
    done = sandbox.theta(*words, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("Error: No such command 'stratgies'. Did you mean 'strategies'?\n")
    assert sandbox.theta("filter-proces", check=False).stderr.endswith(
        "'filter-proces'.\n"
    )  # Git calls that, not people


@pytest.mark.parametrize("names", [["nothing"], ["migrate", "nothing"], ["log", "nothing"]])
def test_help_of_what_is_not_there_says_so(sandbox: Sandbox, names: list[str]) -> None:
    done = sandbox.theta("help", *names, check=False)
    assert done.returncode == 2
    assert "nothing" in done.stderr or "git theta log has no commands" in done.stderr
