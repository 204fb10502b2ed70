"""A dask scheduler and its workers: real processes on the loopback interface, which share nothing but the disk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_SECONDS = 60


class DaskCluster:
    """A scheduler, and workers that can be started and killed; ``close`` ends them all.

    Attributes:
        address: of the scheduler.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: list[subprocess.Popen[bytes]] = []
        port = find_port()
        self.address = f"tcp://127.0.0.1:{port}"
        where = ("--host", "127.0.0.1", "--port", f"{port}")
        self._scheduler = self._start("dask_scheduler", *where, "--idle-timeout", "600")
        _await_port(port)

    def start_worker(self) -> None:
        """One more worker, with one thread."""
        alone = ("--nthreads", "1", "--no-nanny", "--death-timeout", "60")
        self._workers.append(self._start("dask_worker", self.address, *alone))

    @property
    def worker_ids(self) -> list[int]:
        """The processes of the workers."""
        return [worker.pid for worker in self._workers]

    def await_workers(self, count: int) -> None:
        """Return once so many workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=2 * _SECONDS)

    def count_sessions(self) -> int:
        """How many clients the scheduler has received: it writes each into its log."""
        return (self._folder / "dask_scheduler.log").read_text().count("Receive client connection")

    def kill_worker(self) -> None:
        """The oldest worker dies, and has no time to say so."""
        worker = self._workers.pop(0)
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def close(self) -> None:
        for process in (*self._workers, self._scheduler):
            process.kill()
            process.wait()

    def _start(self, program: str, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *args, "--no-dashboard"]
        with (self._folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ
            )


def find_port() -> int:
    """A port of the loopback interface at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _await_port(port: int) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < end, "the scheduler does not start"
            time.sleep(0.1)
        else:
            return
