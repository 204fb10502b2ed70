"""A version of a checkpoint: a mapping of its parameters' names to parameters that wait to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from git_theta.api.arrays_of_bytes import array_of, tensor_of
from git_theta.api.naming import (
    enter_repository,
    list_words,
    resolve_path,
    resolve_revision,
    spell_revision,
    warn_caller,
)
from git_theta.api.parameter import Parameter
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.operations.workers import WHOLE_LIMIT, Workers
from git_theta.repository.history.checkpoint_files import VersionFiles
from git_theta.repository.history.checkpoint_parts import PartReader

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike

    Framework = Literal["numpy", "torch"]
    Globs = str | Sequence[str]


class Checkpoint(Mapping[str, Parameter]):
    """The parameters of one version of a checkpoint by their names, in file order; those of all its shards.

    Names that are tied (two names of one tensor) are each there. Nothing but names, dtypes and shapes has been read.

    Attributes:
        path: what it is called: its file, or the index of its shards, from the top of the repository.
        revision: the revision that was asked for; "" for the worktree and the index.
        commit: the id of its commit; "" for the worktree and the index.

    Example:
        >>> ck = git_theta.open("model.safetensors", rev="main")
        >>> list(ck.select("classifier.*"))
        ['classifier.weight', 'classifier.bias']
        >>> ck["classifier.bias"].numpy()
        array([...], dtype=float32)
    """

    def __init__(
        self, path: str, revision: str, commit: str, parameters: Mapping[str, Parameter], reader: PartReader
    ) -> None:
        self.path = path
        self.revision = revision
        self.commit = commit
        self._parameters = parameters
        self._reader = reader

    def __getitem__(self, name: str) -> Parameter:
        """The parameter of that name. Raises KeyError."""
        try:
            return self._parameters[name]
        except KeyError:
            raise KeyError(f"{name!r} is no parameter of {self.path}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __repr__(self) -> str:
        where = f" at {self.revision}" if self.revision else ""
        return f"<Checkpoint {self.path!r}{where}, {len(self):,} parameters>"

    def select(self, include: Globs = (), exclude: Globs = ()) -> Checkpoint:
        """The parameters whose names match, as a checkpoint of its own; nothing is read.

        Args:
            include: globs, of which a name has to match one: ``"encoder.*"``, where ``*`` stands for any characters,
                dots too. None for all.
            exclude: globs of which it must match none.

        Raises UsageError for what is no glob.
        """
        names = _filter_names(self._parameters, include, exclude)
        return Checkpoint(
            self.path, self.revision, self.commit, {name: self._parameters[name] for name in names}, self._reader
        )

    def fetch(self) -> int:
        """Have the objects of these parameters here, asking the remotes once for all; returns how many were fetched.

        Parameters fetch what they need by themselves: this is for many at a time.

        Raises MissingObject where one is nowhere to be had.
        """
        return self._reader.bring_objects(
            {oid: size for one in self._parameters.values() for oid, size in one.needed_objects.items()}
        )

    @overload
    def load(self, framework: Literal["numpy"] = ..., device: torch.device | str = ...) -> dict[str, NDArray[Any]]: ...
    @overload
    def load(self, framework: Literal["torch"], device: torch.device | str = ...) -> dict[str, torch.Tensor]: ...
    def load(self, framework: Framework = "numpy", device: torch.device | str = "cpu") -> dict[str, Any]:
        """The values of these parameters by name, as ``Parameter.numpy`` and ``Parameter.torch`` give them.

        What is missing is fetched before anything is read. Names that share their bytes in the file may share their
        memory, as tied weights do in a model. Nothing is returned unless all of it was verified.

        Args:
            framework: ``"numpy"`` or ``"torch"``.
            device: as torch spells it; for torch alone.

        Raises:
            UsageError: another framework, a device for numpy, or a dtype that it has not.
            MissingObject, CorruptObject: as ``Parameter.numpy``.
        """
        if framework not in ("numpy", "torch") or (framework == "numpy" and str(device) != "cpu"):
            raise UsageError(
                f"{framework!r} has no tensors on {str(device)!r}",
                hint="framework is 'numpy', or 'torch' with a device.",
            )
        self.fetch()
        found: dict[str, Any] = {}
        for names, data in self._read_parts():
            for name in names:
                window = self._parameters[name].window
                found[name] = tensor_of(data, window, device) if framework == "torch" else array_of(data, window)
        return {name: found[name] for name in self}

    def _read_parts(self) -> Iterator[tuple[list[str], bytearray]]:
        """The bytes of each part once, with its names: small ones side by side, large ones over all cores."""
        shared: dict[int, list[str]] = {}
        for name, one in self._parameters.items():
            shared.setdefault(one.part_key, []).append(name)
        firsts = {names[0]: names for names in shared.values()}
        small = [name for name in firsts if self._parameters[name].part_size <= WHOLE_LIMIT]
        workers = Workers()
        try:
            read = workers.map(lambda name: self._parameters[name].read_with(map), small)
            yield from zip((firsts[name] for name in small), read, strict=True)
            for name in [name for name in firsts if self._parameters[name].part_size > WHOLE_LIMIT]:
                yield firsts[name], self._parameters[name].read_with(workers.map)
        finally:
            workers.close()


def open_checkpoint(path: PathLike, rev: RevisionLike | None = None, repo: RepositoryLike = ".") -> Checkpoint:
    """Open one version of a checkpoint; exported as ``git_theta.open``.

    Args:
        path: the file, relative to ``repo``; of a sharded checkpoint the index or any shard, which stand for all of it.
            A file that was committed before it was tracked is read as well, as long as some format reads it.
        rev: what Git takes for a commit, or a ``git.Commit``: any version in history, a bare repository's too. None for
            what stands in the worktree, if that is a real file, else what the index holds.
        repo: a folder of the repository, as ``git -C`` takes one, or a ``git.Repo``.

    Returns:
        The parameters by name. Later commits do not change what it gives.

    Raises:
        UsageError: no such revision or file; or the file is kept whole, and has no parameters.
        GitError: ``repo`` is in no repository.
        ManifestError, FormatError: the file, as it is committed, cannot be read.

    Example:
        >>> ck = git_theta.open("model.safetensors", rev="v1.0", repo="/srv/models.git")
        >>> ck["encoder.0.weight"][10:20].mean()
    """
    with enter_repository(repo) as entered:
        commit = "" if rev is None else resolve_revision(rev)
        with VersionFiles(commit, entered.top) as version:
            found = version.find_checkpoint(resolve_path(path))
        reader = PartReader(entered.repository, entered.folder, warn_caller)
        parts = reader.read_parts(found)
    parameters = {name: Parameter(part, reader.bring_objects) for name, part in parts.items()}
    return Checkpoint(found.path, "" if rev is None else spell_revision(rev), commit, parameters, reader)


@overload
def load_tensors(
    path: PathLike,
    rev: RevisionLike | None = ...,
    repo: RepositoryLike = ...,
    *,
    include: Globs = ...,
    exclude: Globs = ...,
    framework: Literal["numpy"] = ...,
    device: torch.device | str = ...,
) -> dict[str, NDArray[Any]]: ...
@overload
def load_tensors(
    path: PathLike,
    rev: RevisionLike | None = ...,
    repo: RepositoryLike = ...,
    *,
    include: Globs = ...,
    exclude: Globs = ...,
    framework: Literal["torch"],
    device: torch.device | str = ...,
) -> dict[str, torch.Tensor]: ...
def load_tensors(
    path: PathLike,
    rev: RevisionLike | None = None,
    repo: RepositoryLike = ".",
    *,
    include: Globs = (),
    exclude: Globs = (),
    framework: Framework = "numpy",
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """The tensors of one version of a checkpoint by name, tied names too; exported as ``git_theta.load``.

    Args:
        path: as ``git_theta.open``.
        rev: the same.
        repo: the same.
        include: globs for names, as ``Checkpoint.select``; what they leave out is not fetched.
        exclude: the same.
        framework: as ``Checkpoint.load``.
        device: the same.

    Returns:
        Arrays or tensors of the stored dtypes and shapes, in file order.

    Raises what ``git_theta.open`` and ``Checkpoint.load`` raise; UsageError where no name matches.

    Example:
        >>> model.load_state_dict(git_theta.load("model.safetensors", rev="main~2", framework="torch"))
    """
    opened = open_checkpoint(path, rev, repo)
    chosen = opened.select(include, exclude)
    if not chosen and len(opened):
        raise UsageError(f"no parameter of {opened.path} matches", hint="Its names: list(git_theta.open(...))")
    return chosen.load(framework, device)


def _filter_names(names: Mapping[str, object], include: Globs, exclude: Globs) -> list[str]:
    wanted, unwanted = name_matcher(list_words(include)), list_words(exclude)
    refused = name_matcher(unwanted) if unwanted else lambda _: False
    return [name for name in names if wanted(name) and not refused(name)]
