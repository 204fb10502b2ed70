"""The one place where an exception becomes words on stderr and an exit code.

Every entry point runs inside :func:`run`: the command line, the filter process and the one-shot filters. Of ours it
needs no more than each of them does, since the filter must start quickly.
"""

from __future__ import annotations

import atexit
import codecs
import contextlib
import gc
import io
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import NoReturn

from git_theta import registered_names
from git_theta.errors import GitError, PluginError, ThetaError, suggest_remedy
from git_theta.vcs.pathspecs import take_pathspec_variables
from git_theta.vcs.remembered_settings import remembering_settings
from git_theta.words import escape_unprintable, redact_logins

INTERRUPTED = 128 + 2  # what a shell reports for a program that SIGINT ended
BROKEN_PIPE = 128 + 13  # and SIGPIPE
DEFECT = 70  # EX_SOFTWARE of sysexits.h

# An environment variable, not an argument: it also reaches the filters and hooks that Git starts for a command.
DEBUG = "GIT_THETA_DEBUG"
_EXTRAS = ("matplotlib", "torch")
"""What only some commands need, and a lean installation leaves out."""
_TRACEBACK = f"`git theta --debug ...`, or {DEBUG}=1 before another git command, shows where it arose"


_COLLECT_EVERY = 100_000
"""Objects more than before at which Python looks for cycles. Manifests of 100,000 entries have none, and its default of
700 has it look through all of them again and again: a third of the time of a merge."""


_PRINT_BYTES = "git_theta.print_bytes"
"""How stdout encodes what its encoding has no letter for."""
_SAME_SIGNAL = 0.5
"""Seconds within which two signals are one."""
_INTERRUPTED_AT = [-_SAME_SIGNAL]
"""When the last one came, by the monotonic clock."""
_OUTPUTS = [1, 2]
"""Descriptors that others read. Where one of them has left, nobody is there to be told of it."""
_HELD: list[list[str]] = []
"""What is kept of what is said, by the innermost block that keeps it."""


def add_output(descriptor: int) -> None:
    """Count a descriptor among those that others read."""
    _OUTPUTS.append(descriptor)


def run(action: Callable[[], int]) -> int:
    """The exit code of ``action()``, or that of the error it raised, after saying on stderr what happened."""
    _open_standard_streams()
    gc.set_threshold(_COLLECT_EVERY)
    registered_names.use_disabled(_read_disabled)
    take_pathspec_variables()
    try:
        _unwind_on_signals()
        with remembering_settings():
            code = action()
        # Here and not at interpreter shutdown, where a reader that went away would be reported as a traceback.
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError as error:
        if not _has_lost_its_reader():  # a program that we started, and wrote to, has ended
            return report_error(error)
        _silence_stdout()
        return BROKEN_PIPE
    except Exception as error:
        return report_error(error)
    return code


def run_process(action: Callable[[], int]) -> NoReturn:
    """Be the process that does ``action()``, and end with the exit code that it gives.

    Where all went well Python is not left to take apart what was imported: 5 ms, with numpy 30.
    """
    code = action()
    if code == 0:  # else somebody may hold what would be tidied up
        with contextlib.suppress(OSError):  # of a reader that has gone Python tells in its own words
            leave(code)
    sys.exit(code)


def leave(code: int) -> NoReturn:
    """End as Python ends, but for taking apart what was imported.

    Threads are waited for, what was registered (``atexit``) is called, and what was printed is written. Raises OSError
    where that cannot be written.
    """
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _read_disabled() -> Iterable[str]:
    from git_theta.vcs.config import disabled_plugins  # for whoever looks for another package's plug-in

    return disabled_plugins()


def _unwind_on_signals() -> None:
    """Have kill and a closed terminal end us as Ctrl-C does: temporary files as large as checkpoints go.

    What somebody has us ignore (nohup), or has a use for, stays as it is.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            with contextlib.suppress(ValueError):  # not in the main thread, where signals are none of our business
                signal.signal(number, _interrupt_once)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not for the same signal again: Git hands its own on to what it runs.

    The second one would cut short how the first is tidied up after. A person who insists is heard.
    """
    if time.monotonic() - _INTERRUPTED_AT[0] > _SAME_SIGNAL:
        _INTERRUPTED_AT[0] = time.monotonic()
        signal.default_int_handler(number, frame)


def is_debugging() -> bool:
    """Whether ``--debug`` was given, here or to the git-theta command above us."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def say(*lines: str, prefix: str = "theta: ") -> None:
    """Print lines for the person on stderr, each behind ``prefix``.

    Names in them can neither break them nor steer a terminal (L10); no password of a URL is in them.
    """
    for line in lines:
        said = f"{prefix}{escape_unprintable(redact_logins(line))}"
        if _HELD:
            _HELD[-1].append(said)
        else:
            print(said, file=sys.stderr)  # noqa: T201


@contextlib.contextmanager
def hold_words() -> Iterator[list[str]]:
    """Keep what is said in this block: its lines, in place of printing them. An error is said after it."""
    _HELD.append([])
    try:
        yield _HELD[-1]
    finally:
        _HELD.pop()


def say_hint(text: str) -> None:
    """Say what can be done, in one line or several; nothing for no text."""
    say(*filter(None, text.split("\n")), prefix="hint: ")


def warn(text: str, *, hint: str = "") -> None:
    """Say what is wrong but stops nothing, in one line, and what can be done about it."""
    say(text, prefix="theta: warning: ")
    say_hint(hint)


def warn_of(error: ThetaError) -> None:
    """Say what went wrong where the rest goes on."""
    warn(str(error), hint=error.hint)


def report_error(error: Exception) -> int:
    """Say on stderr what went wrong and what to do; the exit code for it."""
    if is_debugging():
        import traceback

        sys.stderr.write(redact_logins("".join(traceback.format_exception(error))))
    if isinstance(error, ThetaError):
        code, message, hint = error.exit_code, str(error), error.hint
    elif isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        code, message = PluginError.exit_code, f"this needs {error.name}, which git-theta's environment has not got"
        hint = f"Install it there: {sys.executable} -m pip install {error.name}"
    elif isinstance(error, BrokenPipeError):
        code, message = ThetaError.exit_code, "a program that this needs ended before it took all that it was given"
        hint = f"What it said stands above, if it said anything; try again.\n{_TRACEBACK}"
    elif isinstance(error, OSError) and error.strerror:
        # A full disk or a missing permission is no defect of ours, wherever it strikes.
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        code, message, hint = ThetaError.exit_code, f"{where}{error.strerror}", suggest_remedy(error)
    else:
        code, message = DEFECT, f"unexpected {type(error).__name__}: {error}"
        hint = f"this is a defect of git-theta: please report it, with what `git theta env` says\n{_TRACEBACK}"
    say(*_split_message(error, message), prefix="theta: error: ")
    say_hint(hint)
    return code


def _split_message(error: Exception, message: str) -> list[str]:
    """The lines of a message: Git's words, and Python's, may have several; in ours a line's end is part of a name."""
    if not isinstance(error, ThetaError):
        return message.rstrip("\n").split("\n")
    if not isinstance(error, GitError):
        return [message]
    where = message.removesuffix(error.message)
    first, *rest = error.message.rstrip("\n").split("\n")
    return [where + first, *rest]


def _open_standard_streams() -> None:
    """Have what is closed of the three lead nowhere, as Git has it: else the next files that are opened get its number.

    What Git, or we, then say on it would stand in an object.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        os.set_inheritable(descriptor, True)
        descriptor = os.dup(descriptor)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error(_PRINT_BYTES, _print_bytes)
        sys.stdout.reconfigure(errors=_PRINT_BYTES)


def _print_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """What stands for letters that the locale lacks: UTF-8, as Git prints; for bytes of a path that are none, these."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end].encode("utf-8", "surrogateescape"), error.end


def _has_lost_its_reader() -> bool:
    """Whether who read our output, or our messages, has left: a pager, ``head``, a Git that died."""
    watch = select.poll()
    for descriptor in _OUTPUTS:
        watch.register(descriptor, 0)
    # A stream that is closed (POLLNVAL) has nobody to leave.
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


def _silence_stdout() -> None:
    # Python flushes stdout once more as it exits; what is still buffered must have somewhere to go.
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
