"""Packages that an extra of ours brings, for what not everybody needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load_extra(module: str, extra: str) -> Any:
    """A module of such a package. Raises ModuleNotFoundError, which says what to install, where it is not here."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # it is here, and lacks something itself
            raise
        message = f"this takes {module}, which is not installed: pip install 'git-theta[{extra}]'"
        raise ModuleNotFoundError(message, name=module) from None
