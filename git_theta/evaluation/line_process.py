"""A program of the person's that prints lines, with an end to waiting: for one line, and for the whole of it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import EvaluatorSetup
from git_theta.evaluation.score_lines import LONGEST_LINE
from git_theta.interrupts import defer_interrupt
from git_theta.words import shorten_text

_READ_SIZE = 1 << 16
_GRACE = 5.0
"""Seconds that a program has to end by itself, once it is told to."""
_LONGEST_WAIT = 0.2
"""Seconds of waiting between two looks at the clock, and at whether anybody waits for it still."""
_CANNOT_RUN = (126, 127)
"""What a shell exits with that cannot run, or find, a command."""
_SIGNALLED = 128


class LineProcess:
    """The command of a setup, run by ``sh`` in a process group of its own, so that what it starts ends with it.

    Its standard error is ours. Raises EvaluationError, from every method, that says how it went wrong.

    Args:
        setup: what to run, and where.
        variables: what it finds in its environment beside that of the setup.
        answers: whether it is spoken to on its standard input.
    """

    def __init__(self, setup: EvaluatorSetup, variables: Mapping[str, str], *, answers: bool = False) -> None:
        self._setup = setup
        self._buffer = b""
        self._lines: list[bytes] = []
        self._deadline: float | None = None
        try:
            with defer_interrupt():  # else it would be started, and nobody know it
                self._process = subprocess.Popen(
                    ["sh", "-c", setup.command],
                    cwd=setup.folder,
                    env={**setup.environment, **variables},
                    stdin=subprocess.PIPE if answers else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
        except KeyboardInterrupt:
            self.stop()
            raise
        except OSError as error:  # a folder that is gone, or a command that is longer than the system takes
            hint = f"It would run, in {setup.folder}: {shorten_text(setup.command)}"
            raise self._explain(f"cannot be started: {error.strerror}", hint) from None

    def start_clock(self) -> None:
        """From now on the seconds of the setup count."""
        self._deadline = time.monotonic() + self._setup.timeout if self._setup.timeout else None

    def write_line(self, line: bytes) -> None:
        """Say one line to it."""
        assert self._process.stdin
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self.explain_early_end("before it was told the checkpoint") from None

    def read_line(self) -> bytes | None:
        """The next line, without its end; None where there is no more. Lines of nothing but space are passed over."""
        while True:
            while self._lines:
                line = self._lines.pop()
                if line.strip():
                    return line
            if not self._read_more():
                line, self._buffer = self._buffer, b""
                return line if line.strip() else None

    def finish(self) -> None:
        """Wait for it to end. Raises EvaluationError where it fails."""
        self._wait_for_end()
        if self._process.returncode:
            raise self._explain_end("")

    def explain_early_end(self, when: str) -> EvaluationError:
        """The error for a program whose output ended too early: when that was."""
        self._wait_for_end()
        return self._explain_end(when)

    def stop(self, *, gently: bool = False) -> None:
        """End it and whatever it has started; ``gently`` with some time to end by itself at the end of its input."""
        assert self._process.stdout
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        if gently:
            self._wait_briefly()
        self._signal_group(signal.SIGTERM)  # also what it has left behind, if it has ended itself
        self._wait_briefly()
        self._signal_group(signal.SIGKILL)
        self._process.stdout.close()
        self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of what has ended
            os.killpg(self._process.pid, number)

    def _wait_briefly(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)

    def _read_more(self) -> bool:
        """Wait for more output; whether there was any."""
        assert self._process.stdout
        descriptor = self._process.stdout.fileno()
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN | select.POLLHUP)
        while not waiting.poll(1000 * self._next_wait()):
            pass  # both are looked at again
        read = os.read(descriptor, _READ_SIZE)
        *whole, self._buffer = (self._buffer + read).split(b"\n")
        if max(map(len, (*whole, self._buffer)), default=0) > LONGEST_LINE:
            raise self._explain(f"printed a line of more than {LONGEST_LINE:,} bytes")
        self._lines = whole[::-1]
        return bool(read)

    def _next_wait(self) -> float:
        """Seconds until the next look. Raises EvaluationError where it took too long, or nobody waits for it."""
        if self._setup.halted.is_set():
            raise self._explain("was stopped")
        if self._deadline is None:
            return _LONGEST_WAIT
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._explain_timeout()
        return min(left, _LONGEST_WAIT)

    def _wait_for_end(self) -> None:
        while self._process.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._next_wait())

    def _explain_end(self, when: str) -> EvaluationError:
        code = self._process.wait()
        # A shell that did not make room for the command exits with 128 and the signal that ended it.
        number = -code if code < 0 else code - _SIGNALLED
        how = f"was ended by signal {number}" if 0 < number < signal.NSIG else f"exited {code}"
        said = "What it said stands above, if it said anything."
        hint = f"sh cannot run it: {self._setup.command}" if code in _CANNOT_RUN else said
        return self._explain(f"{how} {when}".rstrip(), hint)

    def _explain_timeout(self) -> EvaluationError:
        hint = f"Allow it more: git config theta.eval.{self._setup.label}.timeout SECONDS"
        return self._explain(f"took more than {self._setup.timeout:g} s", hint)

    def _explain(self, problem: str, hint: str = "") -> EvaluationError:
        return EvaluationError(f"the evaluator {self._setup.label} {problem}", hint=hint)
