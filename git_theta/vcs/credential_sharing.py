"""One question for a password: what lets one of the programs that we start in, the others know.

Each Git process asks the person for itself, where no helper keeps passwords. So while we work there is a helper: Git's
own ``git credential-cache``, whose other side, usually a daemon, we are ourselves. What Git tells it is in this
process's memory, on no disk, and gone with us.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_COUNT = "GIT_CONFIG_COUNT"
_SOCKET = "socket"
_LONGEST_PATH = 100
"""Bytes of a socket's path that the system takes."""
_PLACE = ("protocol", "host", "path")
"""What a credential is for."""
_TOLD = ("username", "password", "password_expiry_utc", "oauth_refresh_token")
"""What is told of one."""
_LARGEST = 1 << 16
"""Bytes of a request that are read."""
_SECONDS = 60
"""For how long a daemon would keep passwords: Git starts one should we be killed while a program of ours goes on."""


@contextmanager
def share_credentials(folder: Path) -> Iterator[None]:
    """Have Git processes that are started meanwhile know what others of them were let in with.

    Where no socket can be made, each of them asks, as ever.

    Args:
        folder: of temporary files, in which one of our own is made, with the socket.
    """
    place = folder / f"{os.getpid()}-{os.urandom(8).hex()}"
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                place.mkdir(mode=0o700)
                stack.enter_context(_answer_at(place))
                stack.enter_context(_configure_helper(place / _SOCKET))
            yield
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _answer_at(place: Path) -> Iterator[None]:
    """Answer at a socket in a folder, in a thread. Raises OSError where none can be made."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            path = place / _SOCKET
            if len(os.fsencode(path)) > _LONGEST_PATH:  # Git goes to the folder then
                path = Path(f"/proc/self/fd/{folder}") / _SOCKET
            listener.bind(os.fspath(path))
        finally:
            os.close(folder)
        listener.listen()
        threading.Thread(target=_converse, args=(listener,), daemon=True).start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # or it would wait for somebody for ever


def _converse(listener: socket.socket) -> None:
    """Answer one request after the other, until the listener is closed."""
    kept: list[Mapping[str, str]] = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):  # whoever asked is gone
            connection.settimeout(_SECONDS)
            connection.sendall(_answer(_read_request(connection), kept))


def _read_request(connection: socket.socket) -> dict[str, str]:
    """What somebody asks, up to the end of what they send."""
    request = b""
    while len(request) < _LARGEST and (some := connection.recv(_LARGEST)):
        request += some
    return dict(line.partition("=")[::2] for line in os.fsdecode(request).splitlines())


def _answer(asked: Mapping[str, str], kept: list[Mapping[str, str]]) -> bytes:
    """Do with the kept credentials what is asked; the answer."""
    action = asked.get("action")
    found = next((one for one in kept if _is_for(one, asked)), None)
    if action == "get" and found:
        return os.fsencode("".join(f"{key}={found[key]}\n" for key in _TOLD if key in found))
    if action in ("store", "erase") and found:
        kept.remove(found)
    if action == "store" and asked.get("password"):
        kept.append(asked)
    return b""


def _is_for(kept: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Whether a credential is for the place of a request, and for its user, where it names one."""
    same_place = all(kept.get(key) == asked.get(key) for key in _PLACE)
    return same_place and asked.get("username") in (None, kept.get("username"))


@contextmanager
def _configure_helper(path: Path) -> Iterator[None]:
    """Have every Git that is started ask there, after the person's own helpers."""
    count = int(os.environ.get(_COUNT) or 0)
    ours = {
        _COUNT: str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "credential.helper",
        f"GIT_CONFIG_VALUE_{count}": f"cache --timeout={_SECONDS} --socket={shlex.quote(os.fspath(path))}",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
