"""Our programs in processes that are forked from one that has imported them: tests start them thousands of times.

Each still runs in a process of its own, in its own folder, environment, and standard files, and ends as Python ends.
What is saved is starting Python and importing numpy, click and us, most of what a program of ours costs here.

``git theta`` is forked wherever :func:`run_command` is asked for it, and a script that imports torch wherever
:func:`run_script` is. Unless :data:`GENUINE` is set, what it installs names a launcher (:func:`make_launcher`) in the
place of our interpreter, so that filters, drivers and hooks of ours are forked, too. Whatever else Git and people
start, starts as it does for anybody.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import hashlib
import importlib
import importlib.util
import io
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

PROGRAM = Path(sys.executable).with_name("git-theta")
_interpreters = {PROGRAM: Path(sys.executable)}
"""Programs that are forked, and what runs them."""
GENUINE = "THETA_TEST_GENUINE"
"""The environment variable that has what is installed name our interpreter, as it does for anybody."""
LAUNCHERS = "THETA_TEST_LAUNCHERS"
"""The environment variable that names the folder of launchers."""
SERVER = "THETA_TEST_SERVER_"
"""What environment variables begin with that tell launchers where the server of an interpreter listens."""
_FIXED_AT_START = ("LC_ALL", "LANG", "LC_CTYPE")
"""Variables that count when Python starts, and those that begin with PYTHON, GIT_TRACE and LD_."""
_PROGRAMS = {
    "git_theta": "git_theta.cli.main:main",
    "git_theta.cli.filter_process": "git_theta.cli.filter_process:run_filter",
    "git_theta.cli.merge_driver": "git_theta.cli.merge_driver:run_driver",
    "git_theta.cli.diff_driver": "git_theta.cli.diff_driver:run_driver",
    "git_theta.cli.plugin_probe": "git_theta.cli.plugin_probe:run_probe",
}
"""What is forked: by the name that it is run by, the function that gives the exit code."""
WITH_PACKAGES = os.fspath(Path(__file__).with_name("with_packages.py"))
_FILES = (os.fspath(Path(__file__).parent / "faults" / "faulty_process.py"), WITH_PACKAGES)
"""Files that are forked, too."""
_TORCH_COMMANDS = ("add", "export-update", "fisher", "gram")
"""Commands, of plug-ins too, that import torch, which takes longer than all else: a server of their own has it."""
_REFUSED = 1 << 16
"""In the place of an exit code: what is asked for would not be the same when it is forked."""
_GONE = 70
_LAUNCHER = Path(__file__).with_name("launcher.c")


def run_command(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """``git theta ARGUMENTS``, by a fork where that is the same thing, else by Git.

    Raises TimeoutError or subprocess.TimeoutExpired after ``timeout`` seconds.
    """
    python = _find_interpreter(arguments, environment)
    if not python:
        command = ["git", "theta", *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=timeout)
    server, _ = _start_server(python, *(["torch"] if arguments[:1] and arguments[0] in _TORCH_COMMANDS else []))
    # Git puts its own programs first on the path of what it starts.
    started = {**environment, "PATH": os.pathsep.join([_exec_path(), environment["PATH"]])}
    return _fork_program(["git_theta", *arguments], server, cwd, started, stdin, timeout)


def run_script(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """``python FILE ARGS``, by a fork of our interpreter with torch imported where that is the same thing."""
    server, start = _start_server(Path(sys.executable), "torch")
    ours = os.fspath(Path(sys.executable).with_name("python"))
    if shutil.which("python", path=environment["PATH"]) != ours or _start_of(environment) != _start_of(start):
        return subprocess.run(["python", *words], cwd=cwd, env=environment, input=stdin, capture_output=True)
    return _fork_program(words, server, cwd, environment, stdin)


def _fork_program(
    words: Sequence[str],
    server: str,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """What a server has run: a program of ours, or a script."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        variables = [f"{name}={value}" for name, value in environment.items()]
        request = ["0", os.fspath(cwd), str(len(words)), *words, *variables]
        code = _ask_server(server, request, (given, printed, said), timeout)
        printed.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(words, code, printed.read(), said.read())


def fork_programs_of(python: Path) -> None:
    """Have what this interpreter runs forked, too: git-theta lies beside it, and what it imports is as it will be."""
    _interpreters[python.with_name("git-theta")] = python
    make_launcher(python)


def make_launcher(python: Path = Path(sys.executable)) -> None:
    """Make the program that is this interpreter, but that it has a server fork programs of ours.

    Without a C compiler it is no more than the interpreter: whatever Git and people start, starts as for anybody.
    """
    launcher = _launcher_of(python)
    if launcher.exists():
        return
    launcher.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=launcher.parent) as folder:
        made = Path(folder, launcher.name)
        if shutil.which("cc"):
            programs = ",".join(map(_quote, (*_PROGRAMS, *_FILES)))
            values = {"PYTHON": _quote(os.fspath(python)), "SERVER": _quote(_variable_of(python)), "PROGRAMS": programs}
            macros = {**values, "REFUSED": _REFUSED, "GONE": _GONE}
            options = [f"-D{name}={value}" for name, value in macros.items()]
            subprocess.run(["cc", "-O1", *options, "-o", made, _LAUNCHER], check=True)
        else:
            made.write_text(f'#!/bin/sh\nexec {shlex.quote(os.fspath(python))} "$@"\n')
            made.chmod(0o755)
        made.rename(launcher)  # several workers may be about it


def _quote(text: str) -> str:
    """A text as C has it."""
    return '"{}"'.format(text.replace("\\", r"\\").replace('"', r"\""))


def name_interpreter(python: Path = Path(sys.executable)) -> str:
    """What is named where this interpreter is to be: its launcher, unless programs are genuine."""
    return os.fspath(python if os.environ.get(GENUINE) else _launcher_of(python))


def name_launchers(text: str) -> str:
    """The text of settings, or a hook, whose interpreters of ours, or launchers, are what ``name_interpreter`` says."""
    for python in _interpreters.values():
        wanted = name_interpreter(python)
        for named in (python, _launcher_of(python)):
            for rest in (" -I -m", " ]", " >&2"):  # a hook looks for it before, and says where it was
                text = text.replace(f"{named}{rest}", f"{wanted}{rest}")
    return text


def name_launchers_in(root: Path) -> None:
    """Have what is installed in a repository start as this test's programs do: what it was copied from may be wider."""
    for file in (root / ".git/config", *root.glob(".git/hooks/*")):
        text = file.read_text() if file.is_file() else ""
        if (named := name_launchers(text)) != text:
            file.write_text(named)


def _launcher_of(python: Path) -> Path:
    return Path(os.environ[LAUNCHERS], _variable_of(python), "python")


def _variable_of(python: Path) -> str:
    return SERVER + hashlib.sha256(os.fsencode(python)).hexdigest()[:8]


def _find_interpreter(arguments: Sequence[str], environment: Mapping[str, str]) -> Path | None:
    """Whose server has ``git theta`` forked, started as this would be; ``--help`` is Git's to answer."""
    program = shutil.which("git-theta", path=environment["PATH"])
    python = _interpreters.get(Path(program)) if program and arguments[:1] != ["--help"] else None
    return python if python and _start_of(environment) == _start_of(_start_server(python)[1]) else None


def _start_of(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _FIXED_AT_START or name.startswith(("PYTHON", "GIT_TRACE", "LD_"))
    }


@functools.cache
def _exec_path() -> str:
    return subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()


def start_server() -> None:
    """Have the server of this interpreter listen, for launchers that were named before."""
    _start_server(Path(sys.executable))


@functools.cache
def _start_server(python: Path, *modules: str) -> tuple[str, Mapping[str, str]]:
    """Where the server of an interpreter listens that has these modules too, and the environment it was started in."""
    folder = Path(tempfile.mkdtemp(prefix="theta-"))  # the path of a socket must be short
    path = os.fspath(folder / "server")
    environment = dict(os.environ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(128)
        process = subprocess.Popen(
            [python, "-I", __file__, str(listener.fileno()), *modules],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        assert process.stdin
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    if not modules:
        os.environ[_variable_of(python)] = path  # launchers look there
    return path, environment


def _ask_server(server: str, request: Sequence[str], files: Sequence[IO[bytes]], timeout: float | None) -> int:
    """How what is asked for has ended: its exit code, or a signal below 0. See ``launcher.c`` for the request."""
    message = b"".join(os.fsencode(text) + b"\0" for text in request)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(server)
        socket.send_fds(connection, [len(message).to_bytes(8, sys.byteorder)], [file.fileno() for file in files])
        connection.sendall(message)
        return int.from_bytes(_receive(connection, 8), sys.byteorder, signed=True)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise EOFError("the other side has gone")
        received += piece
    return received


class _Request:
    """What somebody asks for, as it came."""

    def __init__(self, connection: socket.socket) -> None:
        header, self.files, _, _ = socket.recv_fds(connection, 8, 3)
        message = _receive(connection, int.from_bytes(header, sys.byteorder))
        parent, self.cwd, count, *texts = map(os.fsdecode, message.split(b"\0")[:-1])
        self.parent = int(parent)
        self.program, *self.arguments = texts[: int(count)]
        self.environment = dict(text.split("=", 1) for text in texts[int(count) :] if "=" in text)


class _Server:
    """Forks for each request, until nobody is there to ask."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._start = _start_of(os.environ)
        self._children: dict[int, socket.socket] = {}
        self._watch = selectors.PollSelector()
        self._ended, self._wakes = os.pipe()
        for descriptor in (self._ended, self._wakes):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes)

    def serve(self) -> None:
        for watched in (sys.stdin.fileno(), self._ended, self._listener):
            self._watch.register(watched, selectors.EVENT_READ)
        while True:
            for key, _ in self._watch.select():
                if key.fileobj == sys.stdin.fileno():
                    return
                if key.fileobj == self._ended:
                    self._reap()
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._give_up(cast("socket.socket", key.fileobj))

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        try:
            request = _Request(connection)
        except (EOFError, OSError):  # whoever asked was killed
            connection.close()
            return
        if request.parent and _start_of(request.environment) != self._start:
            connection.sendall(_REFUSED.to_bytes(8, sys.byteorder, signed=True))
            connection.close()
        else:
            self._children[self._fork(request)] = connection
            self._watch.register(connection, selectors.EVENT_READ)
            connection = None  # type: ignore[assignment]
        for file in request.files:
            os.close(file)

    def _fork(self, request: _Request) -> int:
        child = os.fork()
        if child:
            return child
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._ended, self._wakes):
                os.close(descriptor)
            for other in (self._listener, *self._children.values()):
                other.close()
            _become(request)
            from git_theta.cli.boundary import leave  # here it has been imported

            leave(_run_program(request.program))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(_GONE)

    def _reap(self) -> None:
        """Tell those who asked how what they asked for has ended."""
        os.read(self._ended, 1 << 10)
        while self._children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            connection = self._children.pop(child)
            if connection.fileno() >= 0:
                self._watch.unregister(connection)
                code = os.waitstatus_to_exitcode(status)
                with contextlib.suppress(OSError):  # who asked was killed meanwhile
                    connection.sendall(code.to_bytes(8, sys.byteorder, signed=True))
                connection.close()

    def _give_up(self, connection: socket.socket) -> None:
        """Whoever asked has gone: killed, or tired of waiting."""
        if connection.fileno() < 0:  # it has ended in the same moment
            return
        for child, other in self._children.items():
            if other is connection:
                os.kill(child, signal.SIGTERM)
        self._watch.unregister(connection)
        connection.close()


def _run_program(name: str) -> int:
    """The exit code of a program, which may end Python by itself."""
    try:
        return _find_program(name)()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            sys.stderr.write(f"{ended.code}\n")
            return 1
        return ended.code or 0


def _find_program(name: str) -> Callable[[], int]:
    if name not in _PROGRAMS and name not in _FILES:
        return functools.partial(_run_script, name)
    if name in _FILES:
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return cast("Callable[[], int]", module.main)
    where, _, function = _PROGRAMS[name].partition(":")
    return cast("Callable[[], int]", getattr(importlib.import_module(where), function))


def _run_script(file: str) -> int:
    """Be a script, as Python runs it: without a compiled file beside it."""
    sys.argv[0] = file
    sys.path.insert(0, os.fspath(Path(file).absolute().parent))
    runpy.run_path(file, run_name="__main__")
    return 0


def _import_all(modules: Sequence[str]) -> None:
    """Import what programs of ours are going to, and these modules where they are installed."""
    from git_theta.cli.main import COMMANDS
    from git_theta.known_plugins import BUILT_IN

    targets = [entry.target for entry in COMMANDS.values()]
    for family in ("formats", "updates", "serializers", "stores"):
        targets += BUILT_IN[family].values()
    later = ("git_theta.cli.filter_cleaning", "git_theta.cli.filter_smudging", "numpy", "concurrent.futures.thread")
    targets += _PROGRAMS.values()
    for module in (*later, "sqlite3", *(target.partition(":")[0] for target in targets)):
        importlib.import_module(module)
    for module in ("backports.zstd", "compression.zstd", *modules):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is never looked through again is not copied either
    runpy.run_path(os.fspath(Path(__file__).with_name("large_pages.py")))["use_large_pages"]()


def _become(request: _Request) -> None:
    """Be as if started for this request."""
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        setattr(sys, name, _reopen(number, getattr(sys, name)))
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    if LAUNCHERS in os.environ and not os.environ.get(GENUINE):
        sys.executable = os.fspath(_launcher_of(Path(sys.executable)))  # what is installed names it
    sys.argv = [os.fspath(PROGRAM), *request.arguments]
    if parent := request.parent:  # that of the launcher
        os.getppid = lambda: parent


def _reopen(number: int, before: io.TextIOWrapper) -> IO[str]:
    """A standard stream of what it is now: whether that can be searched, or is a terminal, was asked at the start."""
    binary = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 (as Python opens it)
    by_line = number == 2 or binary.isatty()
    return io.TextIOWrapper(binary, before.encoding, before.errors, line_buffering=by_line)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _import_all(sys.argv[2:])
        _Server(asked).serve()
