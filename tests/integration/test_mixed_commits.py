"""Whatever merges file by file, and however it is committed, mixes up no checkpoint (L7, L13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest

from tests.integration.test_contested_across import beside, quantised, without_index
from tests.integration.test_sharded_merges import CASES, Files, assert_merged, start
from tests.integration.three_branches import assert_clean
from tests.sandbox import Sandbox
from tests.sharded_checkpoints import INDEX, names_in, replace_files, shard_name, sharded
from tests.templates import built_once

pytestmark = pytest.mark.forked

CODES_AND_SCALES = quantised(56, 1), quantised(57, 1), quantised(56, 2)
BOTH_ADDED = tuple(map(without_index, (sharded("abc", "de"), sharded("abcx", "de"), sharded("abc", "dex", x=2))))
MOVED_APART = sharded("abc", "de", "fg"), sharded("ab", "cde", "fg", c=2), sharded("ab", "de", "cfg")
TOLD = "Git merged its files one by one, and mixed up what belongs together"

WAYS: Mapping[str, tuple[str, str]] = {
    "rebase": ("rebase main theirs", "rebase --continue"),
    "rebase of two": ("rebase main more", "rebase --continue"),
    "interactive rebase": ("rebase -i main theirs", "rebase --continue"),
    "autosquash": ("rebase -i --autosquash main fixup", "rebase --continue"),
    "cherry-pick": ("cherry-pick theirs", ""),
    "cherry-picks": ("cherry-pick main~1..more", "cherry-pick --continue"),
    "cherry-pick of a merge": ("cherry-pick -m 1 merged", ""),
    "revert": ("revert --no-edit undone", ""),
    "revert of a merge": ("revert --no-edit -m 1 undone", ""),
    "squash": ("merge --squash theirs", ""),
    "no-commit": ("merge --no-commit theirs", ""),
    "no-verify": ("merge --no-verify --no-edit theirs", ""),
    "no-commit, no-verify": ("merge --no-commit theirs", ""),
}
SAID = ".git/said"
"""What Git and we said, beside the repository's own files."""
TWO = pytest.mark.parametrize("way", ["rebase", "cherry-pick", "revert", "squash", "no-commit"])


def begin(sandbox: Sandbox, versions: tuple[Files, ...], way: str) -> str:
    """Merge ``theirs`` in some way, up to the commit that is refused; what was said."""
    _begin(sandbox, versions, way)
    return (sandbox.root / SAID).read_text()


@built_once
def _begin(sandbox: Sandbox, versions: tuple[Files, ...], way: str) -> None:
    base, ours, theirs = versions
    if way.startswith("revert"):
        start(sandbox, theirs, base, theirs)
        if "merge" in way:
            merge_beside(sandbox, "main")
            sandbox.git("switch", "-qC", "main")
        sandbox.git("tag", "undone")
        replace_files(sandbox, ours, "ours")
    else:
        start(sandbox, base, ours, theirs)
        add_more(sandbox, way)
        if "merge" in way:
            merge_beside(sandbox, "theirs")
            sandbox.git("switch", "-q", "main")
    sandbox.git("config", "core.editor", "true")
    sandbox.git("config", "sequence.editor", "true")
    done = sandbox.git(*WAYS[way][0].split(), check=False)
    if way in ("squash", "no-commit", "no-commit, no-verify"):
        assert done.returncode == 0
        done = sandbox.git("commit", *(["--no-verify"] if "," in way else []), "-m", "merged", check=False)
    assert done.returncode != 0, "it was committed"
    (sandbox.root / SAID).write_text(done.stderr)


def merge_beside(sandbox: Sandbox, head: str) -> None:
    """Merge a head into the base, on a branch of its own."""
    sandbox.git("switch", "-qc", "merged", "main~1")
    sandbox.git("merge", "-q", "--no-ff", "--no-edit", head)


def add_more(sandbox: Sandbox, way: str) -> None:
    """A branch with one commit more, or with one that is to be melted into the one before."""
    name = {"rebase of two": "more", "cherry-picks": "more", "autosquash": "fixup"}.get(way)
    if name:
        sandbox.git("switch", "-qc", name, "theirs")
        sandbox.write("more.txt", b"more")
        sandbox.git("add", "more.txt")
        sandbox.git("commit", "-qm", "fixup! theirs" if name == "fixup" else "more")
        sandbox.git("switch", "-q", "main")


def go_on(sandbox: Sandbox, way: str) -> None:
    """Conclude what was settled, as the hint says."""
    sandbox.git("commit", "--no-edit", "--allow-empty", "-q")
    if WAYS[way][1]:
        sandbox.git(*WAYS[way][1].split())
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "SQUASH_MSG", "rebase-merge", "sequencer"):
        assert not (sandbox.root / ".git" / name).exists(), name


def content_of(sandbox: Sandbox) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sandbox.root.glob("model*")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_codes_never_stand_beside_scales_of_another(sandbox: Sandbox, way: str, side: str) -> None:
    said = begin(sandbox, CODES_AND_SCALES, way)
    assert f"{INDEX}: {TOLD}" in said
    assert "git theta resolve" in said
    assert sandbox.git("diff", "--name-only", "--diff-filter=U").stdout.split()
    sandbox.theta("resolve", f"--{side}")
    go_on(sandbox, way)
    assert_clean(sandbox)
    assert content_of(sandbox) == CODES_AND_SCALES[{"ours": 1, "theirs": 2}[side]]


@pytest.mark.parametrize("way", WAYS)
def test_what_both_added_stands_once(sandbox: Sandbox, way: str) -> None:
    assert TOLD in begin(sandbox, BOTH_ADDED, way)
    sandbox.theta("resolve", "-s", "average")
    go_on(sandbox, way)
    assert_clean(sandbox)
    assert [name for content in content_of(sandbox).values() for name in names_in(content)].count("x") == 1


@pytest.mark.parametrize("option", ["ours", "theirs"])
@pytest.mark.parametrize("command", ["cherry-pick", "rebase", "merge --squash"])
def test_an_option_that_settles_the_index_settles_no_checkpoint(sandbox: Sandbox, command: str, option: str) -> None:
    """Git then takes a side's lines of the index, and both sides' shards."""
    start(sandbox, *MOVED_APART)
    sandbox.git("config", "core.editor", "true")
    heads = ["main", "theirs"] if command == "rebase" else ["theirs"]
    done = sandbox.git(*command.split(), f"-X{option}", *heads, check=False)
    if command == "merge --squash":
        done = sandbox.git("commit", "-qm", "merged", check=False)
    assert (done.returncode != 0, TOLD in done.stderr) == (True, True)
    sandbox.theta("resolve")
    sandbox.git("commit", "--allow-empty", *(["-m", "merged"] if "squash" in command else ["--no-edit"]), "-q")
    if command == "rebase":
        sandbox.git("rebase", "--continue")
    assert_merged(sandbox, {"c": 2}, ["ab", "cde", "fg"])


@TWO
@pytest.mark.parametrize("name", ["moved on one side, trained on the other", "moved by one, trained by both"])
def test_nothing_trained_is_lost_to_a_move(sandbox: Sandbox, way: str, name: str) -> None:
    """No index tells of it: the driver leaves a shard that has other parameters at another side."""
    case = CASES[name]
    base, ours, theirs = case[:3]
    if way == "revert":
        start(sandbox, theirs, base, theirs)
        replace_files(sandbox, ours, "ours")
        done = sandbox.git("revert", "--no-edit", "HEAD~1", check=False)
    else:
        start(sandbox, base, ours, theirs)
        done = sandbox.git(*WAYS[way][0].split(), check=False)
    assert done.returncode == 1
    assert sandbox.git("diff", "--name-only", "--diff-filter=U").stdout.split()
    sandbox.theta("resolve", "-s", "average")
    sandbox.git("commit", "--no-edit", "--allow-empty", "-q")
    if way == "rebase":
        sandbox.git("rebase", "--continue")
    assert_merged(sandbox, case.merged, case.shards)


@TWO
def test_it_can_be_given_up(sandbox: Sandbox, way: str) -> None:
    hint = begin(sandbox, CODES_AND_SCALES, way).rpartition("Or give it up: ")[2].splitlines()[0]
    sandbox.git(*hint.split()[1:])
    assert_clean(sandbox)
    sandbox.git("switch", "-q", "main")
    assert content_of(sandbox) == CODES_AND_SCALES[1]


def test_commit_all_is_refused_too(sandbox: Sandbox) -> None:
    """Git keeps the index to itself meanwhile, so nothing can be put into conflict."""
    start(sandbox, *CODES_AND_SCALES)
    sandbox.git("merge", "--squash", "theirs")
    for _ in range(2):
        done = sandbox.git("commit", "-qam", "mixed", check=False)
        assert (done.returncode, TOLD in done.stderr) == (1, True)
        assert "git commit, without -a" in done.stderr
    sandbox.git("commit", "-qm", "mixed", check=False)
    sandbox.theta("resolve", "--ours")
    sandbox.git("commit", "-q", "--allow-empty", "-m", "ours")
    assert content_of(sandbox) == CODES_AND_SCALES[1]


@TWO
def test_what_each_side_changed_of_its_own_is_committed(sandbox: Sandbox, way: str) -> None:
    base, ours, theirs = sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2)
    if way == "revert":
        start(sandbox, theirs, base, theirs)
        replace_files(sandbox, ours, "ours")
        sandbox.git("revert", "--no-edit", "HEAD~1")
    else:
        start(sandbox, base, ours, theirs)
        sandbox.git(*WAYS[way][0].split())
        sandbox.git("commit", "-q", "--allow-empty", "-m", "merged")
    assert content_of(sandbox) == sharded("abc", "de", a=1, d=2)


FAR_APART = (
    sharded("bcdefghijklm", "nop"),
    sharded("abcdefghijklm", "nop"),
    sharded("bcdefghijklm", "nopz"),
)
"""Both sides add a parameter: Git merges the index cleanly, with the total that each side has."""


@TWO
def test_totals_of_an_index_are_those_of_its_shards(sandbox: Sandbox, way: str) -> None:
    said = begin(sandbox, FAR_APART, way)
    assert "total_size, which the index says of one side" in said
    sandbox.theta("resolve")
    go_on(sandbox, way)
    assert_merged(sandbox, {}, ["abcdefghijklm", "nopz"])


def test_a_merge_of_files_alone_stops_too(sandbox: Sandbox) -> None:
    start(sandbox, *FAR_APART)
    done = sandbox.git("merge", "--no-edit", "theirs", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    sandbox.theta("resolve")
    sandbox.git("commit", "-qm", "merged")
    assert_merged(sandbox, {}, ["abcdefghijklm", "nopz"])


@pytest.mark.parametrize("elsewhere", [False, True])
def test_our_merge_writes_them_itself(sandbox: Sandbox, elsewhere: bool) -> None:
    """Also where Git leads it, as another file is in conflict."""
    start(sandbox, *(beside("other.safetensors", *FAR_APART) if elsewhere else FAR_APART))
    assert sandbox.theta("merge", "theirs", check=False).returncode == int(elsewhere)
    if elsewhere:
        assert f"M  {INDEX}" in sandbox.git("status", "--porcelain").stdout
        sandbox.theta("resolve", "--ours")
        sandbox.git("commit", "-qm", "merged")
    assert_merged(sandbox, {}, ["abcdefghijklm", "nopz"])


def test_totals_that_a_side_means_otherwise_are_left(sandbox: Sandbox) -> None:
    versions = ({**files, INDEX: (files[INDEX] or b"").replace(b'size": ', b'size": 9')} for files in FAR_APART)
    start(sandbox, *versions)
    sandbox.git("merge", "--no-edit", "theirs")
    assert b'size": 9' in sandbox.read(INDEX)


UNASKED = "it is contested across its files, and nobody asks us: Git mixes it up"


def test_a_rebase_by_patches_asks_no_hook_and_is_told_of(sandbox: Sandbox) -> None:
    start(sandbox, *CODES_AND_SCALES)
    done = sandbox.git("rebase", "--apply", "main", "theirs")
    assert f"{INDEX}: {UNASKED}" in done.stderr
    sandbox.git("reset", "-q", "--hard", "ORIG_HEAD")
    assert content_of(sandbox) == CODES_AND_SCALES[2]


def test_a_rebase_beside_hooks_of_others_is_told_of(sandbox: Sandbox) -> None:
    start(sandbox, *CODES_AND_SCALES)
    sandbox.git("config", "core.hooksPath", "nowhere")
    done = sandbox.git("rebase", "main", "theirs")
    assert f"{INDEX}: {UNASKED}" in done.stderr
    assert "git theta prepare-commit-msg" in done.stderr


@pytest.mark.parametrize("named", ["", "1", "stash@{1}"])
def test_a_stash_makes_no_commit_and_is_told_of(sandbox: Sandbox, named: str) -> None:
    base, ours, theirs = CODES_AND_SCALES
    start(sandbox, base, ours, base)
    sandbox.git("switch", "-q", "--detach", "main~1")
    for path, content in theirs.items():
        sandbox.write(path, content or b"")
    sandbox.git("stash", "-q")
    if named:
        sandbox.write("model.txt", b"another stash")
        sandbox.git("stash", "-q", "--include-untracked")
    sandbox.git("switch", "-q", "main")
    done = sandbox.git("stash", "pop", *filter(None, [named]))
    assert f"{INDEX}: {UNASKED}" in done.stderr


def test_a_stash_that_mixes_nothing_is_no_alarm(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de"))
    sandbox.git("switch", "-q", "--detach", "main~1")
    sandbox.write(shard_name(2, 2), sharded("abc", "de", d=2)[shard_name(2, 2)] or b"")
    sandbox.git("stash", "-q")
    sandbox.git("switch", "-q", "main")
    assert "contested" not in sandbox.git("stash", "pop").stderr


PICKS = ["-n theirs", "--no-commit main..theirs", "-nx -", "-n -m1 merged", "-nm 1 merged"]
ODD_PICKS = ["-nXours theirs", "-n -X ours theirs", "-n ^main theirs", "-n main...theirs", "-n :/theirs", "-nSk theirs"]


@pytest.mark.parametrize("picked", PICKS + ODD_PICKS)
def test_a_pick_that_is_not_committed_is_told_of(sandbox: Sandbox, picked: str) -> None:
    start(sandbox, *CODES_AND_SCALES)
    if "merged" in picked:
        merge_beside(sandbox, "theirs")
    else:
        sandbox.git("switch", "-q", "theirs")
    sandbox.git("switch", "-q", "main")
    done = sandbox.git("cherry-pick", *picked.split())
    assert f"{INDEX}: {UNASKED}" in done.stderr
    sandbox.git("reset", "-q", "--merge")
    assert content_of(sandbox) == CODES_AND_SCALES[1]


def test_a_pick_onto_what_is_staged_is_told_of(sandbox: Sandbox) -> None:
    """So is the second one of two, where nothing is committed meanwhile."""
    start(sandbox, *CODES_AND_SCALES)
    sandbox.git("switch", "-q", "--detach", "main~1")
    assert UNASKED not in sandbox.git("cherry-pick", "-n", "main").stderr
    said = sandbox.git("cherry-pick", "-n", "theirs").stderr
    assert f"{INDEX}: {UNASKED}" in said
    assert "Take it back, with all that is staged: git reset --merge\n" in said


@pytest.mark.parametrize("picked", ["codes theirs", "codes noted theirs", "^main codes theirs"])
def test_each_pick_is_onto_what_the_one_before_it_leaves(sandbox: Sandbox, picked: str) -> None:
    """Of branches that know nothing of each other: HEAD has changed neither, so that each alone mixes nothing."""
    base, codes, scales = CODES_AND_SCALES
    start(sandbox, base, base, scales)
    for name, files in (("codes", codes), ("noted", {**base, "note.txt": b"note"})):
        sandbox.git("switch", "-qc", name, "main")
        replace_files(sandbox, files, name)
    sandbox.git("switch", "-q", "main")
    assert f"{INDEX}: {UNASKED}" in sandbox.git("cherry-pick", "-n", *picked.split()).stderr


def test_a_pick_that_an_option_settles_hides_nothing_of_the_next_one(sandbox: Sandbox) -> None:
    start(sandbox, *CODES_AND_SCALES)
    sandbox.git("switch", "-qc", "noted", "main~1")
    replace_files(sandbox, {**CODES_AND_SCALES[0], "note.txt": b"theirs"}, "noted")
    sandbox.git("switch", "-q", "main")
    replace_files(sandbox, {**CODES_AND_SCALES[1], "note.txt": b"ours"}, "ours")
    assert f"{INDEX}: {UNASKED}" in sandbox.git("cherry-pick", "-n", "-Xours", "noted", "theirs").stderr


def test_so_are_reverts(sandbox: Sandbox) -> None:
    """One brings back codes, the other one scales that never stood beside them."""
    base, codes, scales = CODES_AND_SCALES
    start(sandbox, base, base, base)
    for files in (codes, base, scales, base):
        replace_files(sandbox, files, "a step")
    done = sandbox.git("revert", "-n", "main~2", "main")
    assert f"{INDEX}: {UNASKED}" in done.stderr


def test_picks_of_different_branches_that_mix_nothing_are_no_alarm(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2))
    add_more(sandbox, "")
    sandbox.git("switch", "-qc", "third", "main")
    replace_files(sandbox, sharded("abc", "de", a=1, b=2), "third")
    sandbox.git("switch", "-q", "main")
    assert "contested" not in sandbox.git("cherry-pick", "-n", "theirs", "third").stderr
    assert content_of(sandbox) == sharded("abc", "de", a=1, b=2, d=2)


def test_a_pick_of_a_first_commit_is_told_of(sandbox: Sandbox) -> None:
    """What it is relative to is nothing: whatever is in it was added."""
    first, second = (without_index(sharded(*shards)) for shards in (("abcx", "de"), ("abc", "dex")))
    start(sandbox, *[{shard_name(1, 2): first[shard_name(1, 2)]}] * 3)
    sandbox.git("switch", "-q", "--orphan", "other")
    sandbox.git("checkout", "-q", "main", "--", ".gitattributes")
    replace_files(sandbox, {shard_name(2, 2): second[shard_name(2, 2)]}, "the first one")
    sandbox.git("switch", "-q", "main")
    assert UNASKED in sandbox.git("cherry-pick", "-n", "other").stderr


def test_picks_that_follow_each_other_are_one_change(sandbox: Sandbox) -> None:
    """What was trained step by step is mixed up with nothing: HEAD has changed none of it."""
    start(sandbox, quantised(56, 1), quantised(56, 1), quantised(57, 1))
    sandbox.git("switch", "-q", "theirs")
    replace_files(sandbox, quantised(57, 2), "scales")
    sandbox.git("switch", "-q", "main")
    assert "contested" not in sandbox.git("cherry-pick", "-n", "theirs~1", "theirs").stderr
    assert content_of(sandbox) == quantised(57, 2)


def test_a_revert_that_is_not_committed_is_told_of(sandbox: Sandbox) -> None:
    base, ours, theirs = CODES_AND_SCALES
    start(sandbox, theirs, base, theirs)
    sandbox.git("tag", "undone")
    replace_files(sandbox, ours, "ours")
    done = sandbox.git("revert", "-n", "undone")
    assert f"{INDEX}: {UNASKED}" in done.stderr


def test_a_pick_that_mixes_nothing_is_no_alarm(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2))
    assert "contested" not in sandbox.git("cherry-pick", "-n", "theirs").stderr


@TWO
@pytest.mark.parametrize("changed", ["notes.txt", shard_name(2, 2)])
def test_what_changes_no_checkpoint_needs_no_interpreter(sandbox: Sandbox, way: str, changed: str) -> None:
    """A rebase asks for each of its commits, and most of these may be about scripts and notes."""
    base: Files = {**sharded("abc", "de"), "notes.txt": b"base"}
    theirs = {**base, changed: {**sharded("abc", "de", d=2), "notes.txt": b"theirs"}[changed]}
    start(sandbox, *((theirs, base, theirs) if way == "revert" else (base, {**base, "ours.txt": b"ours"}, theirs)))
    hook = sandbox.root / ".git/hooks/prepare-commit-msg"
    unmarked = hook.read_text().replace(">>>", "")  # a filter would write ours anew
    hook.write_text(re.sub(r"\S+/python", "/nowhere/python", unmarked))
    done = sandbox.git(*("revert --no-edit HEAD" if way == "revert" else WAYS[way][0]).split(), check=False)
    if way in ("squash", "no-commit"):
        done = sandbox.git("commit", "-m", "merged", check=False)
    needed = changed != "notes.txt"
    assert (done.returncode != 0, "not installed any more at /nowhere/python" in done.stderr) == (needed, needed)


def edit_rebase(sandbox: Sandbox, command: str) -> None:
    """Have the next list of a rebase edited by this command of sed."""
    sandbox.git("config", "core.editor", "true")
    sandbox.git("config", "sequence.editor", f"sed -i {command}")


def write_line(sandbox: Sandbox, content: bytes, message: str) -> None:
    sandbox.write("text", content)
    sandbox.git("add", "text")
    sandbox.git("commit", "-qm", message)


def test_a_line_of_a_rebase_may_be_short(sandbox: Sandbox) -> None:
    """Git writes ``f`` for ``fixup`` where a list is edited once more, and people do."""
    base, ours, theirs = CODES_AND_SCALES
    start(sandbox, base, ours, theirs)
    sandbox.git("switch", "-qc", "other", "main~1")
    write_line(sandbox, b"text", "first")
    replace_files(sandbox, theirs, "second")
    edit_rebase(sandbox, "1s/pick/edit/")
    sandbox.git("rebase", "-i", "main")
    edit_rebase(sandbox, "1s/^p[a-z]*/f/")
    sandbox.git("-c", "rebase.abbreviateCommands=true", "rebase", "--edit-todo")
    done = sandbox.git("rebase", "--continue", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)


def end_a_rebase(sandbox: Sandbox) -> None:
    """Rebase a text with a conflict: its REBASE_HEAD stays behind."""
    sandbox.git("switch", "-qc", "other", "main~1")
    write_line(sandbox, b"theirs", "text of theirs")
    sandbox.git("switch", "-qc", "onto", "main")
    write_line(sandbox, b"ours", "text of ours")
    sandbox.git("rebase", "onto", "other", check=False)
    sandbox.git("add", "text")
    sandbox.git("commit", "-qm", "text of both")
    sandbox.git("rebase", "--continue")


def stop_a_rebase(sandbox: Sandbox) -> None:
    """Stop where a commit was made that is to be edited."""
    write_line(sandbox, b"ours", "text of ours")
    edit_rebase(sandbox, "1s/pick/edit/")
    sandbox.git("rebase", "-i", "HEAD~1")


@pytest.mark.parametrize("prepare", [end_a_rebase, stop_a_rebase])
@pytest.mark.parametrize("way", ["squash", "revert"])
def test_a_rebase_of_something_else_hides_nothing(
    sandbox: Sandbox, prepare: Callable[[Sandbox], None], way: str
) -> None:
    base, ours, theirs = CODES_AND_SCALES
    if way == "squash":
        start(sandbox, base, ours, theirs)
    else:
        start(sandbox, theirs, base, theirs)
        sandbox.git("tag", "undone")
        replace_files(sandbox, ours, "ours")
    prepare(sandbox)
    assert (sandbox.root / ".git" / "REBASE_HEAD").exists()
    done = sandbox.git(*WAYS[way][0].split(), check=False)
    if way == "squash":
        done = sandbox.git("commit", "-qm", "merged", check=False)
    assert (done.returncode != 0, TOLD in done.stderr) == (True, True)
