"""A team shares a model through a host of one URL with a password, and all that people do with Git there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from git_theta.manifest.text import decode_manifest, is_manifest
from tests.integration.checkpoint_history import MODEL, assert_file, assert_round_trip, staged, stored
from tests.integration.shared_model import SharedModel, needs_lfs
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.servers.lfs_server import Fault

pytestmark = needs_lfs


class Made(NamedTuple):
    """What a verb made.

    Attributes:
        content: of the checkpoint, in the commit that was made; None where it has none.
        refspec: what is to be pushed; the branch of the verb's own, where nothing is said.
        path: of the checkpoint.
        at: where the push is run from; in Alice's clone, where nothing is said.
    """

    content: bytes | None
    refspec: str = ""
    path: str = MODEL
    at: Sandbox | None = None


def branch_off(shared: SharedModel, name: str, start: str, content: bytes | None = None) -> None:
    shared.alice.branch(name, start, content)


def side_of(shared: SharedModel) -> tuple[bytes, bytes]:
    """A branch ``side`` from v0 that trained another parameter: its checkpoint, and that joined with v2."""
    first, _, last = shared.alice.versions
    branch_off(shared, "side", "v0", changed(first, "embed.weight", at=40))
    return changed(first, "embed.weight", at=40), changed(last, "embed.weight", at=40)


def merge(shared: SharedModel) -> Made:
    _, joined = side_of(shared)
    branch_off(shared, "merge", "v2")
    shared.alice.git("merge", "--quiet", "--no-edit", "side")
    return Made(joined)


def squash(shared: SharedModel) -> Made:
    _, joined = side_of(shared)
    branch_off(shared, "squash", "v2")
    shared.alice.git("merge", "--quiet", "--squash", "side")
    shared.alice.git("commit", "--quiet", "-m", "squashed")
    return Made(joined)


def rebase(shared: SharedModel) -> Made:
    _, joined = side_of(shared)
    shared.alice.git("branch", "-m", "rebase")
    shared.alice.git("rebase", "--quiet", "main")
    return Made(joined)


def cherry_pick(shared: SharedModel) -> Made:
    _, joined = side_of(shared)
    branch_off(shared, "cherry_pick", "v2")
    shared.alice.git("cherry-pick", "side")
    return Made(joined)


def revert(shared: SharedModel) -> Made:
    branch_off(shared, "revert", "v2")
    shared.alice.git("revert", "--no-edit", "HEAD")
    return Made(shared.alice.versions[1])


def amend(shared: SharedModel) -> Made:
    last = shared.alice.versions[2]
    branch_off(shared, "amend", "v2", changed(last, "layer.bias", at=8))
    shared.alice.git("push", "--quiet", "origin", "amend")
    shared.alice.sandbox.write(MODEL, changed(last, "layer.bias", at=12))
    shared.alice.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    return Made(changed(last, "layer.bias", at=12), "+amend")


def move(shared: SharedModel) -> Made:
    branch_off(shared, "move", "v2")
    (shared.alice.root / "deep").mkdir()
    shared.alice.git("mv", MODEL, "deep/moved.safetensors")
    shared.alice.git("commit", "--quiet", "-m", "moved")
    return Made(shared.alice.versions[2], path="deep/moved.safetensors")


def remove(shared: SharedModel) -> Made:
    branch_off(shared, "remove", "v2")
    shared.alice.git("rm", "--quiet", MODEL)
    shared.alice.git("commit", "--quiet", "-m", "removed")
    return Made(None)


def stash(shared: SharedModel) -> Made:
    """Somebody pushes what they stashed, to go on elsewhere."""
    trained = changed(shared.alice.versions[2], "embed.weight", at=80)
    shared.alice.sandbox.write(MODEL, trained)
    shared.alice.git("stash", "--quiet")
    shared.alice.holds(2)
    return Made(trained, "stash@{0}:refs/heads/stash")


def tag(shared: SharedModel) -> Made:
    """Of a commit that no branch leads to."""
    trained = changed(shared.alice.versions[2], "embed.weight", at=84)
    shared.alice.git("checkout", "--quiet", "--detach", "v2")
    shared.alice.sandbox.write(MODEL, trained)
    shared.alice.sandbox.commit("tagged")
    shared.alice.git("tag", "-a", "-m", "a release", "tag")
    return Made(trained, "refs/tags/tag")


def worktree(shared: SharedModel) -> Made:
    trained = changed(shared.alice.versions[2], "embed.weight", at=88)
    shared.alice.git("worktree", "add", "--quiet", "-b", "worktree", shared.folder / "linked", "v2")
    linked = Sandbox(shared.folder / "linked")
    linked.write(MODEL, trained)
    linked.commit("in a linked worktree")
    return Made(trained, at=linked)


def shallow(shared: SharedModel) -> Made:
    trained = changed(shared.alice.versions[2], "embed.weight", at=92)
    clone = shared.clone("shallow", "--depth", "1")
    clone.git("switch", "--quiet", "-c", "shallow")
    clone.write(MODEL, trained)
    clone.commit("in a shallow clone")
    return Made(trained, at=clone)


def partial(shared: SharedModel) -> Made:
    trained = changed(shared.alice.versions[2], "embed.weight", at=108)
    clone = shared.clone("partial", "--filter=blob:none")
    clone.git("switch", "--quiet", "-c", "partial")
    clone.write(MODEL, trained)
    clone.commit("in a partial clone")
    return Made(trained, at=clone)


def force(shared: SharedModel) -> Made:
    """What was pushed is taken back, and the branch that it was on goes another way."""
    trained = changed(shared.alice.versions[0], "embed.weight", at=96)
    branch_off(shared, "force", "v2")
    shared.alice.git("push", "--quiet", "origin", "force")
    shared.alice.git("reset", "--quiet", "--hard", "v0")
    shared.alice.sandbox.write(MODEL, trained)
    shared.alice.sandbox.commit("another way")
    return Made(trained, "+force")


def delete(shared: SharedModel) -> Made:
    """A branch goes; one that has the same objects stays, and has them."""
    trained = changed(shared.alice.versions[2], "embed.weight", at=100)
    branch_off(shared, "gone", "v2", trained)
    shared.alice.git("push", "--quiet", "origin", "gone")
    branch_off(shared, "delete", "gone")
    shared.alice.git("push", "--quiet", "origin", ":gone")
    return Made(trained)


VERBS = (
    merge,
    squash,
    rebase,
    cherry_pick,
    revert,
    amend,
    move,
    remove,
    stash,
    tag,
    worktree,
    shallow,
    partial,
    force,
    delete,
)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_what_a_verb_of_git_made_is_in_a_fresh_clone(shared: SharedModel, verb: Callable[[SharedModel], Made]) -> None:
    made, name = verb(shared), verb.__name__
    (made.at or shared.alice.sandbox).git("push", "--quiet", "origin", made.refspec or name)
    clone = shared.clone("fresh", "--branch", name)
    if made.content is None:
        assert not (clone.root / made.path).exists()
    else:
        assert_file(clone, made.path, made.content)
    assert clone.git("status", "--porcelain").stdout == ""
    shared.assert_whole()
    assert "erase" not in shared.asked.read_text()


def test_only_what_is_missing_goes_up_and_only_what_a_checkout_needs_comes_back(shared: SharedModel) -> None:
    content = model(7, first=(600, 600), second=(600, 600), third=(600, 600))
    shared.alice.git("config", "theta.updates", "dense")
    shared.alice.branch("sizes", "v2", content)
    shared.alice.git("push", "--quiet", "origin", "sizes")
    before = shared.moved_bytes("PUT")
    shared.alice.sandbox.write(MODEL, changed(content, "third"))
    shared.alice.sandbox.commit("one tensor")
    shared.alice.git("push", "--quiet", "origin", "sizes")
    assert 0 < shared.moved_bytes("PUT") - before <= 600 * 600 * 4
    before, of_git = shared.moved_bytes("PUT"), shared.moved_bytes("POST", "git-receive-pack")
    shared.alice.sandbox.write("notes.txt", b"a word\n")
    shared.alice.sandbox.commit("no tensor")
    shared.alice.git("push", "--quiet", "origin", "sizes")
    assert shared.moved_bytes("PUT") == before
    assert shared.moved_bytes("POST", "git-receive-pack") - of_git < 2_000, "Git's own push, and nothing more"
    clone = shared.clone("fresh", "--branch", "sizes")
    needed = decode_manifest(staged(clone, MODEL)).objects()
    assert stored(clone) == needed
    assert shared.moved_bytes("GET") == sum(needed.values()) < sum(shared.objects.values()) - 1_000_000


def test_a_clone_that_borrows_downloads_nothing(shared: SharedModel) -> None:
    clone = shared.clone("fresh", "--reference", str(shared.alice.root))
    shared.alice.holds(2, at=clone)
    assert shared.moved_bytes("GET") == 0


def test_a_repository_of_sha256(shared: SharedModel) -> None:
    """Its ids are longer, those of its pointers too."""
    url = shared.host.create(f"sha256-{shared.name}", object_format="sha256")
    author = Sandbox.create(shared.folder / "author", "sha256", install=False)
    track_and_commit(author, {MODEL: model(5)})
    author.git("push", "--quiet", url, "main")
    assert_round_trip(Sandbox.clone(url, shared.folder / "fresh"), {MODEL: model(5)})
    bare = Sandbox(shared.host.folder / f"sha256-{shared.name}")
    assert len(bare.git("rev-parse", "refs/theta/pointers").stdout.strip()) == 64


def without_us(shared: SharedModel, *, lfs: bool = True) -> dict[str, str]:
    """The environment of a person who has Git, the password, and git-lfs where it is asked for; and no git-theta."""
    home = shared.folder / "stranger"
    home.mkdir(exist_ok=True)
    config = home / ".gitconfig"
    helper = shared.asked.with_name("credential-helper")
    config.write_text(f"[credential]\n\thelper = {helper}\n[init]\n\tdefaultBranch = main\n")
    env = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(config)}
    if lfs:
        Sandbox(home).git("lfs", "install", "--skip-repo", env=env)
    return env


def test_a_mirror_by_people_without_us_carries_everything(shared: SharedModel) -> None:
    env, folder = without_us(shared), Sandbox(shared.folder)
    folder.git("clone", "--quiet", "--mirror", shared.url, "mirror.git", env=env)
    mirror = Sandbox(shared.folder / "mirror.git")
    mirror.git("lfs", "fetch", "--all", env=env)
    assert {file.name for file in (mirror.root / "lfs/objects").glob("??/??/*")} == shared.objects.keys()
    moved = shared.host.create(f"moved-{shared.name}")
    mirror.git("push", "--quiet", "--mirror", moved, env=env)
    mirror.git("lfs", "push", "--all", moved, "refs/theta/pointers", env=env)  # without a name, branches and tags
    clone = Sandbox.clone(moved, shared.folder / "fresh")
    for version in (2, 0, 1):
        clone.git("checkout", "--quiet", f"v{version}")
        shared.alice.holds(version, at=clone)


@pytest.mark.parametrize("lfs", [True, False], ids=["with git-lfs", "with Git alone"])
def test_people_without_us_get_manifests(shared: SharedModel, lfs: bool) -> None:
    """And may work on all else, and push."""
    env, folder = without_us(shared, lfs=lfs), Sandbox(shared.folder)
    folder.git("clone", "--quiet", shared.url, "stranger-clone", env=env)
    clone = Sandbox(shared.folder / "stranger-clone")
    assert is_manifest(clone.read(MODEL))
    clone.write("README.md", b"A word.\n")
    clone.git("add", "--all", env=env)
    clone.git("commit", "--quiet", "-m", "a word", env=env)
    clone.git("push", "--quiet", "origin", "main", env=env)
    shared.alice.git("pull", "--quiet", "--ff-only")
    shared.alice.holds(2)


def test_files_of_git_lfs_come_along(shared: SharedModel) -> None:
    """In the same repository, in the same push, through hooks and filters of their own."""
    alice, words = shared.alice.sandbox, bytes(range(256)) * 100
    alice.git("lfs", "install", "--skip-repo")
    alice.git("lfs", "install", "--local", "--force")
    alice.theta("install")
    alice.git("lfs", "track", "*.bin")
    alice.write("data.bin", words)
    trained = changed(shared.alice.versions[2], "embed.weight", at=16)
    alice.write(MODEL, trained)
    alice.commit("one of each")
    alice.git("push", "--quiet", "origin", "main")
    clone = shared.clone("fresh")
    assert_file(clone, "data.bin", words)
    assert_round_trip(clone, {MODEL: trained})


def test_a_model_in_a_submodule(shared: SharedModel) -> None:
    """Pushed together with what it is a part of."""
    above = Sandbox.create(shared.folder / "above", install=False)
    above.git("submodule", "--quiet", "add", shared.url, "models")
    above.commit("a submodule")
    url = shared.host.create(f"above-{shared.name}")
    above.git("remote", "add", "origin", url)
    inner, trained = Sandbox(above.root / "models"), changed(shared.alice.versions[2], "embed.weight", at=20)
    inner.write(MODEL, trained)
    inner.commit("trained inside")
    above.commit("the submodule goes on")
    above.git("push", "--quiet", "--recurse-submodules=on-demand", "origin", "main")
    shared.assert_whole()
    clone = Sandbox.clone(url, shared.folder / "fresh", "--recurse-submodules")
    assert_round_trip(Sandbox(clone.root / "models"), {MODEL: trained})


def test_a_fork_has_what_was_pushed_to_it(shared: SharedModel) -> None:
    """Two remotes: what one has does not count for the other."""
    fork = shared.host.create(f"fork-{shared.name}")
    shared.alice.git("remote", "add", "fork", fork)
    shared.alice.branch("topic", "v0", changed(shared.alice.versions[0], "embed.weight", at=24))
    shared.alice.git("push", "--quiet", "fork", "topic")
    assert_file(
        Sandbox.clone(fork, shared.folder / "fork", "--branch", "topic"), MODEL, shared.alice.sandbox.read(MODEL)
    )
    assert "topic" not in shared.refs()
    shared.alice.git("push", "--quiet", "origin", "topic")
    shared.assert_whole()


def test_what_a_fork_offers_is_merged_and_pushed_by_a_maintainer(shared: SharedModel) -> None:
    """Hosts take over LFS objects of pointers in the merged range, and manifests have none: a clone does it."""
    fork = shared.host.create(f"fork-{shared.name}")
    contributor = shared.clone("contributor")
    offered = changed(shared.alice.versions[2], "embed.weight", at=28)
    contributor.write(MODEL, offered)
    contributor.commit("offered")
    contributor.git("push", "--quiet", fork, "HEAD:topic")
    shared.alice.git("remote", "add", "fork", fork)
    shared.alice.git("fetch", "--quiet", "fork")
    shared.alice.sandbox.theta("fetch", "fork", "fork/topic")
    shared.alice.git("merge", "--quiet", "--no-edit", "fork/topic")
    shared.alice.git("push", "--quiet", "origin", "main")
    shared.assert_whole()
    assert_round_trip(shared.clone("fresh"), {MODEL: offered})


def leftovers(shared: SharedModel) -> dict[str, object]:
    """What a push must leave as it was: the configuration, and our folder for what is not finished."""
    git_dir = shared.alice.root / ".git"
    return {
        "configuration": (git_dir / "config").read_text(),
        "temporary": sorted(file.name for file in (git_dir / "theta/tmp").glob("*")),
        "refs": shared.alice.git("for-each-ref", "--format=%(refname)"),
    }


def test_a_push_that_fails_halfway_moves_no_ref_and_the_next_one_resumes(shared: SharedModel) -> None:
    shared.alice.git("config", "lfs.transfer.maxretries", "1")
    shared.alice.branch("topic", "v2", model(3, first=(300, 300), second=(300, 300)))
    before, refs, lfs = leftovers(shared), shared.refs(), shared.host.lfs(shared.name)
    lfs.fault = Fault("upload", 500)
    failed = shared.alice.sandbox.git("push", "origin", "topic", check=False)
    assert failed.returncode
    assert MODEL in failed.stderr
    assert shared.refs() == refs
    assert leftovers(shared) == before
    lfs.fault = None
    shared.alice.git("push", "--quiet", "origin", "topic")
    clone = shared.clone("fresh", "--branch", "topic")
    assert_file(clone, MODEL, shared.alice.sandbox.read(MODEL))
