"""``git theta`` in processes that are forked from one that has imported it: tests start it thousands of times.

Each command still runs in a process of its own, in its own folder, environment, and standard files, and ends as Python
ends. What is saved is starting Python and importing click and us, two thirds of what most commands cost. Git itself
starts everything else of ours (filters, drivers, hooks) as it does for anybody.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

PROGRAM = Path(sys.executable).with_name("git-theta")
_FIXED_AT_START = ("LC_ALL", "LANG", "LC_CTYPE")
"""Variables that Python reads when it starts, and those that begin with PYTHON."""


def run_command(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """``git theta ARGUMENTS``, by a fork where that is the same thing, else by Git.

    Raises TimeoutError or subprocess.TimeoutExpired after ``timeout`` seconds; the server is of no use then.
    """
    if not _can_fork(arguments, environment):
        command = ["git", "theta", *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=timeout)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        # Git puts its own programs first on the path of what it starts.
        path = os.pathsep.join([_exec_path(), environment["PATH"]])
        request = {"arguments": arguments, "cwd": os.fspath(cwd), "environment": {**environment, "PATH": path}}
        code = _ask_server(request, (given, printed, said), timeout)
        printed.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(["git", "theta", *arguments], code, printed.read(), said.read())


def _can_fork(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether this is our program, started as the server was; ``--help`` is Git's to answer."""
    return (
        arguments[:1] != ["--help"]
        and shutil.which("git-theta", path=environment["PATH"]) == os.fspath(PROGRAM)
        and _start_of(environment) == _start_of(_server()[1])
    )


def _start_of(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _FIXED_AT_START or name.startswith(("PYTHON", "GIT_TRACE"))
    }


@cache
def _exec_path() -> str:
    return subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()


@cache
def _server() -> tuple[socket.socket, Mapping[str, str]]:
    """A connection to the server, and the environment that it was started in."""
    ours, theirs = socket.socketpair()
    environment = dict(os.environ)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours, environment


def _ask_server(request: object, files: Sequence[IO[bytes]], timeout: float | None) -> int:
    connection, _ = _server()
    connection.settimeout(timeout)
    message = json.dumps(request).encode()
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


def _serve(connection: socket.socket) -> None:
    """Fork for each request, until nobody is there to ask."""
    from git_theta.cli.main import COMMANDS, main

    for command in COMMANDS.values():
        importlib.import_module(command.target.partition(":")[0])
    gc.collect()
    gc.freeze()  # what is never looked through again is not copied either
    while True:
        header, files, _, _ = socket.recv_fds(connection, 8, 3)
        if not header:
            return
        request = json.loads(_receive(connection, int.from_bytes(header, "little")))
        child = os.fork()
        if not child:
            connection.close()
            _become(request, files)
            _end(main())
        for file in files:
            os.close(file)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(code.to_bytes(8, "little", signed=True))


def _end(code: int) -> NoReturn:
    """End as Python does, but for taking apart all that was imported: half of the time of a command."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(request: Mapping[str, object], files: Sequence[int]) -> None:
    """Be as if started for this request."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    time.tzset()
    sys.argv = [os.fspath(PROGRAM), *request["arguments"]]  # type: ignore[misc]


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
