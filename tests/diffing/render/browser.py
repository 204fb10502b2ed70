"""A real browser, driven over two pipes by the DevTools protocol: no port, no driver program, no package."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT = 60
"""Seconds that one answer may take on a busy machine."""

_READS, _WRITES = 3, 4
"""The descriptors that the browser takes commands from and answers on."""


def program() -> str | None:
    """A browser that speaks the protocol; None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """A headless browser with one page. Everything that it reports on its own is kept in ``events``."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def open(self) -> None:
        """A blank page, watched."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def visit(self, page: Path) -> None:
        """Load a file, and wait until it is there; the events are those since then."""
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not self.happened("Page.loadEventFired"):
            self._take()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """A key, as a person presses it."""
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Letters, one after the other, into what has the focus."""
        for letter in text:
            self.press(letter, letter)

    def happened(self, method: str) -> list[dict[str, Any]]:
        """What the browser told of one kind."""
        return [event["params"] for event in self.events if event["method"] == method]

    def call(self, method: str, **params: Any) -> Any:
        """The result of one command."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._take()).get("id") != self._number:
            pass
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _take(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._answers], [], [], TIMEOUT)[0], "the browser does not answer"
            received = os.read(self._answers, 1 << 20)
            assert received, "the browser went away"
            self._buffer += received
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message


@contextlib.contextmanager
def running(found: str, folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in ``folder``."""
    arguments = [
        *("--headless", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"),
        *("--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"),
        "--no-sandbox",  # containers lack what it needs; the pages are ours
    ]
    reads, commands = _pipe()
    answers, writes = _pipe()
    quiet = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, reads, _READS), (os.POSIX_SPAWN_DUP2, writes, _WRITES)]
    environment = os.environ | {"HOME": str(folder)}
    process = os.posix_spawn(found, [found, *arguments], environment, file_actions=actions, setpgroup=0)
    for descriptor in (reads, writes, quiet):
        os.close(descriptor)
    try:
        browser = Browser(commands, answers)
        browser.open()
        yield browser
    finally:
        os.close(commands)
        os.close(answers)
        _end(process)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are none of the descriptors that the browser is given."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _end(process: int) -> None:
    """Wait for it to leave, as it does when its pipes are closed; kill what stays."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if os.waitpid(process, os.WNOHANG)[0]:
            return
        time.sleep(0.02)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
