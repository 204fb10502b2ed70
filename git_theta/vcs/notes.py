"""Git's notes on a ref of ours: a text for the id of an object, which need not be here.

Git's own commands write them, so that whatever copies or merges notes does so with ours. Two that write at once would
lose one of them: a lock of ours stands around reading and writing.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from git_theta.errors import GitError, TransportError
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.config import UNITE
from git_theta.vcs.git import ask_git, git, git_succeeds, split_nul
from git_theta.vcs.trees import write_blob

_ATTEMPTS = 8
_NO_REF = re.compile(r"couldn't find remote ref|no matching remote head", re.IGNORECASE)


def list_notes(ref: str) -> dict[str, str]:
    """Object to the id of its note's blob; nothing where the ref is not there."""
    lines = git("notes", f"--ref={ref}", "list").decode().splitlines()
    return {words[1]: words[0] for words in map(str.split, lines) if len(words) == 2}


def write_note(ref: str, target: str, blob: str) -> None:
    """Make a blob, as it is, the note of an object, in place of what that has. Raises GitError."""
    git("notes", f"--ref={ref}", "add", "-f", "-C", blob, target, env=_environment())


def remove_notes(ref: str, targets: Mapping[str, object]) -> None:
    """Take the notes of these objects away, where they have any."""
    if targets:
        names = "".join(f"{target}\n" for target in targets).encode()
        git("notes", f"--ref={ref}", "remove", "--ignore-missing", "--stdin", stdin=names, env=_environment())


@contextmanager
def lock_notes(file: Path) -> Iterator[None]:
    """Keep others of us from writing notes in the meantime. ``file``: one that all of them know; it is left there."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def fetch_notes(ref: str, remote: str, incoming: str) -> bool:
    """Bring a remote's notes to a ref of their own below refs/notes; whether it has any. Raises TransportError."""
    try:
        git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, f"+{ref}:{incoming}")
    except GitError as error:
        if _NO_REF.search(error.message):
            return False
        raise TransportError(_join_lines(error), hint="Is it the right remote? git remote -v") from None
    return True


def unite_notes(ref: str, other: str) -> None:
    """Have a ref hold the lines of both, each once, but for what either took away since they last met.

    Raises TransportError where the other is none of notes.
    """
    if not git_succeeds("rev-parse", "--verify", "--quiet", f"{other}^{{tree}}"):
        hint = f"Have it deleted there: git push REMOTE :{ref}"
        raise TransportError(f"{ref} there is no commit of notes", hint=hint)
    if not git_succeeds("rev-parse", "--verify", "--quiet", ref):
        git("update-ref", ref, other)
        return
    kept = _find_kept_lines(ref, other)
    git("notes", f"--ref={ref}", "merge", "--quiet", f"--strategy={UNITE}", other, env=_environment())
    for target, lines in kept.items():
        if lines:
            write_note(ref, target, write_blob(b"".join(sorted(lines))))
        else:
            remove_notes(ref, {target: None})


def _find_kept_lines(ref: str, other: str) -> dict[str, set[bytes]]:
    """What is left of notes that both changed, where one took lines away: Git would bring these back."""
    base = ask_git("merge-base", ref, other)
    if not base:  # they have never met
        return {}
    sides = [_list_tree(commit) for commit in (base.decode().strip(), ref, other)]
    found = {}
    for target, blob in sides[0].items():
        blobs = [blob, *(side.get(target, "") for side in sides[1:])]
        if len(set(blobs)) == len(blobs):
            before, ours, theirs = (set((read_blob(one) or b"").splitlines(keepends=True)) for one in blobs)
            if gone := before - (ours & theirs):
                found[target] = (ours | theirs) - gone
    return found


def _list_tree(commit: str) -> dict[str, str]:
    """Object to the id of its note's blob, as a commit of notes has them: in folders by how their names begin."""
    items = (item.partition("\t") for item in split_nul(git("ls-tree", "-r", "-z", commit)))
    return {path.replace("/", ""): facts.split()[2] for facts, _, path in items}


def sync_notes(ref: str, remote: str, lock: Callable[[], AbstractContextManager[None]]) -> bool:
    """Unite the notes here and on a remote, on both sides; whether there are any.

    Others may push meanwhile: then theirs are fetched, too, and it is tried again. Raises TransportError.
    """
    incoming = f"{ref}-incoming-{os.getpid()}"
    refused = None
    for _ in range(_ATTEMPTS):
        try:
            there = fetch_notes(ref, remote, incoming)
            if there:
                with lock():
                    unite_notes(ref, incoming)
        finally:
            git("update-ref", "-d", incoming)
        if not git_succeeds("rev-parse", "--verify", "--quiet", ref):
            return there
        try:
            git("push", "--quiet", remote, ref)
            return True
        except GitError as error:
            refused = error
            if "fetch first" not in error.message and "non-fast-forward" not in error.message:
                break
    assert refused
    raise TransportError(_join_lines(refused), hint="Try again; what is here is kept.")


def _join_lines(error: GitError) -> str:
    """What Git said, in one line, as our messages are."""
    return "; ".join(filter(None, map(str.strip, error.message.splitlines())))


def _environment() -> dict[str, str]:
    """Of Git's commands that commit notes: a person whom Git has no name for yet can keep results, too."""
    named = git_succeeds("var", "GIT_COMMITTER_IDENT")
    unknown = {f"GIT_{role}_{fact}": "git-theta" for role in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL")}
    return {**os.environ} if named else {**unknown, **os.environ}
