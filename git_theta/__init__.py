"""Git-Theta: version machine-learning checkpoints with Git, parameter by parameter.

``import git_theta as gt`` gives the Python API, which docs/reference/python.md describes. Nothing of it is imported
before it is asked for, and neither numpy nor torch before a tensor is (L12).
"""

from __future__ import annotations

__version__ = "1.0.0.dev0"

__all__ = [
    "Checkpoint",
    "Checkpointer",
    "Parameter",
    "__version__",
    "blame",
    "checkout_dir",
    "diff",
    "errors",
    "lightning_callback",
    "load",
    "log",
    "map",
    "merge",
    "merge_state_dicts",
    "merge_tensors",
    "open",
    "plugins",
    "save",
    "strategies",
    "trainer_callback",
]

TYPE_CHECKING = False
"""As typing has it, whose import would take more than all of ours."""

if TYPE_CHECKING:
    from git_theta import errors
    from git_theta.api.branch_merge import plan_branch_merge as merge
    from git_theta.api.checkout_dir import check_out_folder as checkout_dir
    from git_theta.api.checkpoint import Checkpoint
    from git_theta.api.checkpoint import load_tensors as load
    from git_theta.api.checkpoint import open_checkpoint as open  # noqa: A004 (as gzip and safe_open have it)
    from git_theta.api.checkpointer import Checkpointer
    from git_theta.api.history_rows import read_blame as blame
    from git_theta.api.history_rows import read_log as log
    from git_theta.api.installed import list_plugins as plugins
    from git_theta.api.installed import list_strategies as strategies
    from git_theta.api.parameter import Parameter
    from git_theta.api.saving import save_tensors as save
    from git_theta.api.training_callbacks import make_lightning_callback as lightning_callback
    from git_theta.api.training_callbacks import make_trainer_callback as trainer_callback
    from git_theta.api.version_diff import diff_versions as diff
    from git_theta.api.weight_space import map_checkpoints as map  # noqa: A004 (as the command has it)
    from git_theta.merging.state_dicts import merge_state_dicts, merge_tensors
else:
    _PLACES = {
        "Checkpoint": "api.checkpoint:Checkpoint",
        "Checkpointer": "api.checkpointer:Checkpointer",
        "Parameter": "api.parameter:Parameter",
        "blame": "api.history_rows:read_blame",
        "checkout_dir": "api.checkout_dir:check_out_folder",
        "diff": "api.version_diff:diff_versions",
        "errors": "errors:",
        "lightning_callback": "api.training_callbacks:make_lightning_callback",
        "load": "api.checkpoint:load_tensors",
        "log": "api.history_rows:read_log",
        "map": "api.weight_space:map_checkpoints",
        "merge": "api.branch_merge:plan_branch_merge",
        "merge_state_dicts": "merging.state_dicts:merge_state_dicts",
        "merge_tensors": "merging.state_dicts:merge_tensors",
        "open": "api.checkpoint:open_checkpoint",
        "plugins": "api.installed:list_plugins",
        "save": "api.saving:save_tensors",
        "strategies": "api.installed:list_strategies",
        "trainer_callback": "api.training_callbacks:make_trainer_callback",
    }
    """Module and attribute of each name; a module itself has none."""

    def __getattr__(name: str) -> object:
        """What the API calls so, imported when it is first asked for."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module, _, attribute = _PLACES[name].partition(":")
        loaded = import_module(f"{__name__}.{module}")
        found = globals()[name] = getattr(loaded, attribute) if attribute else loaded
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
