"""The manual page: fresh, whole, in the wheel, and found by ``git theta --help``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from git_theta.cli.main import COMMANDS, theta
from git_theta.cli.manual import render_manual
from tests.cli.test_doctor import program
from tests.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/man/git-theta.1"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render_manual(), "python -m git_theta.cli.manual > docs/man/git-theta.1"


def test_every_command_that_people_call_is_on_the_page() -> None:
    found = re.findall(r"^\.SS git theta (\S+)$", PAGE.read_text().replace("\\-", "-"), re.MULTILINE)
    assert found == [name for name, entry in COMMANDS.items() if entry.help]


def test_examples_stand_as_they_are_typed() -> None:
    """Not wrapped, nor spread to the width: people copy them."""
    pages = {name: CliRunner().invoke(theta, [name, "-h"]).stdout for name, entry in COMMANDS.items() if entry.help}
    for page in (*pages.values(), PAGE.read_text().replace("\\-", "-")):
        for line in page.splitlines():
            assert not line.endswith(" --") and not re.match(r" *\x08", line)
    example = """    git theta bisect --good v1.0 --run 'python eval.py "$1"' model.pt\n"""
    assert f"\n  {example}" in pages["bisect"]
    assert f"\n.nf\n{example}.fi\n" in PAGE.read_text().replace("\\-", "-")


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_man_has_nothing_to_complain_of() -> None:
    command = ["man", "--warnings", "--local-file", str(PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r".\x08", "", done.stdout)
    assert "git theta merge [OPTIONS] [HEAD]..." in shown
    assert "       --density" not in shown  # options of strategies are no options of the command
    assert re.search(r"^ +--plan +Show what would be done, and touch nothing\.$", shown, re.MULTILINE)


def has_builder() -> bool:
    """Whether what makes a wheel is installed here: to fetch and install it anew takes as long as all the rest."""
    wanted = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])
    try:
        return all(one.specifier.contains(version(one.name)) for one in wanted)
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that a real installation of this tree makes."""
    source, prefix = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("prefix")
    for name in ("git_theta", "docs/man"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--quiet", "--no-deps", "--ignore-installed", "--no-compile"]  # few of its modules are imported
    if has_builder():
        options.append("--no-build-isolation")
    command = [sys.executable, "-m", "pip", "install", *options, "--prefix", str(prefix), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "setuptools" in done.stderr:
        pytest.skip("setuptools cannot be fetched here to build a wheel")
    assert done.returncode == 0, done.stderr
    return prefix


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_git_shows_the_page_of_an_installation(sandbox: Sandbox, prefix: Path) -> None:
    environment = {"PATH": f"{prefix / 'bin'}:{os.environ['PATH']}", "MANPAGER": "cat", "LC_ALL": "C"}
    for arguments in (["theta", "--help"], ["help", "theta"]):
        assert "parameter by parameter" in sandbox.git(*arguments, env=environment).stdout.replace("\n", " ")


def test_scripts_of_completion_are_installed_where_shells_look(prefix: Path) -> None:
    for place in (
        "share/bash-completion/completions/git-theta",
        "share/zsh/site-functions/_git-theta",
        "share/fish/vendor_completions.d/git-theta.fish",
    ):
        assert (prefix / place).is_file()
    [site] = prefix.glob("lib/python*/site-packages")
    command = [sys.executable, "-m", "git_theta", "completion", "bash"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    printed = subprocess.run(command, cwd=prefix, env=environment, capture_output=True, check=True).stdout
    assert printed == (prefix / "share/bash-completion/completions/git-theta").read_bytes()


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_who_has_the_page_elsewhere_is_told_where(sandbox: Sandbox, prefix: Path) -> None:
    """The environment's ``bin`` is not on the PATH, as with an alias or a link to git-theta alone."""
    [site] = prefix.glob("lib/python*/site-packages")
    environment = {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "git_theta"]
    printed = json.loads(sandbox.run(*command, "doctor", "--json", env=environment, check=False).stdout)
    [found] = [one for one in printed if one["check"] == "manual page"]
    share = prefix / "share/man"
    assert found["state"] == "note"
    assert found["text"] == f"`git theta --help` shows nothing: man does not find the page in {share}"
    assert f'export MANPATH="{share}:$MANPATH"' in found["hint"]
    assert f'hint: export MANPATH="{share}:$MANPATH"' in sandbox.run(*command, "install", env=environment).stderr
    helped = {**environment, "MANPATH": f"{share}:"}
    assert "man does not find" not in sandbox.run(*command, "doctor", env=helped, check=False).stdout


def find_note(sandbox: Sandbox, **environment: str) -> dict[str, str]:
    command = Path(sys.executable).parent / "git-theta"
    printed = json.loads(sandbox.run(command, "doctor", "--json", check=False, env=environment).stdout)
    [found] = [one for one in printed if one["check"] == "manual page"]
    return dict(found)


def test_where_there_is_no_man_people_are_told_what_to_type(sandbox: Sandbox, tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(git)
    found = find_note(sandbox, PATH=str(tmp_path / "bin"))
    assert found["text"] == "`git theta --help` shows nothing: man is not installed"
    assert "git theta help COMMAND" in found["hint"]


def test_where_git_shows_pages_of_another_kind_people_are_told(sandbox: Sandbox) -> None:
    sandbox.git("config", "help.format", "web")
    assert find_note(sandbox)["text"] == "`git theta --help` shows nothing: help.format is web"


def test_where_the_page_is_found_nothing_is_said(sandbox: Sandbox, tmp_path: Path) -> None:
    assert find_note(sandbox, **program(tmp_path / "bin", "man", "exit 0"))["state"] == "ok"
