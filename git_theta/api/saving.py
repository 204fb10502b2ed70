"""Tensors in, a commit out: saved on a branch behind everybody's back, and never over anybody's commit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from git_theta.api.naming import (
    enter_repository,
    list_revisions,
    resolve_path,
    resolve_revision,
    spell_revision,
    warn_caller,
)
from git_theta.api.parameter import Parameter
from git_theta.errors import UsageError
from git_theta.repository.adding.branch_save import SaveRequest, save_checkpoint
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.dtypes import BY_NAME, BY_TORCH
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    import git

    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike

_TENSOR_HINT = "Save dense torch tensors, numpy arrays of numbers, or parameters of another checkpoint."


def save_tensors(
    tensors: Mapping[str, Any],
    path: PathLike,
    *,
    message: str,
    branch: str,
    repo: RepositoryLike = ".",
    like: RevisionLike | None = None,
    expect: RevisionLike | None = None,
    parents: RevisionLike | Sequence[RevisionLike] | None = None,
) -> git.Commit:
    """Commit tensors as a checkpoint on a branch; exported as ``git_theta.save``.

    Neither the index nor any worktree is touched, and no file is written: tensors are stored as ``git add`` would store
    them, those that are stored already are not stored again, and the branch moves only from where it was when this
    began. Everything else in the commit is as in its first parent. `git push` takes the objects along.

    Args:
        tensors: name to a dense torch tensor (on any device), an array of numpy (bf16 and fp8 as ``ml_dtypes`` has
            them), or a ``Parameter``. They must not change while this runs.
        path: the file, relative to ``repo``; a pattern of the first parent's ``.gitattributes`` has to track it.
        message: the commit's.
        branch: its name; it is made where it does not exist. One that is checked out somewhere is refused, as
            ``git fetch`` refuses it.
        repo: as ``git_theta.open``.
        like: the version whose file this one is built like (its format, its metadata, the order of what both have): a
            revision, or ``"REV:PATH"``, with the path from the top. By default the first parent's file of that path;
            where it has none, a new safetensors file is made.
        expect: the commit that the branch has to be at. None for wherever it is.
        parents: the commit's parents, one or a list; None for the branch's tip, or HEAD where the branch is new.

    Returns:
        The commit, as GitPython has it.

    Raises:
        BranchMoved: the branch is not at ``expect``, or somebody committed to it meanwhile. Nothing is lost: what was
            stored is found again by the next save.
        UsageError: the branch is checked out; the path is not tracked; a value is no dense tensor; no file of that
            format can hold these tensors; nothing is committed yet.
        ModuleNotFoundError: GitPython is not installed.

    Example:
        >>> git_theta.save(model.state_dict(), "model.safetensors", message="step 700", branch="runs/7")
        <git.Commit "8e618166cdc3...">
    """
    import git

    with enter_repository(repo) as entered:
        whole = resolve_path(path)
        request = SaveRequest(
            {name: read_given_values(name, value) for name, value in tensors.items()},
            whole,
            message,
            branch,
            None if like is None else find_version_like(like, whole),
            None if expect is None else resolve_revision(expect),
            None if parents is None else [resolve_revision(parent) for parent in list_revisions(parents)],
        )
        with open_context(entered.repository, warn_caller) as context:
            commit = save_checkpoint(request, entered.repository, context)
        return git.Repo(entered.repository.home).commit(commit)


def find_version_like(like: RevisionLike, path: str) -> tuple[str, str]:
    """The commit and the path of the version to build like. Raises UsageError for what is no revision."""
    revision, _, named = spell_revision(like).partition(":")
    return resolve_revision(revision), named or path


def read_given_values(name: str, value: object) -> MemoryValues:
    """A tensor's bytes, without a copy where they lie row-major, little-endian and on a CPU. Raises UsageError."""
    if isinstance(value, Parameter):
        if value.window.stride is None and value.nbytes == value.part_size and value.dtype in BY_NAME:
            return MemoryValues(Spec(BY_NAME[value.dtype], value.shape), value.tobytes())
        return read_given_values(name, value.numpy())
    torch = sys.modules.get("torch")  # whoever has one of its tensors has imported it
    if torch and isinstance(value, torch.Tensor):
        return _tensor_values(name, value)
    import numpy as np

    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        dtype = BY_TORCH.get(value.dtype.name)
        if dtype and dtype.bits == 8 * value.dtype.itemsize:
            little = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
            return MemoryValues(Spec(dtype, value.shape), little.reshape(-1).view(np.uint8).data)
    raise _no_tensor(name, value)


def _tensor_values(name: str, tensor: Any) -> MemoryValues:
    from git_theta.tensors.torch_values import spec_of, to_bytes

    dtype = BY_TORCH.get(str(tensor.dtype).removeprefix("torch."))
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized or tensor.is_meta or dtype is None:
        raise _no_tensor(name, tensor)
    return MemoryValues(spec_of(tensor), to_bytes(tensor))


def _no_tensor(name: str, value: object) -> UsageError:
    dtype = f" of {getattr(value, 'dtype', '')}" if hasattr(value, "dtype") else ""
    return UsageError(f"it is no dense tensor but {type(value).__name__}{dtype}", hint=_TENSOR_HINT, parameter=name)
