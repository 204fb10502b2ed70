"""Git's stream of a history: what is written is read back, Git reads what we write, and we read what Git writes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.errors import GitError
from git_theta.vcs.fast_export import OPTIONS, ExportedCommit, FileChange, format_commit, parse_commits
from tests.effort import choose_tries
from tests.sandbox import Sandbox

BRANCH = b"refs/theta/tests"
PERSON = b"A <a@b> 1112911993 -0700"

_lines = st.binary(min_size=1, max_size=20).map(lambda data: data.replace(b"\n", b"").replace(b"\0", b"") or b"x")
_oids = st.binary(min_size=20, max_size=20).map(lambda data: data.hex().encode())
_paths = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda data: data.replace(b"\0", b"") or b"p"),
    st.sampled_from(
        [b'"', b'"quoted"', b" ", b"a b", b"new\nline", b"tab\t", b"back\\slash", "ümläut".encode(), b"\xff"]
    ),
)
_changes = st.one_of(
    _paths.map(FileChange),
    st.builds(FileChange, _paths, st.sampled_from([b"100644", b"100755", b"120000", b"160000"]), _oids),
)


def write_stream(commits: Iterable[ExportedCommit]) -> bytes:
    return b"".join([*(format_commit(commit, BRANCH) for commit in commits), b"done\n"])


@st.composite
def _streams(draw: st.DrawFn) -> list[ExportedCommit]:
    commits: list[ExportedCommit] = []
    for number in range(draw(st.integers(0, 4))):
        known = [commit.mark for commit in commits]
        parents = draw(st.lists(st.one_of(_oids, st.sampled_from(known)) if known else _oids, max_size=3))
        changes = draw(st.lists(_changes, max_size=5))
        commits.append(
            ExportedCommit(
                mark=b":%d" % (number + 1),
                original=draw(_oids),
                author=draw(st.one_of(st.just(b""), _lines)),
                committer=draw(_lines),
                encoding=draw(st.sampled_from([b"", b"ISO-8859-1"])),
                message=draw(st.binary(max_size=40)),
                parents=tuple(parents),
                changes=tuple(sorted(changes, key=lambda change: bool(change.mode))),
            )
        )
    return commits


@settings(max_examples=choose_tries(few=100, many=3000), deadline=None)
@given(commits=_streams())
def test_what_is_written_is_read_back(commits: list[ExportedCommit]) -> None:
    assert list(parse_commits(BytesIO(write_stream(commits)))) == commits


@settings(max_examples=choose_tries(few=50, many=1000), deadline=None)
@given(commits=_streams(), share=st.floats(0, 1, exclude_max=True))
def test_a_stream_that_ends_early_is_never_taken_for_a_whole_one(commits: list[ExportedCommit], share: float) -> None:
    stream = write_stream(commits)
    with pytest.raises(GitError):
        list(parse_commits(BytesIO(stream[: int(share * (len(stream) - 1))])))


def test_what_nobody_asked_for_is_refused() -> None:
    with pytest.raises(GitError, match="does not know"):
        list(parse_commits(BytesIO(b"checkpoint\n\ndone\n")))


def import_stream(sandbox: Sandbox, stream: bytes) -> None:
    command = ["git", "fast-import", "--quiet", "--force", "--done"]
    subprocess.run(command, cwd=sandbox.root, input=stream, check=True, capture_output=True)


def export_stream(sandbox: Sandbox, tip: str) -> list[ExportedCommit]:
    command = ["git", "fast-export", *OPTIONS, tip]
    return list(
        parse_commits(BytesIO(subprocess.run(command, cwd=sandbox.root, check=True, capture_output=True).stdout))
    )


@pytest.mark.parametrize("message", [b"", b"no newline", b"two\n\nlines\n", b"from :1\nmerge :1\n", b"\n\n\n"])
def test_git_makes_what_we_write_and_we_read_what_git_says(message: bytes, sandbox: Sandbox) -> None:
    blob = sandbox.git("hash-object", "-w", "--stdin", input="x").stdout.strip().encode()
    paths = [b'"', b"a b", b"new\nline", "ümläut".encode(), b"\xff\xfe", b"folder/back\\slash", b"tab\t", b"\x01"]
    root = ExportedCommit(
        b":1", b"", PERSON, PERSON, b"", message, (), tuple(FileChange(path, b"100644", blob) for path in paths)
    )
    moved = (
        FileChange(b"folder/back\\slash"),
        FileChange(b"folder", b"120000", blob),
        FileChange(b'"', b"100755", blob),
    )
    child = root._replace(mark=b":2", parents=(b":1",), changes=moved)
    back = child._replace(
        mark=b":3", parents=(b":2",), changes=(FileChange(b"folder"), FileChange(b"folder/a", b"100644", blob))
    )
    merge = child._replace(mark=b":4", parents=(b":3", b":1"), changes=(), encoding=b"ISO-8859-1")
    import_stream(sandbox, write_stream([root, child, back, merge]))
    found = export_stream(sandbox, BRANCH.decode())
    assert [set(commit.changes) for commit in found] == [set(commit.changes) for commit in (root, child, back, merge)]
    assert [commit.message for commit in found] == [message] * 4
    assert [commit.encoding for commit in found] == [b"", b"", b"", b"ISO-8859-1"]
    assert [commit.parents for commit in found] == [(), (b":1",), (b":2",), (b":3", b":1")]
    names = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", BRANCH], cwd=sandbox.root, check=True, capture_output=True
    ).stdout
    assert set(names.split(b"\0")[:-1]) == {*paths, b"folder/a"} - {b"folder/back\\slash"}


def test_a_second_root_has_no_parent(sandbox: Sandbox) -> None:
    roots = [ExportedCommit(b":%d" % number, b"", PERSON, PERSON, b"", b"root", (), ()) for number in (1, 2)]
    merge = roots[0]._replace(mark=b":3", parents=(b":1", b":2"), message=b"both")
    roots[1] = roots[1]._replace(message=b"another root")
    import_stream(sandbox, write_stream([*roots, merge]))
    assert sandbox.git("rev-list", "--count", "--max-parents=0", BRANCH.decode()).stdout == "2\n"
