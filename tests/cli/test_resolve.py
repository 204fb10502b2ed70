"""``git theta resolve``: contested parameters are settled some at a time; the file is staged when nothing is left."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from git_theta.manifest.text import is_manifest
from tests.docs.test_command_reference import PARTS, code_words, keys
from tests.integration.checkpoint_history import assert_round_trip
from tests.questions import answer_questions
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once
from tests.two_branches import BASE, MODEL, at, contested, fork, objects_of, stages, tensor

TWO = ("layer.weight", "layer.bias")


@pytest.fixture
def conflict(sandbox: Sandbox) -> Sandbox:
    """A merge that stopped: ``layer.weight`` and ``layer.bias`` are contested."""
    contested(sandbox, *TWO)
    _stop(sandbox)
    return sandbox


@built_once
def _stop(sandbox: Sandbox) -> None:
    assert sandbox.git("merge", "side", check=False).returncode == 1


def resolved(sandbox: Sandbox, *arguments: str, code: int = 0) -> str:
    """What ``git theta resolve ARGUMENTS`` says."""
    done = sandbox.theta("resolve", *arguments, check=False)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def expected(sandbox: Sandbox, **sides: str) -> bytes:
    """The merged file with these sides for what is contested (dots spelled with two underscores)."""
    result = changed(BASE, "embed.weight", tensor(at(sandbox, "ours"), "embed.weight"))
    for name, side in sides.items():
        dotted = name.replace("__", ".")
        result = changed(result, dotted, tensor(at(sandbox, side), dotted))
    return result


def listed(sandbox: Sandbox) -> Any:
    """The names that ``git theta status`` calls contested."""
    [file] = json.loads(sandbox.theta("status", "--json").stdout)["files"]
    return file["contested"]


def test_status_names_what_is_contested(conflict: Sandbox) -> None:
    assert listed(conflict) == list(TWO)
    assert "\n  contested: layer.weight\n  contested: layer.bias\n" in conflict.theta("status").stdout


def test_status_plans_again_where_no_note_is_left(conflict: Sandbox) -> None:
    shutil.rmtree(conflict.root / ".git/theta/conflicts")
    assert listed(conflict) == list(TWO)
    resolved(conflict, "--theirs")
    assert_staged(conflict, expected(conflict, layer__weight="theirs", layer__bias="theirs"))


def assert_staged(sandbox: Sandbox, content: bytes) -> None:
    """The worktree has this file, the index its manifest, and Git need not look at it again."""
    assert stages(sandbox) == [0]
    assert sandbox.read(MODEL) == content
    assert sandbox.git("diff", "--name-only").stdout == ""
    sandbox.git("commit", "-q", "--no-edit")
    assert_round_trip(sandbox, {MODEL: content})
    assert not list((sandbox.root / ".git/theta/conflicts").glob("*"))


@pytest.mark.parametrize("side", ["ours", "theirs", "base"])
def test_a_side_settles_everything_bit_for_bit(conflict: Sandbox, side: str) -> None:
    assert "2 settled, nothing left; staged" in resolved(conflict, f"--{side}")
    assert_staged(conflict, expected(conflict, layer__weight=side, layer__bias=side))


def test_some_at_a_time(conflict: Sandbox) -> None:
    said = resolved(conflict, "--theirs", "--only", "*.bias", code=1)
    assert "1 settled, 1 contested parameter left\n  layer.weight\n" in said
    assert stages(conflict) == [1, 2, 3]
    assert listed(conflict) == ["layer.weight"]
    assert conflict.read(MODEL) == expected(conflict, layer__weight="ours", layer__bias="theirs")
    resolved(conflict, "--base", "--only", "layer.*", MODEL)
    assert_staged(conflict, expected(conflict, layer__weight="base", layer__bias="theirs"))


def test_a_glob_that_matches_nothing_is_told(conflict: Sandbox) -> None:
    said = resolved(conflict, "--theirs", "--only", "*.bias", "--only", "head.*", code=1)
    assert said.count("warning") == 1
    assert "--only head.*: nothing that is contested is called so" in said


def test_a_strategy_and_then_a_side_keep_what_was_computed(conflict: Sandbox) -> None:
    resolved(conflict, "-s", "weighted", "--only", "layer.bias", code=1)
    resolved(conflict, "--theirs")
    ours, theirs = (np.frombuffer(tensor(at(conflict, tag), "layer.bias"), "<f4") for tag in ("ours", "theirs"))
    mean = changed(expected(conflict, layer__weight="theirs"), "layer.bias", ((ours + theirs) / 2).tobytes())
    assert_staged(conflict, mean)


def test_the_commit_of_a_merge_says_how_it_was_settled(conflict: Sandbox) -> None:
    resolved(conflict, "-s", "weighted", "--only", "*.weight", code=1)
    resolved(conflict, "--theirs")
    conflict.git("commit", "--no-edit")
    assert conflict.git("log", "-1", "--format=%(trailers:key=Theta-Merge,valueonly)").stdout.split("\n")[:2] == [
        f"{MODEL} weighted 1 contested of 3",
        f"{MODEL} theirs 1 contested of 3",
    ]


def test_what_one_strategy_settled_at_times_adds_up(sandbox: Sandbox) -> None:
    contested(sandbox, *TWO, "embed.weight")
    _stop(sandbox)
    resolved(sandbox, "--ours", "--only", "*.bias", code=1)
    resolved(sandbox, "--ours", "--only", "layer.weight", code=1)
    assert theta_lines(sandbox) == [f"Theta-Merge: {MODEL} ours 2 contested of 3"]
    sandbox.git("checkout", "--merge", "--", MODEL)
    resolved(sandbox, "--theirs", "--only", "*.bias", code=1)
    resolved(sandbox, "--ours")
    assert theta_lines(sandbox) == [
        f"Theta-Merge: {MODEL} theirs 1 contested of 3",
        f"Theta-Merge: {MODEL} ours 2 contested of 3",
    ]


def test_a_file_that_is_kept_whole_is_told_as_such(sandbox: Sandbox) -> None:
    fork(sandbox, {"a.pt": b"base"}, {"a.pt": b"ours"}, {"a.pt": b"theirs"})
    assert sandbox.git("merge", "side", check=False).returncode == 1
    resolved(sandbox, "--theirs")
    assert theta_lines(sandbox) == ["Theta-Merge: a.pt theirs as a whole"]


def theta_lines(sandbox: Sandbox) -> list[str]:
    """What the message of the merge that is under way says of how it was settled."""
    lines = (sandbox.root / ".git/MERGE_MSG").read_text().splitlines()
    return [line for line in lines if line.startswith("Theta-")]


def test_a_pick_that_was_settled_keeps_its_message(sandbox: Sandbox) -> None:
    contested(sandbox, *TWO)
    assert sandbox.git("cherry-pick", "side", check=False).returncode == 1
    resolved(sandbox, "--theirs")
    sandbox.git("-c", "core.editor=true", "cherry-pick", "--continue")
    messages = [sandbox.git("log", "-1", "--format=%B", commit).stdout for commit in ("HEAD", "side")]
    assert messages[0] == messages[1]


def test_options_reach_the_strategy(conflict: Sandbox) -> None:
    resolved(conflict, "-s", "task-arithmetic", "-o", "lambda=0")
    assert_staged(conflict, expected(conflict, layer__weight="base", layer__bias="base"))


def test_what_is_left_comes_with_what_settles_it(conflict: Sandbox) -> None:
    done = conflict.theta("resolve", check=False)
    assert done.stderr.startswith("hint: Settle them: git theta resolve -s STRATEGY, or --ours")
    assert not conflict.theta("resolve", "--theirs").stderr


def test_without_a_strategy_the_configured_one_is_applied(conflict: Sandbox) -> None:
    assert "0 settled, 2 contested parameters left" in resolved(conflict, code=1)
    conflict.git("config", "theta.merge.strategy", "theirs")
    resolved(conflict)
    assert_staged(conflict, expected(conflict, layer__weight="theirs", layer__bias="theirs"))


def test_a_large_file(sandbox: Sandbox) -> None:
    base = model(0, a=(1500, 1500), b=30)
    ours, theirs = changed(base, "b"), changed(changed(base, "b", at=4), "a")
    fork(sandbox, {MODEL: base}, {MODEL: ours}, {MODEL: theirs})
    assert sandbox.git("merge", "side", check=False).returncode == 1
    assert sandbox.read(MODEL) == changed(ours, "a")
    resolved(sandbox, "--theirs")
    assert_staged(sandbox, theirs)


def test_a_path_with_an_odd_name_from_a_folder_below(sandbox: Sandbox) -> None:
    odd = "sub/a *[new]\nline.safetensors"
    ours, theirs = changed(BASE, "layer.bias"), changed(BASE, "layer.bias", at=4)
    fork(sandbox, {odd: BASE}, {odd: ours}, {odd: theirs})
    assert sandbox.git("merge", "side", check=False).returncode == 1
    resolved(Sandbox(sandbox.root / "sub"), "--theirs", ".")
    assert sandbox.read(odd) == theirs
    assert sandbox.git("status", "--porcelain", "-z").stdout == f"M  {odd}\0"


def test_in_a_linked_worktree(sandbox: Sandbox) -> None:
    contested(sandbox, *TWO)
    sandbox.git("worktree", "add", "-q", "../linked", "ours")
    linked = Sandbox(sandbox.root.parent / "linked")
    assert linked.git("merge", "side", check=False).returncode == 1
    resolved(linked, "--theirs", "--only", "*.bias", code=1)
    assert listed(linked) == ["layer.weight"]
    resolved(linked, "--theirs")
    assert stages(linked) == [0]


def test_metadata_is_settled_by_a_side(sandbox: Sandbox) -> None:
    def tagged(tag: bytes) -> bytes:
        length = int.from_bytes(BASE[:8], "little")
        header = b'{"__metadata__":{"by":"%b"},' % tag + BASE[9 : 8 + length]
        header += b" " * (-len(header) % 8)
        return len(header).to_bytes(8, "little") + header + BASE[8 + length :]

    fork(sandbox, {MODEL: BASE}, {MODEL: tagged(b"us")}, {MODEL: tagged(b"them")})
    assert sandbox.git("merge", "side", check=False).returncode == 1
    assert listed(sandbox) == ["(frame) by"]
    assert "(frame) by (base none; ours 'us'; theirs 'them')" in resolved(
        sandbox, "--theirs", "--only", "layer.*", code=1
    )
    resolved(sandbox, "--theirs")
    assert_staged(sandbox, tagged(b"them"))


def _with_metadata(**said: str) -> bytes:
    length = int.from_bytes(BASE[:8], "little")
    text = json.dumps({"__metadata__": said}, separators=(",", ":"))
    header = text[:-1].encode() + b"," + BASE[9 : 8 + length]
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + BASE[8 + length :]


def _metadata_of(checkpoint: bytes) -> Any:
    return json.loads(checkpoint[8 : 8 + int.from_bytes(checkpoint[:8], "little")])["__metadata__"]


@pytest.fixture
def keys_conflict(sandbox: Sandbox) -> Sandbox:
    """Both sides changed two keys, and each one more."""
    base = {"step": "0", "lr": "1", "by": "base", "run": "a"}
    ours, theirs = base | {"step": "1", "lr": "2", "by": "us"}, base | {"step": "3", "lr": "4", "run": "b"}
    fork(sandbox, *({MODEL: _with_metadata(**said)} for said in (base, ours, theirs)))
    assert sandbox.git("merge", "side", check=False).returncode == 1
    return sandbox


def test_metadata_are_settled_by_key(keys_conflict: Sandbox) -> None:
    assert listed(keys_conflict) == ["(frame) lr", "(frame) step"]
    merged = {"step": "1", "lr": "2", "by": "us", "run": "b"}
    assert _metadata_of(keys_conflict.read(MODEL)) == merged
    said = resolved(keys_conflict, "--theirs", "--only", "(frame) step", code=1)
    assert "1 settled, 1 contested parameter left\n  (frame) lr (base '1'; ours '2'; theirs '4')" in said
    assert listed(keys_conflict) == ["(frame) lr"]
    assert _metadata_of(keys_conflict.read(MODEL)) == merged | {"step": "3"}
    resolved(keys_conflict, "--base")
    assert stages(keys_conflict) == [0]
    assert _metadata_of(keys_conflict.read(MODEL)) == merged | {"step": "3", "lr": "1"}
    assert theta_lines(keys_conflict) == [f"Theta-Merge: {MODEL} {side} 1 of the frame" for side in ("theirs", "base")]


def test_a_person_is_asked_about_keys(keys_conflict: Sandbox) -> None:
    code, said = answer_questions(keys_conflict, ["theirs", "base"], "--only", "(frame)*")
    assert code == 0, said
    assert "1 of 2: (frame) lr" in said and "base '1'; ours '2'; theirs '4'" in said
    assert _metadata_of(keys_conflict.read(MODEL)) == {"step": "0", "lr": "4", "by": "us", "run": "b"}


# What stays the person's ---------------------------------------------------------------------------------------------


def test_a_file_that_was_changed_since_is_not_overwritten(conflict: Sandbox) -> None:
    mine = changed(conflict.read(MODEL), "embed.weight", b"mine")
    conflict.write(MODEL, mine)
    said = resolved(conflict, "--theirs", code=2)
    assert "the file was changed since the merge" in said and "git checkout --merge" in said
    assert conflict.read(MODEL) == mine
    assert stages(conflict) == [1, 2, 3]
    conflict.git("checkout", "--merge", "--", MODEL)
    resolved(conflict, "--theirs")


def test_a_file_that_was_removed_is_written(conflict: Sandbox) -> None:
    (conflict.root / MODEL).unlink()
    resolved(conflict, "--ours")
    assert_staged(conflict, expected(conflict, layer__weight="ours", layer__bias="ours"))


def test_an_object_that_is_missing_leaves_everything_as_it_was(conflict: Sandbox) -> None:
    before = conflict.read(MODEL)
    [lost] = objects_of(conflict, "theirs", "layer.weight")
    lost.unlink()
    assert lost.name in resolved(conflict, "-s", "average", code=3)
    assert (conflict.read(MODEL), stages(conflict)) == (before, [1, 2, 3])
    assert lost.name in resolved(conflict, "--theirs", code=3)
    assert (conflict.read(MODEL), stages(conflict)) == (before, [1, 2, 3])


def test_deleted_against_modified_is_left_to_git_where_nobody_knows_the_commits(sandbox: Sandbox) -> None:
    fork(sandbox, {MODEL: BASE}, {MODEL: None, "other": b""}, {MODEL: BASE})
    sandbox.git("switch", "-q", "--detach", "side")
    sandbox.write(MODEL, changed(BASE, "layer.bias"))
    sandbox.git("stash", "-q")
    sandbox.git("switch", "-q", "main")
    assert sandbox.git("stash", "pop", check=False).returncode == 1
    assert "not a conflict by parameters" in resolved(sandbox, "--ours", code=1)
    assert stages(sandbox) == [1, 3]
    said = sandbox.theta("resolve", "--ours", check=False).stderr
    assert f"To keep it: git checkout --theirs -- {MODEL}; git add {MODEL}." in said
    assert "index" not in said
    sandbox.git("checkout", "--theirs", "--", MODEL)
    sandbox.git("add", MODEL)
    assert sandbox.read(MODEL) == changed(BASE, "layer.bias")


def test_nothing_is_in_conflict(sandbox: Sandbox) -> None:
    contested(sandbox)
    assert resolved(sandbox, "--ours") == "no file in conflict\n"
    assert "no file in conflict matches" in resolved(sandbox, "--ours", MODEL, code=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-s", "averege"], "average"),
        (["-o", "density=1"], "Name the strategy"),
        (["-s", "ties", "-o", "densty=1"], "density"),
        (["-s", "ties", "--ours"], "exclude each other"),
        (["-i", "--ours"], "-i asks for each parameter"),
        (["-i"], "standard input is no terminal"),
        (["--only", ""], "glob"),
    ],
)
def test_what_makes_no_sense_is_refused(conflict: Sandbox, arguments: list[str], words: str) -> None:
    assert words in resolved(conflict, *arguments, code=2)
    assert stages(conflict) == [1, 2, 3]


def test_json(conflict: Sandbox) -> None:
    data = json.loads(resolved(conflict, "--theirs", "--only", "*.bias", "--json", code=1))
    assert data == {
        "files": [
            {
                "path": MODEL,
                "taken": None,
                "by_parameters": True,
                "staged": False,
                "settled": [{"names": ["layer.bias"], "strategy": "theirs", "options": {}, "notes": []}],
                "left": [{"names": ["layer.weight"], "state": "contested", "reason": None}],
            }
        ]
    }
    assert set(keys(data)) - code_words(PARTS["resolve"]) == set()


# git add -------------------------------------------------------------------------------------------------------------


def test_adding_a_file_in_conflict_says_what_that_recorded(conflict: Sandbox) -> None:
    done = conflict.git("add", MODEL)
    assert f"{MODEL}: 2 contested parameters are recorded as ours: layer.weight, layer.bias" in done.stderr


def test_only_what_is_left_and_ours_counts(conflict: Sandbox) -> None:
    resolved(conflict, "--theirs", "--only", "*.bias", code=1)
    assert "1 contested parameter is recorded as ours: layer.weight\n" in conflict.git("commit", "-qam", "m").stderr


def test_a_parameter_that_the_person_settled_otherwise_does_not_count(conflict: Sandbox) -> None:
    conflict.write(MODEL, changed(conflict.read(MODEL), "layer.weight", b"mine"))
    assert "1 contested parameter is recorded as ours: layer.bias\n" in conflict.git("add", MODEL).stderr


def test_looking_at_a_conflict_records_nothing(conflict: Sandbox) -> None:
    for command in (["status"], ["diff"], ["hash-object", MODEL]):
        assert "recorded" not in conflict.git(*command).stderr


def test_later_files_are_added_without_a_word(conflict: Sandbox) -> None:
    conflict.git("add", MODEL)
    conflict.write("other.safetensors", model(4))
    assert conflict.git("add", "other.safetensors").stderr == ""
    assert not list((conflict.root / ".git/theta/conflicts").iterdir())


# -i ------------------------------------------------------------------------------------------------------------------


def test_a_person_is_shown_both_changes_and_asked(conflict: Sandbox) -> None:
    code, said = answer_questions(conflict, ["theirs", "b"])
    assert code == 0, said
    assert "1 of 2: layer.weight" in said and "2 of 2: layer.bias" in said
    base, ours, theirs = (
        np.frombuffer(tensor(at(conflict, tag), "layer.weight"), "<f4").astype("f8")
        for tag in ("base", "ours", "theirs")
    )
    norms = [np.linalg.norm(side - base) for side in (ours, theirs)]
    cosine = (ours - base) @ (theirs - base) / (norms[0] * norms[1])
    assert f"change: ours {norms[0]:.4g}, theirs {norms[1]:.4g}; cosine {cosine:.4f}" in said
    assert_staged(conflict, expected(conflict, layer__weight="theirs", layer__bias="base"))


def test_a_person_may_skip_and_quit(conflict: Sandbox) -> None:
    code, said = answer_questions(conflict, ["", "quit"])
    assert code == 1 and "0 settled, 2 contested parameters left" in said
    code, said = answer_questions(conflict, ["nonsense", "average", "q"])
    assert code == 1 and "1 settled, 1 contested parameter left" in said
    assert listed(conflict) == ["layer.bias"]


def test_who_quits_is_asked_about_no_other_file(sandbox: Sandbox) -> None:
    ours, theirs = (changed(BASE, "layer.bias", bytes(4), at=at) for at in (8, 16))
    fork(sandbox, *({"a.safetensors": one, "b.safetensors": one} for one in (BASE, ours, theirs)))
    _stop(sandbox)
    code, said = answer_questions(sandbox, ["quit"])
    assert code == 1 and said.count("1 of 1: layer.bias") == 1
    assert said.count("0 settled, 1 contested parameter left") == 2
    code, said = answer_questions(sandbox, ["ours", "theirs"])
    assert code == 0 and said.count("1 of 1: layer.bias") == 2


@pytest.mark.parametrize(("answer", "strategy"), [("theirs!", "theirs"), (" O! ", "ours"), ("average !", "average")])
def test_an_answer_may_be_one_for_all(sandbox: Sandbox, answer: str, strategy: str) -> None:
    ours, theirs = (
        changed(changed(BASE, "layer.weight", bytes(4), at=at), "layer.bias", bytes(4), at=at) for at in (8, 16)
    )
    fork(sandbox, *({"a.safetensors": one, "b.safetensors": one} for one in (BASE, ours, theirs)))
    _stop(sandbox)
    code, said = answer_questions(sandbox, ["base", answer])
    assert code == 0 and said.count(" of 2: ") == 2
    sides = {
        side: np.frombuffer(tensor(one, "layer.bias"), "<f4") for side, one in (("ours", ours), ("theirs", theirs))
    }
    sides["average"] = np.mean([sides["ours"], sides["theirs"]], axis=0)
    first, second = (sandbox.read(f"{name}.safetensors") for name in "ab")
    assert tensor(first, "layer.weight") == tensor(BASE, "layer.weight") != tensor(second, "layer.weight")
    for merged in (first, second):
        assert np.array_equal(np.frombuffer(tensor(merged, "layer.bias"), "<f4"), sides[strategy])


def test_to_skip_all_is_to_quit(conflict: Sandbox) -> None:
    code, said = answer_questions(conflict, ["theirs", "s!"])
    assert code == 1 and "1 settled, 1 contested parameter left" in said


def test_what_is_no_answer_is_asked_again(conflict: Sandbox) -> None:
    code, said = answer_questions(conflict, ["!", "x!", "t!heirs", "t!!", "o!"])
    assert code == 0 and said.count("is none of") == 4
    assert "'x!' is none of ours, theirs, base, average, skip, quit" in said


def test_a_person_is_asked_about_some_alone(conflict: Sandbox) -> None:
    code, said = answer_questions(conflict, ["o"], "--only", "*.bias")
    assert code == 1 and "1 of 1: layer.bias" in said
    assert listed(conflict) == ["layer.weight"]


def test_what_is_staged_is_a_manifest(conflict: Sandbox) -> None:
    resolved(conflict, "--ours")
    assert is_manifest(conflict.git("cat-file", "blob", f":{MODEL}").stdout.encode())
