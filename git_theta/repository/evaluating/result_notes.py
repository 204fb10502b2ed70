"""Where results are kept: in Git's notes, for the identity of the checkpoint, so that they go where Git goes.

A result belongs to contents: it survives amend, rebase, squash, rename and repack. Two clones' results unite line by
line. Scores that are too long for a line are a note for their own blob: they travel with the same ref, and no two of
them can differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache, cached_property

from git_theta.errors import EvaluationError
from git_theta.evaluation.result_lines import (
    LARGEST_SCORES,
    EvaluationResult,
    encode_line,
    parse_line,
    read_scores,
    summarize_scores,
)
from git_theta.evaluation.running import CheckpointScores
from git_theta.store.files import make_folder
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.discovery import Repository
from git_theta.vcs.notes import list_notes, lock_notes, remove_notes, sync_notes, write_note
from git_theta.vcs.trees import write_blob

NOTES_REF = "refs/notes/theta/eval"


class ResultNotes(AbstractContextManager["ResultNotes"]):
    """The results of a repository.

    Args:
        repository: the one to work in.
        warn: told of lines that cannot be read; they stay where they are.
    """

    def __init__(self, repository: Repository, warn: Callable[[str], object]) -> None:
        self._repository = repository
        self._warn_once = cache(warn)  # the same lines are read again and again
        self._blobs = BlobReader(LARGEST_SCORES)

    def __exit__(self, *_: object) -> None:
        self._blobs.__exit__()

    @cached_property
    def _notes(self) -> dict[str, str]:
        return list_notes(NOTES_REF)

    def find_result(self, identity: str, evaluation: str, digest: str) -> EvaluationResult | None:
        """The newest result of an evaluation, as it is defined now, for an identity; or None."""
        found = [one for one in self.list_results(identity) if (one.evaluation, one.digest) == (evaluation, digest)]
        return max(found, key=lambda one: one.when, default=None)

    def list_results(self, identity: str) -> list[EvaluationResult]:
        """What can be read of an identity's results."""
        return [result for _, result in self._read_lines(identity) if result]

    def read_scores(self, result: EvaluationResult) -> CheckpointScores:
        """The scores of a result. Raises EvaluationError where they are not here, or damaged."""
        return read_scores(result, lambda blob: self._blobs.read(blob) if blob in self._notes else None)

    def keep_result(
        self, identity_text: bytes, scores: CheckpointScores, *, evaluation: str, digest: str, machine: str, when: int
    ) -> EvaluationResult:
        """Keep a run, in place of a former one of the same evaluation and digest."""
        identity = write_blob(identity_text, self._repository.home)
        result, text = summarize_scores(
            scores, identity=identity, evaluation=evaluation, digest=digest, machine=machine, when=when
        )
        with self._lock():
            self._forget_listing()
            if not result.inline:
                result = result._replace(blob=write_blob(text, self._repository.home))
                write_note(NOTES_REF, result.blob, result.blob)
            others = [
                line
                for line, one in self._read_lines(identity)
                if one is None or (one.evaluation, one.digest) != (evaluation, digest)
            ]
            self._write_lines(identity, [*others, encode_line(result)])
        return result

    def forget_results(self, evaluation: str) -> int:
        """Take away every result of an evaluation, and scores that no other one names; how many results there were."""
        with self._lock():
            self._forget_listing()
            lines = {target: list(self._read_lines(target)) for target, blob in self._notes.items() if target != blob}
            count = 0
            for target, found in lines.items():
                kept = [line for line, one in found if one is None or one.evaluation != evaluation]
                if len(kept) < len(found):
                    count += len(found) - len(kept)
                    self._write_lines(target, kept)
            named = {one.blob for found in lines.values() for _, one in found if one and one.evaluation != evaluation}
            dropped = {one.blob for found in lines.values() for _, one in found if one and one.evaluation == evaluation}
            remove_notes(NOTES_REF, dict.fromkeys(sorted(dropped - named - {""})))
            self._forget_listing()
        return count

    def sync(self, remote: str) -> bool:
        """Unite the results here with a remote's, on both sides; whether there are any. Raises TransportError."""
        try:
            return sync_notes(NOTES_REF, remote, self._lock)
        finally:
            self._forget_listing()

    def count_results(self) -> int:
        """How many results there are."""
        return sum(len(list(self._read_lines(target))) for target, blob in self._notes.items() if target != blob)

    def _read_lines(self, target: str) -> Iterator[tuple[bytes, EvaluationResult | None]]:
        """The lines of a note, and their results; None for one that cannot be read, or is of another checkpoint."""
        blob = self._notes.get(target)
        text = self._blobs.read(blob) if blob else b""
        if text is None:  # what is kept next would stand in its place
            raise EvaluationError(
                f"the results of {target[:12]} cannot be read: {blob}", hint=f"Bring them here: git cat-file -p {blob}"
            )
        for line in filter(None, text.splitlines()):
            try:
                result = parse_line(line)
                if result.identity != target:
                    raise EvaluationError(f"is of another checkpoint ({result.identity[:12]})")
                yield line, result
            except EvaluationError as error:
                self._warn_once(f"a line of the results of {target[:12]} {error.message}: it is passed over, and kept")
                yield line, None

    def _write_lines(self, target: str, lines: list[bytes]) -> None:
        if lines:
            text = b"".join(line + b"\n" for line in sorted(set(lines)))
            write_note(NOTES_REF, target, write_blob(text, self._repository.home))
        else:
            remove_notes(NOTES_REF, {target: None})
        self._forget_listing()

    def _forget_listing(self) -> None:
        self.__dict__.pop("_notes", None)

    def _lock(self) -> AbstractContextManager[None]:
        make_folder(self._repository.theta_dir, self._repository.theta_dir)
        return lock_notes(self._repository.theta_dir / "eval.lock")
