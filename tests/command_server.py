"""Our programs in processes that are forked from one that has imported them: tests start them thousands of times.

Each still runs in a process of its own, in its own folder, environment, and standard files, and ends as Python ends.
What is saved is starting Python and importing numpy, click and us, most of what a program of ours costs here.

``git theta`` is forked wherever :func:`run_command` is asked for it. Filters and drivers are where Git starts a
launcher (:func:`name_launchers`), which has them forked; see ``Sandbox.create`` for where that is. Hooks, and whatever
else Git and people start, start as they do for anybody.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import importlib
import marshal
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

PROGRAM = Path(sys.executable).with_name("git-theta")
_interpreters = {PROGRAM: Path(sys.executable)}
"""Programs that are forked, and what runs them."""
SERVER = "THETA_TEST_SERVER"
"""What environment variables begin with that tell launchers where the server of an interpreter listens."""
_FIXED_AT_START = ("LC_ALL", "LANG", "LC_CTYPE")
"""Variables that count when Python starts, and those that begin with PYTHON, GIT_TRACE and LD_."""
_MAIN = "git_theta.cli.main"
_PROGRAMS = {
    _MAIN: "main",
    "git_theta.cli.filter_process": "run_filter",
    "git_theta.cli.merge_driver": "run_driver",
    "git_theta.cli.diff_driver": "run_driver",
}
"""What is forked: by module, the function that gives the exit code."""
_TORCH_COMMANDS = ("add", "export-update")
"""Commands that import torch, which takes longer than all else that they do: a server of their own has it."""
_REFUSED = 1 << 16
"""In the place of an exit code: what is asked for would not be the same when it is forked."""
_GONE = 70
_LAUNCHER = """\
#!{python} -IS
# {python}, but for programs that a server forks.
import posix, sys

def ask(path):
    import _socket, marshal
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        link.connect(path)
    except OSError:
        return None
    request = marshal.dumps({{
        "module": sys.argv[3], "arguments": sys.argv[4:], "cwd": posix.getcwdb(), "environment": dict(posix.environ),
        "parent": posix.getppid(),
    }})
    files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    link.sendmsg([len(request).to_bytes(8, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
    link.sendall(request)
    answer = link.recv(8, _socket.MSG_WAITALL)
    return int.from_bytes(answer, "little", signed=True) if len(answer) == 8 else {gone}

path = posix.environ.get({server!r})
forked = path and sys.argv[1:3] == ["-I", "-m"] and sys.argv[3] in {modules!r}
code = ask(path) if forked else None
if code is None or code == {refused}:
    posix.execv({python!r}, [{python!r}, *sys.argv[1:]])
if code < 0:
    posix.kill(posix.getpid(), -code)
posix._exit(code)
"""


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
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        # Git puts its own programs first on the path of what it starts.
        path = os.pathsep.join([_exec_path(), environment["PATH"]])
        named = {os.fsencode(name): os.fsencode(value) for name, value in {**environment, "PATH": path}.items()}
        request = {"module": _MAIN, "arguments": [*arguments], "cwd": os.fsencode(cwd), "environment": named}
        server, _ = _start_server(python, *(["torch"] if arguments[:1] and arguments[0] in _TORCH_COMMANDS else []))
        code = _ask_server(server, {**request, "parent": 0}, (given, printed, said), timeout)
        printed.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(["git", "theta", *arguments], code, printed.read(), said.read())


def fork_programs_of(python: Path) -> None:
    """Have what this interpreter runs forked, too: git-theta lies beside it, and what it imports is as it will be."""
    _interpreters[python.with_name("git-theta")] = python


def name_launchers(text: str, folder: Path) -> str:
    """The text of a configuration with launchers, which lie below ``folder``, in the place of our interpreters."""
    for python in _interpreters.values():
        command = f"{python} -I -m"
        if command in text:
            text = text.replace(command, f"{_find_launcher(python, folder)} -I -m")
    return text


def _find_launcher(python: Path, folder: Path) -> Path:
    """A program below ``folder`` that is this interpreter, but that it has filters and drivers forked by its server."""
    name = hashlib.sha256(os.fsencode(python)).hexdigest()[:8]
    launcher = folder / "launchers" / name / "python"
    variable = f"{SERVER}_{name}"
    if not launcher.exists():
        launcher.parent.mkdir(parents=True, exist_ok=True)
        modules = tuple(name for name in _PROGRAMS if name != _MAIN)
        text = _LAUNCHER.format(
            python=os.fspath(python), server=os.fsencode(variable), modules=modules, refused=_REFUSED, gone=_GONE
        )
        with tempfile.NamedTemporaryFile("w", dir=launcher.parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o755)
        Path(file.name).rename(launcher)  # several workers may be about it
    os.environ[variable] = _start_server(python)[0]
    return launcher


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


@cache
def _exec_path() -> str:
    return subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()


@cache
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
    return path, environment


def _ask_server(server: str, request: dict[str, Any], files: Sequence[IO[bytes]], timeout: float | None) -> int:
    message = marshal.dumps(request)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(server)
        socket.send_fds(connection, [len(message).to_bytes(8, "little")], [file.fileno() for file in files])
        connection.sendall(message)
        return int.from_bytes(_receive(connection, 8), "little", signed=True)


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
        message = marshal.loads(_receive(connection, int.from_bytes(header, "little")))
        self.module: str = message["module"]
        self.arguments: list[str] = message["arguments"]
        self.cwd: bytes = message["cwd"]
        self.environment = {os.fsdecode(name): os.fsdecode(value) for name, value in message["environment"].items()}
        self.parent: int = message["parent"]


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
            connection.sendall(_REFUSED.to_bytes(8, "little", signed=True))
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

            leave(_find_program(request.module)())
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
                    connection.sendall(code.to_bytes(8, "little", signed=True))
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


def _find_program(module: str) -> Callable[[], int]:
    return cast("Callable[[], int]", getattr(importlib.import_module(module), _PROGRAMS[module]))


def _import_all(modules: Sequence[str]) -> None:
    """Import what programs of ours are going to, and these modules where they are installed."""
    from git_theta.cli.main import COMMANDS
    from git_theta.known_plugins import BUILT_IN

    targets = [entry.target for entry in COMMANDS.values()]
    for family in ("formats", "updates", "serializers", "stores"):
        targets += BUILT_IN[family].values()
    later = ("git_theta.cli.filter_cleaning", "git_theta.cli.filter_smudging", "numpy", "concurrent.futures.thread")
    for module in (*_PROGRAMS, *later, "sqlite3", *(target.partition(":")[0] for target in targets)):
        importlib.import_module(module)
    for module in modules:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is never looked through again is not copied either


def _become(request: _Request) -> None:
    """Be as if started for this request."""
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.argv = [os.fspath(PROGRAM), *request.arguments]
    if parent := request.parent:  # that of the launcher
        os.getppid = lambda: parent


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _import_all(sys.argv[2:])
        _Server(asked).serve()
