"""What a shell offers behind ``git theta``: asked of real shells, by the script that people load."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import click
import pytest

from git_theta.cli.candidates import VALUES, metavar_words
from git_theta.cli.completion import SCRIPTS, read_script
from git_theta.cli.main import COMMANDS, theta
from tests.sandbox import Sandbox, model, track_and_commit

FILES = {"my model.safetensors": model(), "sub/b.safetensors": model(1)}
GIT_COMPLETION = next(
    (
        file
        for file in map(
            Path,
            (
                "/usr/share/bash-completion/completions/git",
                "/usr/share/git/completion/git-completion.bash",
                "/usr/local/etc/bash_completion.d/git-completion.bash",
                "/opt/homebrew/etc/bash_completion.d/git-completion.bash",
            ),
        )
        if file.is_file()
    ),
    None,
)
needs = {
    "bash": pytest.mark.skipif(
        not (GIT_COMPLETION and shutil.which("bash")), reason="bash, or Git's completion for it, is not installed"
    ),
    "zsh": pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed"),
    "fish": pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed"),
}


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    track_and_commit(sandbox, FILES)
    sandbox.git("branch", "topic")
    return sandbox


def complete(repository: Sandbox, *words: str) -> list[tuple[str, str]]:
    lines = repository.theta("complete", "--", *words).stdout.splitlines()
    return [(kind, text) for kind, text, _ in (line.split("\t") for line in lines)]


def test_commands_and_their_options(repository: Sandbox) -> None:
    assert complete(repository, "") == [("word", name) for name, entry in COMMANDS.items() if entry.help]
    assert complete(repository, "re") == [("word", "relayout"), ("word", "repack"), ("word", "resolve")]
    assert complete(repository, "help", "me") == [("word", "merge")]
    assert complete(repository, "help", "migrate", "") == [("word", one) for one in ("export", "import", "undo")]
    assert complete(repository, "help", "merge", "") == []
    assert ("word", "--oneline") in complete(repository, "log", "--")
    assert ("word", "-h") in complete(repository, "log", "-")
    assert complete(repository, "migrate", "e") == [("word", "export")]
    assert complete(repository, "migrate", "export", "--to", "") == [("word", "blob"), ("word", "lfs")]
    assert complete(repository, "nothing", "") == complete(repository)


def test_options_that_act_at_once_do_nothing_yet(repository: Sandbox) -> None:
    assert complete(repository, "migrate", "--debug", "--help", "e") == [("word", "export")]


def test_values_are_what_the_metavar_says(repository: Sandbox) -> None:
    both = [("path", name) for name in FILES]
    assert complete(repository, "diff", "") == [("revision", ""), *both]
    assert complete(repository, "diff", "--", "s") == [("path", "sub/b.safetensors")]
    assert complete(repository, "log", "--oneline", "--", "") == both
    assert complete(repository, "status", "") == both
    assert complete(repository, "merge", "") == [("revision", "")]
    assert complete(repository, "map", "--html", "") == [("file", "")]
    assert complete(repository, "map", "-p", "") == []
    assert ("word", "safetensors") in complete(repository, "track", "--format", "")
    repository.git("tag", "-a", "-m", "Start of round 0 of cold", "cold/0")
    for who in ("ann", "bob"):
        repository.git("branch", f"cold/0/{who}")
    assert complete(repository, "round", "close", "--exclude", "b") == [("word", "bob")]
    assert complete(repository, "round", "close", "cold", "--exclude", "") == [("word", "ann"), ("word", "bob")]
    repository.git("remote", "add", "hub", "elsewhere")
    assert complete(repository, "fetch", "") == [("word", "hub")]
    assert complete(repository, "push", "hub", "") == [("revision", "")]


def test_strategies_and_their_options(repository: Sandbox) -> None:
    assert complete(repository, "merge", "-s", "ti") == [("word", "ties")]
    assert complete(repository, "merge", "--strategy=ti") == [("word", "ties")]
    assert ("word", "slerp") in complete(repository, "resolve", "-s", "")
    for chosen in (["-s", "ties"], ["--strategy", "ties"], ["--strategy=ties"]):
        assert complete(repository, "merge", *chosen, "-o", "d") == [("prefix", "density=")]
    assert complete(repository, "merge", "-o", "") == []


def test_outside_of_a_repository_nothing_is_found_and_nothing_said(tmp_path: Path) -> None:
    done = Sandbox(tmp_path).theta("complete", "--", "status", "")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_has_its_source_or_is_known_to_have_none(name: str) -> None:
    command = theta.get_command(click.Context(theta), name)
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    for one in (command, *inner):
        for parameter in one.params if one else ():
            assert isinstance(parameter.type, click.Choice) or set(metavar_words(parameter)) <= VALUES.keys()


def test_no_source_is_there_for_nothing() -> None:
    used = set()
    for name in COMMANDS:
        command = theta.get_command(click.Context(theta), name)
        inner = command.commands.values() if isinstance(command, click.Group) else ()
        used |= {word for one in (command, *inner) if one for option in one.params for word in metavar_words(option)}
    assert VALUES.keys() <= used


_BASH = r"""
source "$1"; shift
eval "$(git theta completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
case "$1" in git) __git_wrap__git_main ;; *) __git_wrap__git_theta_alone ;; esac
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""


@needs["bash"]
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git theta rel", ["relayout "]),
        ("git theta merge -s ti", ["ties "]),
        ("git theta merge --strategy = ti", ["ties "]),  # bash makes words of "="
        ("git theta merge -s ties -o d", ["density="]),
        ("git theta merge to", ["topic "]),
        ("git theta merge --base = to", ["topic "]),
        ("git theta diff ma..to", ["ma..topic "]),
        ("git theta diff -- ", ["my\\ model.safetensors ", "sub/b.safetensors "]),
        ("git -C sub theta status ", ["b.safetensors "]),
        ("git --no-pager theta log --onel", ["--oneline "]),
        ("git theta map --html ", []),  # bash's own: files
        ("git-theta rel", ["relayout "]),
    ],
)
def test_bash(repository: Sandbox, line: str, expected: list[str]) -> None:
    done = repository.run("bash", "--norc", "-c", _BASH, "bash", str(GIT_COMPLETION), *line.split(" "))
    assert (done.stdout.splitlines(), done.stderr) == (expected, "")


@needs["fish"]
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git theta rel", ["relayout"]),
        ("git theta merge -s ti", ["ties"]),
        ("git theta merge --strategy=ti", ["--strategy=ties"]),
        ("git theta merge -s ties -o d", ["density="]),
        ("git theta merge to", ["topic"]),
        ("git theta merge --base=to", ["--base=topic"]),
        ("git theta diff -- ", ["my model.safetensors", "sub/b.safetensors"]),
        ("git -C sub theta status ", ["b.safetensors"]),
        ("git-theta rel", ["relayout"]),
    ],
)
def test_fish(repository: Sandbox, line: str, expected: list[str]) -> None:
    done = repository.run("fish", "-c", f"git theta completion fish | source; complete --do-complete '{line}'")
    assert [found.partition("\t")[0] for found in done.stdout.splitlines()] == expected


class Terminal:
    """A zsh that somebody types into."""

    def __init__(self, folder: Path) -> None:
        child, self._file = pty.fork()
        if child == 0:
            os.chdir(folder)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "COLUMNS": "200"})
        self._child = child

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def read_until(self, text: str, seconds: float = 30) -> str:
        """What is shown until ``text`` is; all there was when it never is."""
        shown, end = "", time.monotonic() + seconds
        while text not in shown and time.monotonic() < end:
            if select.select([self._file], [], [], 0.1)[0]:
                shown += os.read(self._file, 65536).decode(errors="replace")
        return shown

    def close(self) -> None:
        os.close(self._file)  # hangs up
        os.waitpid(self._child, 0)


@needs["zsh"]
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git theta rel", "git theta relayout "),
        ("git theta merge -s ti", "git theta merge -s ties "),
        ("git theta merge --strategy=ti", "git theta merge --strategy=ties "),
        ("git theta merge -s ties -o d", "git theta merge -s ties -o density="),
        ("git theta merge --base=to", "git theta merge --base=topic "),
        ("git theta diff my", "git theta diff my\\ model.safetensors "),
        ("git-theta merge to", "git-theta merge topic "),
    ],
)
def test_zsh(repository: Sandbox, line: str, expected: str) -> None:
    terminal = Terminal(repository.root)
    try:
        terminal.type('PROMPT="% "; autoload -U compinit; compinit -D -u; eval "$(git theta completion zsh)"; ')
        terminal.type("unsetopt automenu; echo re''ady\n")
        terminal.read_until("ready\r\n")
        terminal.type(f"{line}\t")
        assert expected in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x07", "", terminal.read_until(expected))
    finally:
        terminal.close()


@pytest.mark.parametrize("shell", SCRIPTS)
def test_scripts_have_no_faults_that_the_shell_itself_sees(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=read_script(shell), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
