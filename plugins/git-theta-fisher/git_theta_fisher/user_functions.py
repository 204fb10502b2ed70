"""Functions in files of a user's own: named on the command line by whoever runs it, never by a repository (L10)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from git_theta.errors import ThetaError, UsageError


def load_function(spelled: str, option: str, takes: str) -> Callable[..., Any]:
    """The function that FILE.py:NAME names. Raises UsageError where there is none.

    The file is executed, and finds what lies beside it, as ``python FILE.py`` has it; but behind all that is installed.

    Args:
        spelled: what was given.
        option: to which option.
        takes: a hint: what the function is given, and makes.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    example = f"As in: {option} train.py:{option.removeprefix('--')}"
    file, _, name = spelled.rpartition(":")
    if not file or not name:
        raise UsageError(f"{spelled!r} names no function of a file", hint=example)
    if not Path(file).is_file():
        raise UsageError(f"{file!r} is no file", hint=example)
    spec = spec_from_file_location(f"_user_file_{Path(file).stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file!r} is no Python file", hint=example)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    sys.path.append(str(Path(file).absolute().parent))
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"{file} has no function {name!r}", hint=takes)
    found: Callable[..., Any] = function
    return found


@contextmanager
def explain_failures(spelled: str, command: str) -> Iterator[None]:
    """Say of what goes wrong in a user's function that it is that. Raises UsageError."""
    try:
        yield
    except ThetaError:
        raise
    except Exception as error:
        message = f"{spelled} failed: {type(error).__name__}: {error}"
        raise UsageError(message, hint=f"git theta --debug {command} ... shows where.") from error
