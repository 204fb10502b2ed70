"""Checkpoints of a training loop: copied while it waits, stored and committed while it goes on."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from threading import Semaphore
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from git_theta.api.naming import enter_repository, resolve_path, resolve_revision, warn_caller
from git_theta.api.saving import find_version_like
from git_theta.api.snapshots import Snapshot
from git_theta.errors import UsageError
from git_theta.repository.adding.branch_save import SaveRequest, save_checkpoint
from git_theta.repository.adding.branch_thinning import mark_message, thin_branch
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.values import MemoryValues
from git_theta.vcs import branches

if TYPE_CHECKING:
    import git

    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike

_MOST_UNFINISHED = 2
"""Saves at once, one of them stored and one waiting: each holds a copy of the model."""


class Checkpointer:
    """Saves the checkpoints of a training loop as commits on a branch, in the background; ``git_theta.Checkpointer``.

    ``save`` copies the tensors and returns; a thread stores and commits them as ``git_theta.save`` does: neither the
    index nor any worktree is touched, and the branch moves from one whole commit to the next, so that a process that
    is killed leaves the last one. At most two saves are unfinished at once, each of which holds a copy of the model.

    What went wrong in the background is raised by the next call of ``save`` or ``wait``, and by ``close``; the loop's
    own errors stay what they are, with a note. A ``with`` block closes at its end. Of one that nobody closes, what
    failed is warned of.

    Args:
        path: the file, relative to ``repo``; a pattern of ``.gitattributes`` has to track it.
        branch: the branch, which is made with the first save where it does not exist. It must not be checked out, and
            nobody else may commit to it meanwhile: ``BranchMoved`` then, and nothing of theirs is lost.
        repo: as ``git_theta.open``.
        keep: how many of the commits made so stay on the branch; None for all. The branch is rewritten then: older
            ones are dropped from it (tag what is to stay), and a push of it needs ``--force``.
        like: as ``git_theta.save``.
        expect: the commit that the branch has to be at; None for wherever it is now.

    Raises:
        UsageError: the branch is checked out; no such revision; ``keep`` is no positive number.
        BranchMoved: the branch is not at ``expect``.

    Example:
        >>> with git_theta.Checkpointer("model.safetensors", branch="runs/7", keep=5) as checkpointer:
        ...     for step, batch in enumerate(loader):
        ...         train(model, batch)
        ...         if step % 100 == 0:
        ...             checkpointer.save(model.state_dict(), message=f"step {step}")
    """

    def __init__(
        self,
        path: PathLike,
        *,
        branch: str,
        repo: RepositoryLike = ".",
        keep: int | None = None,
        like: RevisionLike | None = None,
        expect: RevisionLike | None = None,
    ) -> None:
        if keep is not None and keep < 1:
            raise UsageError(f"keep is {keep}: at least one checkpoint stays", hint="keep=None keeps all of them.")
        with enter_repository(repo) as entered:
            self._folder = entered.folder
            self._path = resolve_path(path)
            self._ref = branches.resolve_branch(branch, entered.repository.home)
            branches.require_unused(self._ref, entered.repository)
            self._tip = branches.find_tip(self._ref, entered.repository.home)
            if expect is not None:
                branches.require_tip(self._ref, self._tip, resolve_revision(expect))
            self._like = None if like is None else find_version_like(like, self._path)
        self._keep = keep
        self._room = Semaphore(_MOST_UNFINISHED)
        self._snapshots = [Snapshot() for _ in range(_MOST_UNFINISHED)]
        self._saved = ""
        self._unfinished: set[Future[None]] = set()
        self._failures: list[Exception] = []
        self._thread = ThreadPoolExecutor(1, "git-theta-checkpointer")
        self._finish = weakref.finalize(self, _finish_forgotten, self._thread, self._failures)

    def save(self, tensors: Mapping[str, Any], message: str, *, wait: bool = True) -> bool:
        """Copy the tensors, and have them committed; they may change as soon as this returns.

        Args:
            tensors: as ``git_theta.save`` takes them.
            message: the commit's.
            wait: whether to wait where two saves are unfinished; without it, nothing is saved then.

        Returns:
            Whether they will be saved: False only where it would have had to wait.

        Raises what an earlier save failed with: this one has not begun then. UsageError for values that are no tensors,
        an empty message, and once this is closed.
        """
        if not self._finish.alive:
            raise UsageError("the checkpointer is closed", hint="Make another one for the branch.")
        if not message.strip():
            raise UsageError("a commit needs a message", hint="message='step 700'")
        self._raise_failures()
        if not self._room.acquire(blocking=wait):
            return False
        snapshot = self._snapshots.pop()
        try:
            self._raise_failures()  # of the save that was waited for
            values = snapshot.copy(tensors)
        except BaseException:
            self._give_back(snapshot)
            raise
        future = self._thread.submit(self._store, values, message, snapshot)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return True

    def wait(self) -> git.Commit | None:
        """Wait for every save so far; the last commit, as GitPython has it, or None. Raises what one failed with."""
        wait_for(list(self._unfinished))
        self._raise_failures()
        return self.last_commit

    @property
    def last_commit(self) -> git.Commit | None:
        """The last commit that was made, as GitPython has it; None before the first."""
        if not self._saved:
            return None
        import git

        return git.Repo(self._folder, search_parent_directories=True).commit(self._saved)

    def close(self) -> None:
        """Finish every save. Raises what one failed with."""
        self._thread.shutdown()
        self._finish.detach()
        self._raise_failures()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"And a checkpoint of it was not saved: {failure}")

    def _store(self, values: Mapping[str, MemoryValues], message: str, snapshot: Snapshot) -> None:
        """On the thread: commit what was copied, and drop what is old."""
        try:
            self._commit_values(values, message)
        except Exception as error:
            error.add_note(f"This was the save {message!r} on {self._ref}.")
            self._failures.append(error)
        finally:
            self._give_back(snapshot)

    def _commit_values(self, values: Mapping[str, MemoryValues], message: str) -> None:
        text = message if self._keep is None else mark_message(message, self._path)
        request = SaveRequest(values, self._path, text, self._ref, self._like, self._tip)
        with enter_repository(self._folder) as entered:
            with open_context(entered.repository, warn_caller) as context:
                self._tip = self._saved = save_checkpoint(request, entered.repository, context)
            if self._keep is not None:
                home = entered.repository.home
                self._tip = self._saved = thin_branch(self._ref, self._tip, self._path, self._keep, home)

    def _give_back(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)
        self._room.release()

    def _raise_failures(self) -> None:
        """Raise the first failure that nobody has heard of, once; others go along as notes."""
        if not self._failures:
            return
        first, *others = self._failures
        del self._failures[: 1 + len(others)]  # and none that came just now, on the thread
        for other in others:
            first.add_note(f"And then: {other}")
        raise first


def _finish_forgotten(thread: ThreadPoolExecutor, failures: list[Exception]) -> None:
    """What becomes of a checkpointer that nobody closed: by now its saves have ended, one way or the other."""
    thread.shutdown(wait=False)  # this may be the thread itself
    for error in failures:
        notes = " ".join(error.__notes__)
        warn_caller(f"a checkpoint was not saved: {error}. {notes} Close the checkpointer to hear of it.")
