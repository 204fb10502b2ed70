"""Git-Theta: version machine-learning checkpoints with Git, parameter by parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["__version__", "merge_state_dicts", "merge_tensors"]

__version__ = "1.0.0.dev0"

if TYPE_CHECKING:
    from git_theta.merging.state_dicts import merge_state_dicts, merge_tensors
else:

    def __getattr__(name: str) -> object:
        """What merges tensors, when first asked for: importing the package brings neither torch nor numpy (L12)."""
        if name in ("merge_state_dicts", "merge_tensors"):
            from git_theta.merging import state_dicts

            return getattr(state_dicts, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
