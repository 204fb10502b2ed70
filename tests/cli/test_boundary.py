"""What a person sees when something goes wrong, and what a script can tell from the exit code."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from git_theta import __version__
from git_theta.cli import boundary
from git_theta.cli.main import COMMANDS, main
from git_theta.errors import CorruptObject, MissingObject, ThetaError
from tests.sandbox import Sandbox


def failing(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


def run(*arguments: str, source: str = "") -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter on ``source``, or on ``-m git_theta ARGUMENTS``."""
    command = ["-c", source] if source else ["-m", "git_theta", *arguments]
    return subprocess.run([sys.executable, *command], capture_output=True, text=True)


def test_an_error_says_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = MissingObject("object abc is nowhere", hint="try this\nor that", path="a.bin", parameter="w")
    assert boundary.run(failing(error)) == 3
    assert capsys.readouterr() == (
        "",
        "theta: error: a.bin: w: object abc is nowhere\nhint: try this\nhint: or that\n",
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [(ThetaError("x"), 1), (CorruptObject("x"), 4), (KeyError("x"), 70), (OSError(errno.ENOSPC, "full", "f"), 1)],
)
def test_the_exit_code_names_the_kind(error: Exception, code: int) -> None:
    assert boundary.run(failing(error)) == code


def test_torch_that_is_not_installed_is_no_defect() -> None:
    """Most of git-theta works without it; what computes says how to get it."""
    source = (
        "import sys; sys.modules['torch'] = None\nfrom git_theta.cli import boundary\n"
        "from git_theta.tensors.torch_values import from_bytes\nfrom git_theta.tensors.dtypes import BY_NAME\n"
        "sys.exit(boundary.run(lambda: from_bytes(b'1234', BY_NAME['F32'])))"
    )
    done = run(source=source)
    assert done.returncode == 8
    assert "this needs torch" in done.stderr and f"{sys.executable} -m pip install torch" in done.stderr


def test_what_the_system_refuses_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        Path("/nonexistent/file").touch()
        return 0

    assert boundary.run(action) == 1
    assert capsys.readouterr().err == "theta: error: /nonexistent/file: No such file or directory\n"


def test_what_the_system_refuses_has_a_hint_where_one_helps(capsys: pytest.CaptureFixture[str]) -> None:
    boundary.run(failing(PermissionError(errno.EACCES, "Permission denied", ".gitattributes")))
    assert capsys.readouterr().err == (
        "theta: error: .gitattributes: Permission denied\nhint: Check its owner and permissions.\n"
    )


def test_a_defect_is_one_line_and_says_how_to_report_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(failing(KeyError("missing"))) == 70
    first, *hints = capsys.readouterr().err.splitlines()
    assert first == "theta: error: unexpected KeyError: 'missing'"
    assert all(line.startswith("hint: ") for line in hints)
    assert "git theta env" in hints[0]
    assert "--debug" in hints[1]


def test_debug_shows_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(boundary.DEBUG, "1")
    assert boundary.run(failing(KeyError("missing"))) == 70
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "in action" in printed


def test_debug_reaches_what_git_starts(sandbox: Sandbox) -> None:
    sandbox.git("config", "alias.refuse", "!git theta track dir/")
    quiet = sandbox.theta("track", "dir/", check=False)
    loud = sandbox.theta("track", "--debug", "dir/", check=False)
    early = sandbox.theta("--debug", "track", "dir/", check=False)
    inherited = sandbox.git("refuse", check=False, env={boundary.DEBUG: "1"})
    assert [("Traceback" in done.stderr) for done in (quiet, loud, early, inherited)] == [False, True, True, True]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_quiet() -> None:
    source = "import os, signal\nfrom git_theta.cli import boundary\n"
    source += f"raise SystemExit(boundary.run(lambda: os.kill(os.getpid(), {int(signal.SIGINT)})))"
    done = run(source=source)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("arguments", [["-h"], ["install", "-h"], ["--version"]])
def test_a_reader_that_went_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "git_theta", *arguments], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_program_of_ours_that_ended_is_told() -> None:
    source = "import subprocess\nfrom git_theta.cli import boundary\n"
    source += "child = subprocess.Popen(['true'], stdin=subprocess.PIPE, bufsize=0)\nchild.wait()\n"
    done = run(source=f"{source}raise SystemExit(boundary.run(lambda: child.stdin.write(bytes(1))))")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "theta: error: a program that this needs ended before it took all that it was given\n"
    )


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["track", "--nonsense"], ["untrack"]])
def test_a_wrong_command_line_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "-h' for help" in printed.err


def test_git_theta_alone_lists_the_commands(sandbox: Sandbox) -> None:
    listing = sandbox.theta().stdout
    assert listing == sandbox.theta("-h").stdout == run("--help").stdout
    for name, entry in COMMANDS.items():
        assert (f"  {name} " in listing) is bool(entry.help)
    assert "--help" not in listing
    assert sandbox.theta("--version").stdout == f"git-theta version {__version__}\n"


def test_every_command_answers_to_both_kinds_of_help(sandbox: Sandbox) -> None:
    for name in ("install", "uninstall", "track", "untrack"):
        assert sandbox.theta(name, "-h").stdout == sandbox.theta(name, "--help").stdout != ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_table_says(name: str) -> None:
    module, attribute = COMMANDS[name].target.split(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)


def test_law_l12_help_loads_no_command() -> None:
    source = "import sys\nfrom git_theta.cli.main import main\nmain(['-h'])\n"
    source += "print(*sorted(name for name in sys.modules if name.startswith('git_theta.')))"
    loaded = run(source=source).stdout.splitlines()[-1].split()
    rooms = ["cli", "cli.boundary", "cli.common_options", "cli.main"]
    rooms += ["cli.plugin_commands"]  # which packages may add to
    rooms += ["entry_points", "errors", "known_plugins", "plugin_guard", "registered_names", "registry"]
    rooms += ["vcs", "vcs.git", "vcs.pathspecs", "vcs.remembered_settings", "words"]  # what is read once for a process
    assert loaded == [f"git_theta.{room}" for room in rooms]


def test_the_boundary_needs_the_standard_library_alone() -> None:
    source = "import sys\nbefore = set(sys.modules)\nfrom git_theta.cli import boundary\n"
    source += "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    assert run(source=source).stdout.split() == ["git_theta"]


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_leaves_does_what_is_left_to_do(code: int) -> None:
    """Threads, what others registered, before us too, and what is printed."""
    source = (
        "import atexit, sys, threading, time\natexit.register(print, 'registered first')\n"
        "from git_theta.cli import boundary\n"
        "def action():\n"
        "    atexit.register(print, 'registered later')\n"
        "    threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
        f"    return {code}\n"
        "boundary.run_process(action)"
    )
    done = run(source=source)
    assert (done.returncode, done.stdout) == (code, "thread\nregistered later\nregistered first\n")


def test_what_cannot_be_printed_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "git_theta", "strategies"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == ThetaError.exit_code
    assert os.strerror(errno.ENOSPC) in done.stderr


def test_passwords_in_urls_are_told_in_no_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(boundary.DEBUG, "1")
    boundary.run(failing(ThetaError("https://me:s3cret@host/R: no", hint="git fetch https://s3cret@host/R")))
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.endswith("theta: error: https://host/R: no\nhint: git fetch https://host/R\n")
    assert "s3cret" not in told


CLOSED = """
import os, sys
from git_theta.cli import boundary

def action():
    opened = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    print("an answer", flush=True)
    boundary.warn("a warning")
    os.system("echo said by a program; echo and more >&2")
    return opened

sys.exit(boundary.run(action))
"""


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_what_is_said_on_a_closed_stream_goes_nowhere(closed: str, tmp_path: Path) -> None:
    """L1: the next file that is opened would get its number, and hold what is said there."""
    shell = f'exec "$@" {closed}'
    command = ["sh", "-c", shell, "sh", sys.executable, "-c", CLOSED, str(tmp_path / "object")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode > 2
    assert (tmp_path / "object").read_bytes() == b""
    assert done.stdout == ("" if "1>" in closed else "an answer\nsaid by a program\n")
    assert done.stderr == ("" if "2>" in closed else "theta: warning: a warning\nand more\n")
    command = ["sh", "-c", shell, "sh", sys.executable, "-m", "git_theta", "plugins"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_git_hands_on_does_not_cut_what_tidies_up(number: int) -> None:
    """Ctrl-C comes twice: from the terminal, and from the git that runs us."""
    source = f"""if True:
        import os, time
        from git_theta.cli import boundary

        def work():
            try:
                os.kill(os.getpid(), {int(number)})
                time.sleep(9)
            finally:
                os.kill(os.getpid(), {int(number)})
                print("tidied up")

        raise SystemExit(boundary.run(work))
    """
    done = run(source=source)
    assert (done.stdout, done.returncode) == ("tidied up\n", boundary.INTERRUPTED), done.stderr
