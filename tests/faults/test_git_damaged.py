"""A blob of Git's that is damaged on disk: every command ends, names it, and deletes nothing."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from git_theta.errors import GitError
from git_theta.vcs.blobs import read_blob, read_one_blob
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.git import work_in_folder
from git_theta.vcs.heads import Head, all_merge_bases, merge_base, resolve_head
from git_theta.vcs.index import differs_from_index, is_indexed
from git_theta.vcs.merges.git_merge import require_clean_index
from git_theta.vcs.notes import unite_notes
from git_theta.vcs.path_walks import list_tree_paths
from git_theta.vcs.raw_diff import list_folder, parse_range
from git_theta.vcs.ref_listing import is_ancestor
from git_theta.vcs.revisions import find_commit
from tests.faults.harness import MODEL, attempt, objects
from tests.pairs import cross_in_pairs
from tests.sandbox import Sandbox, model, track_and_commit
from tests.templates import built_once

RAW = "raw.bin"
WALKING = [("fsck",), ("gc", "--grace", "now"), ("du", "--all"), ("push", "origin")]
"""Commands that look at all of history."""
READING = [
    ("doctor",), ("log",), ("show", "HEAD~"), ("diff", "HEAD~", "HEAD"), ("blame", MODEL), ("fetch", "--all"),
    ("merge", "side"), ("migrate", "export"), ("migrate", "import", "--include", "*.bin"),
]  # fmt: skip
"""Commands that look at some of it."""


@built_once
def _record(sandbox: Sandbox) -> None:
    """Two versions of a file that is tracked, and of one that is not, with nothing in common."""
    sandbox.git("config", "theta.updates", "dense")
    track_and_commit(sandbox, {MODEL: model(1, weight=(100, 100)), RAW: model(2, weight=(100, 100))})
    sandbox.write(MODEL, model(3, weight=(99, 100)))
    sandbox.write(RAW, model(4, weight=(100, 100)))
    sandbox.commit("second")
    sandbox.git("branch", "side", "HEAD~")


def damage(sandbox: Sandbox, blob: str, how: str) -> None:
    """Have a loose object inflate to half of what it says, or to nothing; or delete it."""
    file: Path = sandbox.root / ".git/objects" / blob[:2] / blob[2:]
    if how == "lost":
        file.unlink()
        return
    whole = zlib.decompress(file.read_bytes())
    file.chmod(0o644)
    if how == "in the middle":
        cut = zlib.compressobj()
        packed = cut.compress(whole[: len(whole) // 2]) + cut.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 16
    else:
        packed = b"\x78\x01" + bytes(64)
    file.write_bytes(packed)


BLOBS = ("manifest", "raw file")
TREES = ("HEAD~^{tree}", "HEAD~:folder")
DAMAGES = ("in the middle", "all of it", "lost")


@pytest.fixture(params=BLOBS)
def lost(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    """The id of a blob of the version before."""
    _record(sandbox)
    return sandbox.git("rev-parse", f"HEAD~:{MODEL if request.param == 'manifest' else RAW}").stdout.strip()


@pytest.fixture
def remote(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    bare = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    return bare


every_damage = pytest.mark.parametrize("how", DAMAGES)


def damage_each(what: str, commands: Sequence[tuple[str, ...]], kinds: Sequence[str]) -> pytest.MarkDecorator:
    """Every command with every damage, of one kind or the other: ``what`` is the fixture that is damaged."""
    return pytest.mark.parametrize(
        ("command", "how", what),
        cross_in_pairs(commands, DAMAGES, kinds),
        indirect=[what],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
    )


@damage_each("lost", WALKING, BLOBS)
def test_what_walks_history_stops_and_names_it(
    command: tuple[str, ...], how: str, lost: str, sandbox: Sandbox, remote: Sandbox
) -> None:
    damage(sandbox, lost, how)
    stored, refs = objects(sandbox), sandbox.git("for-each-ref").stdout
    done = attempt(sandbox, "theta", *command)
    assert done.returncode == GitError.exit_code or command[0] == "du", done.stderr
    assert lost in done.stderr
    assert objects(sandbox) == stored
    assert (sandbox.git("for-each-ref").stdout, remote.git("for-each-ref").stdout) == (refs, "")


@every_damage
@pytest.mark.parametrize(
    "command",
    [("log",), ("show", "HEAD~"), ("show", f"HEAD~:{MODEL}"), ("diff", "HEAD~", "HEAD"), ("blame", MODEL)],
    ids=" ".join,
)
def test_a_manifest_is_not_taken_for_an_absent_file(command: tuple[str, ...], how: str, sandbox: Sandbox) -> None:
    _record(sandbox)
    lost = sandbox.git("rev-parse", f"HEAD~:{MODEL}").stdout.strip()
    damage(sandbox, lost, how)
    done = attempt(sandbox, "theta", *command)
    assert done.returncode == GitError.exit_code, done.stderr
    assert lost in done.stderr
    assert MODEL in done.stderr
    assert "git fsck" in done.stderr


def test_a_damaged_manifest_of_the_index_is_no_absent_one(sandbox: Sandbox) -> None:
    _record(sandbox)
    lost = sandbox.git("rev-parse", f":{MODEL}").stdout.strip()
    damage(sandbox, lost, "lost")
    assert lost in attempt(sandbox, "theta", "show", f":{MODEL}").stderr
    assert "no file in" in attempt(sandbox, "theta", "show", ":nothing.safetensors").stderr


@every_damage
def test_a_damaged_blob_is_no_absent_one(how: str, sandbox: Sandbox) -> None:
    """By name or id; of the index it is: `git add` replaces it."""
    _record(sandbox)
    lost = sandbox.git("rev-parse", f"HEAD:{RAW}").stdout.strip()
    damage(sandbox, lost, how)
    for name in (f"HEAD:{RAW}", lost):
        with pytest.raises(GitError, match=lost):
            read_blob(name, sandbox.root)
        with pytest.raises(GitError, match=lost):
            read_one_blob(name, lambda _: True, 1 << 30, sandbox.root)
    for absent in ("HEAD:nothing", "nothing:file", "HEAD:", ":nothing", f":0:{RAW}.other"):
        assert read_blob(absent, sandbox.root) is None
        assert read_one_blob(absent, lambda _: True, 1 << 30, sandbox.root) is None


NESTED = f"folder/{MODEL}"


@pytest.fixture(params=TREES)
def lost_tree(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    """The id of a tree of the commit before, on the way to a checkpoint."""
    _nest(sandbox)
    return sandbox.git("rev-parse", str(request.param)).stdout.strip()


@built_once
def _nest(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {NESTED: model(1, weight=(100, 100))})
    sandbox.git("branch", "side")
    sandbox.write(NESTED, model(2, weight=(100, 100)))
    sandbox.commit("second")


OF_A_TREE = [
    ("log",), ("log", NESTED), ("show", "HEAD~"), ("show", f"HEAD~:{NESTED}"), ("blame", NESTED),
    ("centroid", "HEAD~", "HEAD", "-o", "out.safetensors", "--", NESTED),
]  # fmt: skip
"""Commands that look for a file in it."""


@damage_each("lost_tree", OF_A_TREE, TREES)
def test_what_is_in_a_lost_tree_is_no_absent_file(
    command: tuple[str, ...], how: str, lost_tree: str, sandbox: Sandbox
) -> None:
    commit = sandbox.git("rev-parse", "HEAD~").stdout.strip()
    damage(sandbox, lost_tree, how)
    done = attempt(sandbox, "theta", *command)
    assert done.returncode == GitError.exit_code, done.stderr
    assert commit in done.stderr or "HEAD~" in done.stderr.partition("theta: error")[2]
    assert "git fsck" in done.stderr
    assert not (sandbox.root / "out.safetensors").exists()


@damage_each("lost_tree", [("diff", "HEAD~", "HEAD"), ("du", "--all"), ("merge", "other")], TREES)
def test_what_git_says_of_a_lost_tree_comes_with_what_to_do(
    command: tuple[str, ...], how: str, lost_tree: str, sandbox: Sandbox
) -> None:
    sandbox.git("switch", "-q", "-c", "other", "side")
    sandbox.write(NESTED, model(3, weight=(100, 100)))
    sandbox.commit("other")
    sandbox.git("switch", "-q", "main")
    damage(sandbox, lost_tree, how)
    done = attempt(sandbox, "theta", *command)
    assert done.returncode == GitError.exit_code, done.stderr
    assert lost_tree in done.stderr or sandbox.git("rev-parse", "side").stdout.strip() in done.stderr
    assert "git fsck" in done.stderr


def test_a_lost_tree_is_no_absent_folder(lost_tree: str, sandbox: Sandbox) -> None:
    """What there never was, is."""
    damage(sandbox, lost_tree, "lost")
    with pytest.raises(GitError, match=sandbox.git("rev-parse", "HEAD~").stdout.strip()):
        read_blob(f"HEAD~:{NESTED}", sandbox.root)
    assert read_blob(f"HEAD:folder/nothing/{MODEL}", sandbox.root) is None
    assert "no file in HEAD" in attempt(sandbox, "theta", "show", f"HEAD:nothing/{MODEL}").stderr


def test_a_lost_tree_is_no_empty_folder(lost_tree: str, sandbox: Sandbox) -> None:
    """What there never was, is; and of what are no trees, there are no folders."""
    span = parse_range(["HEAD", "HEAD~"], cached=False)
    assert list_folder(span, "folder", sandbox.root).keys() == {NESTED}
    damage(sandbox, lost_tree, "lost")
    commit = sandbox.git("rev-parse", "HEAD~").stdout.strip()
    with pytest.raises(GitError, match=commit):
        list_folder(span, "folder", sandbox.root)
    with work_in_folder(sandbox.root), pytest.raises(GitError, match=commit):
        list(list_tree_paths([commit]))
    blob = sandbox.git("rev-parse", f"HEAD:{NESTED}").stdout.strip()
    for revision, folder in (("HEAD", "nothing"), ("HEAD", NESTED), (blob, ""), ("nothing", "folder")):
        assert list_folder(parse_range([blob, revision], cached=False), folder, sandbox.root) == {}


def test_paths_are_listed_of_commits_and_of_tags_but_of_no_blob(sandbox: Sandbox) -> None:
    _record(sandbox)
    sandbox.git("tag", "-a", "-m", "a blob", "blob", f"HEAD:{RAW}")
    sandbox.git("tag", "-a", "-m", "a commit", "commit", "HEAD")
    with work_in_folder(sandbox.root):
        found = list(list_tree_paths(["blob", "commit", "HEAD^{tree}"]))
    assert {one.path for one in found} == {".gitattributes", MODEL, RAW}


def test_an_index_that_cannot_be_read_is_no_empty_one(sandbox: Sandbox) -> None:
    _record(sandbox)
    assert is_indexed(MODEL, sandbox.root) and not is_indexed("nothing", sandbox.root)
    assert not differs_from_index(MODEL, sandbox.root)
    (sandbox.root / ".git/index").write_bytes(b"no index")
    questions: list[Callable[[], object]] = [
        lambda: is_indexed(MODEL, sandbox.root),
        lambda: differs_from_index(MODEL, sandbox.root),
        lambda: list_folder(parse_range([], cached=False), "", sandbox.root),
        lambda: require_clean_index(discover_repository(sandbox.root)),
    ]
    for question in questions:
        with pytest.raises(GitError, match="index"):
            question()


@every_damage
def test_a_lost_commit_is_no_unknown_one(how: str, sandbox: Sandbox) -> None:
    _record(sandbox)
    commit, before = sandbox.git("rev-parse", "HEAD", "HEAD~").stdout.split()
    assert is_ancestor(before, commit, sandbox.root) and not is_ancestor(commit, before, sandbox.root)
    damage(sandbox, commit, how)
    questions: list[Callable[[], object]] = [
        lambda: find_commit("HEAD", sandbox.root),
        lambda: resolve_head("main", sandbox.root),
        lambda: read_blob(f"HEAD:{MODEL}", sandbox.root),
        lambda: is_ancestor(before, commit, sandbox.root),
        lambda: merge_base([Head("one", before), Head("two", commit)], sandbox.root),
        lambda: all_merge_bases(before, commit, cwd=sandbox.root),
    ]
    for question in questions:
        with pytest.raises(GitError, match=commit):
            question()
    for unknown in ("nothing", "HEAD@{99}", "main@{upstream}", f"{before}:{MODEL}", "0" * 7):
        assert find_commit(unknown, sandbox.root) == ""


def test_a_git_that_is_translated_loses_as_one_that_is_not(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    if "fatal: " in sandbox.git("rev-parse", "nothing", check=False).stderr:
        pytest.skip("Git has no translations here")
    _record(sandbox)
    commit = sandbox.git("rev-parse", "HEAD").stdout.strip()
    damage(sandbox, commit, "in the middle")
    with pytest.raises(GitError, match=f"{commit}.*is corrupt"):
        find_commit("HEAD", sandbox.root)


def test_notes_whose_history_is_lost_are_not_united_as_if_it_were_none(sandbox: Sandbox) -> None:
    _record(sandbox)
    for ref, text in (("ours", "a"), ("ours", "b"), ("theirs", "c")):
        sandbox.git("notes", f"--ref={ref}", "add", "-f", "-m", text, "HEAD")
    lost = sandbox.git("rev-parse", "refs/notes/ours~").stdout.strip()
    damage(sandbox, lost, "lost")
    with work_in_folder(sandbox.root), pytest.raises(GitError, match=lost):
        unite_notes("refs/notes/ours", "refs/notes/theirs")


def test_a_partial_clone_fetches_the_trees_that_it_lacks(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {NESTED: model(1, weight=(100, 100))})
    sandbox.write(NESTED, model(2, weight=(100, 100)))
    sandbox.commit("second")
    sandbox.git("config", "uploadpack.allowFilter", "true")
    sandbox.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = Sandbox.clone(sandbox.root.as_uri(), tmp_path / "clone", "--filter=tree:0")
    assert NESTED in attempt(clone, "theta", "show", f"HEAD~:{NESTED}").stdout
    assert "no file in HEAD~" in attempt(clone, "theta", "show", f"HEAD~:nothing/{MODEL}").stderr


@every_damage
def test_a_driver_does_not_go_without_its_policy(how: str, sandbox: Sandbox) -> None:
    _record(sandbox)
    sandbox.git("switch", "-q", "-c", "other", "HEAD~")
    sandbox.write(MODEL, model(5, weight=(100, 100)))
    sandbox.write(".theta.toml", b'[[merge]]\nstrategy = "ours"\n')
    sandbox.commit("with a policy")
    lost = sandbox.git("rev-parse", "HEAD:.theta.toml").stdout.strip()
    damage(sandbox, lost, how)
    done = attempt(sandbox, "merge", "main")
    assert done.returncode == 1, done.stderr
    assert f"Git cannot read {lost}, which is HEAD:.theta.toml" in done.stderr
    assert sandbox.git("diff", "--name-only", "--diff-filter=U").stdout.split() == [MODEL]


@damage_each("lost", READING, BLOBS)
def test_everything_else_ends(command: tuple[str, ...], how: str, lost: str, sandbox: Sandbox, remote: Sandbox) -> None:
    damage(sandbox, lost, how)
    stored, files = objects(sandbox), [sandbox.read(MODEL), sandbox.read(RAW)]
    done = attempt(sandbox, "theta", *command)
    assert done.returncode < 10
    assert "Traceback" not in done.stderr
    assert set(stored) <= set(objects(sandbox))
    assert [sandbox.read(MODEL), sandbox.read(RAW)] == files
    assert remote.git("for-each-ref").stdout == ""
