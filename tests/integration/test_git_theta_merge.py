"""``git theta merge``, as a person types it: one head through Git, many at once, recipes; nothing changes on errors."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import git_theta
from tests.integration.three_branches import (
    BASE,
    MODEL,
    NEW,
    added,
    assert_clean,
    branch,
    everything,
    message,
    on_main,
    parents,
    started,
    values,
)
from tests.sandbox import Sandbox, model, safetensors_bytes


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """``main`` with a checkpoint and a note; ``fork`` is the commit that branches start at."""
    return started(sandbox)


# One head


def test_one_head_is_merged_by_git_with_what_was_handed_on(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1, b__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    repository.theta("merge", "topic", "-s", "weighted", "--weights", "1,3")
    assert np.array_equal(
        values(repository.read(MODEL), "a.weight"),
        (values(added(BASE, a__weight=3), "a.weight") + 3 * values(added(BASE, a__weight=1), "a.weight")) / 4,
    )
    assert np.array_equal(values(repository.read(MODEL), "b.weight"), values(BASE, "b.weight") + 1)
    assert len(parents(repository)) == 2
    assert message(repository) == [
        "Merge branch 'topic'",
        "",
        f"Theta-Merge: {MODEL} weighted weights=1,3 1 contested of 3",
    ]
    assert_clean(repository)


def test_trailers_name_options_and_a_line_per_strategy(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1, a__bias=1, b__weight=1))
    on_main(repository, added(BASE, a__weight=3, a__bias=2, b__weight=2))
    repository.theta("merge", "topic", "-s", "ties", "-o", "density=0.5", "--for", "*.bias=ours", "-m", "Both")
    assert message(repository) == [
        "Both",
        "",
        f"Theta-Merge: {MODEL} ties density=0.5 2 contested of 3",
        f"Theta-Merge: {MODEL} ours 1 contested of 3",
    ]


def test_smear_puts_weights_and_entropy_into_the_commit(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    repository.theta("merge", "topic", "-s", "smear", "-o", "scores=0,0")
    [line] = message(repository)[2:]
    assert line.endswith("smear scores=0,0 weights=0.5,0.5 entropy=0.6931 1 contested of 3")


def test_what_computed_stands_in_the_commit_where_the_last_bit_depends_on_it(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1, a__bias=1))
    on_main(repository, added(BASE, a__weight=3, a__bias=2))
    repository.theta("merge", "topic", "-s", "iso-c", "--for", "*.bias=average")
    first, second = message(repository)[2:]
    assert re.fullmatch(rf"Theta-Merge: {MODEL} iso-c \(numpy [^()]+\) 1 contested of 3", first)
    assert second == f"Theta-Merge: {MODEL} average 1 contested of 3"


@pytest.mark.parametrize("plan", [[], ["--plan"]], ids=["merge", "plan"])
def test_a_rule_that_matches_nothing_is_told(repository: Sandbox, plan: list[str]) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    rules = ["--for", "a.wait=ours", "--for", "(frame) step=ours", "--for", "b.*=theirs"]
    said = repository.theta("merge", *plan, "topic", "-s", "average", *rules).stderr
    assert said.count("warning") == 1
    assert "--for a.wait=ours: nothing that is merged is called so" in said


def test_a_fast_forward_stays_one(repository: Sandbox) -> None:
    commit = branch(repository, "topic", added(BASE, a__weight=1))
    repository.theta("merge", "topic", "-s", "average")
    assert repository.git("rev-parse", "HEAD").stdout.strip() == commit
    assert_clean(repository)


def test_branches_that_differ_in_no_checkpoint_are_merged_as_others_are(repository: Sandbox) -> None:
    branch(repository, "topic", BASE, note=b"topic")
    repository.write("other.txt", b"main")
    repository.git("add", "other.txt")
    repository.git("commit", "-qm", "other")
    said = repository.theta("merge", "topic", "-m", "both")
    assert "stopped before committing" not in said.stderr
    assert (len(parents(repository)), message(repository)[0]) == (2, "both")
    assert repository.read("note.txt") == b"topic"
    assert_clean(repository)


def differ_in_notes(repository: Sandbox) -> None:
    branch(repository, "topic", BASE, note=b"one\n\n\n\n\ntopic\n")
    repository.write("other.txt", b"main")
    repository.git("add", "other.txt")
    repository.git("commit", "-qm", "other")


def test_options_of_a_branch_count_where_no_checkpoint_differs(repository: Sandbox) -> None:
    differ_in_notes(repository)
    repository.git("-c", "branch.main.mergeOptions=--squash", "theta", "merge", "topic")
    assert message(repository)[0] == "other"
    assert repository.git("status", "--porcelain").stdout == "M  note.txt\n"


def test_a_strategy_of_gits_own_counts_where_no_checkpoint_differs(repository: Sandbox) -> None:
    differ_in_notes(repository)
    before = repository.read("note.txt")
    repository.git("-c", "pull.twohead=ours", "theta", "merge", "topic")
    assert len(parents(repository)) == 2
    assert repository.read("note.txt") == before


def test_line_ends_are_made_alike_where_no_checkpoint_differs(repository: Sandbox) -> None:
    """One side was committed with other line ends, and says so: Git is asked to compare what both would be."""
    branch(repository, "topic", BASE, note=b"one\r\n\r\n\r\n\r\n\r\ntopic\r\n")
    repository.write(".gitattributes", repository.read(".gitattributes") + b"*.txt text\n")
    repository.write("note.txt", b"main\n\n\n\n\ntwo\n")
    repository.commit("text")
    repository.git("-c", "merge.renormalize=true", "theta", "merge", "topic")
    assert repository.read("note.txt") == b"main\n\n\n\n\ntopic\n"


def test_git_stashes_meanwhile_where_no_checkpoint_differs(repository: Sandbox) -> None:
    differ_in_notes(repository)
    repository.write("note.txt", b"mine\n\n\n\n\ntwo\n")
    repository.git("-c", "merge.autoStash=true", "theta", "merge", "topic")
    assert len(parents(repository)) == 2
    assert repository.read("note.txt") == b"mine\n\n\n\n\ntopic\n"


def test_up_to_date(repository: Sandbox) -> None:
    before = everything(repository)
    assert repository.theta("merge", "fork").stdout == "Already up to date.\n"
    assert everything(repository) == before


def test_conflicts_are_left_as_git_leaves_them(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1, a__bias=1))
    on_main(repository, added(BASE, a__weight=3, a__bias=2))
    done = repository.theta("merge", "topic", "--for", "*.bias=average", check=False)
    assert done.returncode == 1
    assert "a.weight" in done.stderr
    assert repository.git("ls-files", "-u").stdout.count(MODEL) == 3
    # What a strategy did is in the message that the person's commit will have.
    repository.git("add", MODEL)
    repository.git("commit", "--quiet", "--no-edit", "--cleanup=strip")
    assert f"Theta-Merge: {MODEL} average 1 contested of 3" in message(repository)


def test_no_commit_waits_for_the_person(repository: Sandbox) -> None:
    head = repository.git("rev-parse", "HEAD").stdout
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    repository.theta("merge", "topic", "-s", "average", "--no-commit")
    assert repository.git("rev-parse", "HEAD~").stdout == head
    assert repository.git("status", "--porcelain").stdout == f"M  {MODEL}\n"
    repository.git("commit", "--quiet", "--no-edit")
    assert message(repository)[-1].startswith("Theta-Merge: ")
    assert len(parents(repository)) == 2


def test_text_conflicts_of_two_heads_are_left_too(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1), note=b"ours\n")
    repository.write("note.txt", b"theirs\n")
    on_main(repository, added(BASE, a__weight=3))
    done = repository.theta("merge", "topic", "-s", "average", check=False)
    assert done.returncode == 1
    assert repository.git("diff", "--name-only", "--diff-filter=U").stdout == "note.txt\n"


def test_git_refuses_to_overwrite_and_says_so(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    repository.write(MODEL, added(BASE, b__weight=5))
    before = everything(repository)
    done = repository.theta("merge", "topic", "-s", "average", check=False)
    assert done.returncode not in (0, 1)
    assert "would be overwritten" in done.stderr
    assert everything(repository) == before


# Errors


IMPOSSIBLE = [
    (["-s", "tie"], "Did you mean 'ties'"),
    (["-s", "ties", "-o", "densty=0.5"], "Did you mean 'density'"),
    (["-s", "ties", "-o", "density=2"], "density takes a number in (0, 1]"),
    (["-o", "density=0.5"], "is an option of no strategy"),
    (["--for", "*.weight"], "Write GLOB=STRATEGY"),
    (["--for", "none.*=averag"], "Did you mean 'average'"),
    (["-s", "weighted", "--weights", "1,2,3"], "3 weights for 2 heads"),
    (["-s", "weighted", "--weights", "1,x"], "--weights: 'x', which is 2 of 2, is no number"),
    (["-s", "weighted", "--weights", "1, 2,"], "--weights: 3 of 3 is empty"),
    (["-s", "weighted", "--weights", "1,topic=2"], "--weights: 'topic=2', which is 2 of 2, is no number"),
    (["-s", "weighted", "--weights", "nan,1"], "--weights: 'nan', which is 1 of 2, is no number"),
    (["-s", "weighted", "--weights", "1,1e999"], "the weight of topic is inf"),
    (["-s", "average", "--weights", "1,2"], "no strategy that is used here takes weights"),
    (["-s", "average", "--device", "gpu"], "Write auto, cpu, cuda or cuda:N."),
    (["-s", "average", "--device", "cuda:99"], "there is no device cuda:99"),
    (["-s", "average", "--report", "out.txt"], "a report is .md or .json"),
    (["-s", "average", "--report", "none/out.md"], "cannot be written there"),
    (["-s", "average", "--base", "nothing"], "'nothing' is no commit here"),
    (["nothing"], "'nothing' is no commit here"),
]
"""What is typed after the head, and what is said about it."""


def test_what_cannot_be_is_refused_before_anything_is_done(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    before = everything(repository)
    for arguments, said in IMPOSSIBLE:
        done = repository.theta("merge", "topic", *arguments, check=False)
        assert (done.returncode, said in done.stderr) == (2, True), f"{arguments}: {done.stderr}"
    assert everything(repository) == before


@pytest.mark.parametrize("heads", [["a"], ["a", "b"]], ids=len)
def test_a_missing_object_is_named_and_nothing_is_changed(repository: Sandbox, heads: list[str]) -> None:
    for number, name in enumerate(heads, 1):
        branch(repository, name, added(BASE, a__weight=number))
    on_main(repository, added(BASE, a__weight=5))
    objects = repository.root / ".git/theta/objects"
    kept = {file for file in objects.rglob("*") if file.is_file()}
    theirs, ours = (repository.git("cat-file", "blob", f"{head}:{MODEL}").stdout for head in ("a", "HEAD"))
    for file in kept:
        if file.name in theirs and file.name not in ours:
            file.unlink()
    before = everything(repository)
    done = repository.theta("merge", *heads, "-s", "average", check=False)
    assert done.returncode == 3, done.stderr
    assert "git push" in done.stderr
    assert "a.weight" in done.stderr
    assert everything(repository) == before


# Many heads


def test_many_heads_are_merged_at_once(repository: Sandbox) -> None:
    """Pairwise averaging would count them 1:1:2."""
    tips = [branch(repository, "a", added(BASE, a__weight=1), first=b"1\n")]
    tips += [branch(repository, "b", added(BASE, a__weight=2, b__weight=1), second=b"2\n")]
    on_main(repository, added(BASE, a__weight=6))
    own = repository.git("rev-parse", "HEAD").stdout.strip()
    repository.theta("merge", "a", "b", "-s", "task-arithmetic", "-o", "normalize=true")
    base = values(BASE, "a.weight")
    deltas = [values(added(BASE, a__weight=delta), "a.weight") - base for delta in (6, 1, 2)]
    assert np.allclose(values(repository.read(MODEL), "a.weight"), base + sum(deltas) / 3, atol=1e-6)
    assert np.array_equal(values(repository.read(MODEL), "b.weight"), values(BASE, "b.weight") + 1)
    assert repository.read("first.txt") == b"1\n"
    assert repository.read("second.txt") == b"2\n"
    assert parents(repository) == [own, *tips]
    assert message(repository) == [
        "Merge branches 'a' and 'b'",
        "",
        f"Theta-Merge: {MODEL} task-arithmetic normalize=true 1 contested of 3",
    ]
    assert_clean(repository)


def test_what_the_heads_come_from_is_no_head(repository: Sandbox) -> None:
    """As in `git merge a b`: main is in the history of both, so the commit has two parents."""
    tips = [branch(repository, "a", added(BASE, a__weight=1)), branch(repository, "b", added(BASE, a__weight=2))]
    repository.theta("merge", "a", "b", "-s", "weighted", "--weights", "1,3")
    ours, theirs = (values(added(BASE, a__weight=delta), "a.weight") for delta in (1, 2))
    assert np.array_equal(values(repository.read(MODEL), "a.weight"), (ours + 3 * theirs) / 4)
    assert parents(repository) == tips
    assert_clean(repository)


def test_contested_parameters_of_many_heads_change_nothing(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1, a__bias=1))
    branch(repository, "b", added(BASE, a__weight=2, a__bias=2))
    on_main(repository, added(BASE, b__weight=3))
    before = everything(repository)
    done = repository.theta("merge", "a", "b", "--for", "*.bias=average", check=False)
    assert done.returncode == 1
    assert f"{MODEL}: a.weight" in done.stderr
    assert "a.bias" not in done.stderr
    assert everything(repository) == before


def test_conflicts_in_other_files_of_many_heads_change_nothing(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1), note=b"a\n")
    branch(repository, "b", added(BASE, a__weight=2), note=b"b\n")
    on_main(repository, added(BASE, b__weight=3))
    before = everything(repository)
    done = repository.theta("merge", "a", "b", "-s", "average", check=False)
    assert done.returncode == 1
    assert "note.txt" in done.stderr
    assert everything(repository) == before


def test_many_heads_edit_one_text_apart(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1), note=b"ONE\n\n\n\n\ntwo\n")
    branch(repository, "b", added(BASE, a__weight=2), note=b"one\n\n\n\n\nTWO\n")
    on_main(repository, added(BASE, a__weight=3))
    repository.theta("merge", "a", "b", "-s", "average")
    assert repository.read("note.txt") == b"ONE\n\n\n\n\nTWO\n"


@pytest.mark.parametrize("heads", [("a",), ("a", "b")], ids=["two heads", "three heads"])
def test_a_file_that_was_only_touched_is_in_nobodys_way(repository: Sandbox, heads: tuple[str, ...]) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, a__weight=2))
    on_main(repository, added(BASE, a__weight=3))
    os.utime(repository.root / MODEL, (1, 1))
    repository.theta("merge", *heads, "-s", "average")
    assert_clean(repository)


@pytest.mark.parametrize("staged", [True, False])
def test_changes_that_many_heads_would_overwrite_are_kept(repository: Sandbox, staged: bool) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, a__weight=2))
    on_main(repository, added(BASE, a__weight=3))
    repository.write(MODEL, added(BASE, b__weight=5))
    if staged:
        repository.git("add", MODEL)
    before = everything(repository)
    done = repository.theta("merge", "a", "b", "-s", "average", check=False)
    assert done.returncode in (2, 7)
    assert "stash" in done.stderr
    assert everything(repository) == before


def test_no_commit_of_many_heads_and_abort(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, a__weight=2))
    on_main(repository, added(BASE, a__weight=3))
    before = everything(repository)
    repository.theta("merge", "a", "b", "-s", "average", "--no-commit")
    assert repository.git("status", "--porcelain").stdout == f"M  {MODEL}\n"
    repository.git("merge", "--abort")
    assert everything(repository) == before
    repository.theta("merge", "a", "b", "-s", "average", "--no-commit")
    repository.git("commit", "--quiet", "--no-edit")
    assert len(parents(repository)) == 3
    assert message(repository)[-1] == f"Theta-Merge: {MODEL} average 1 contested of 3"


def test_checkpoints_added_and_removed_by_some_heads(repository: Sandbox) -> None:
    for name, number in (("a", 1), ("b", 3)):
        repository.git("checkout", "--quiet", "-b", name, "fork")
        repository.write("new.safetensors", model(number, **NEW))
        repository.git("rm", "--quiet", MODEL)
        repository.commit(name)
    repository.git("checkout", "--quiet", "main")
    repository.write("own.txt", b"own\n")
    repository.commit("ours")
    repository.theta("merge", "a", "b", "-s", "weighted", "--weights", "9,1,3")
    assert not (repository.root / MODEL).exists()
    one, three = (values(model(number, **NEW), "c.weight") for number in (1, 3))
    assert np.array_equal(values(repository.read("new.safetensors"), "c.weight"), (one + 3 * three) / 4)


def test_removed_against_changed_is_a_conflict_of_the_file(repository: Sandbox) -> None:
    branch(repository, "a", added(BASE, a__weight=1))
    repository.git("checkout", "--quiet", "-b", "b", "fork")
    repository.git("rm", "--quiet", MODEL)
    repository.commit("b")
    repository.git("checkout", "--quiet", "main")
    repository.write("own.txt", b"own\n")
    repository.commit("ours")
    before = everything(repository)
    done = repository.theta("merge", "a", "b", "-s", "average", check=False)
    assert done.returncode == 1
    assert f"{MODEL}: b removed it, a changed it" in done.stderr
    assert everything(repository) == before


def test_another_base_for_one_head(repository: Sandbox) -> None:
    """Since the fork only ``topic`` changed ``b.weight``; since ``old``, which had another value, both did."""
    repository.git("checkout", "--quiet", "-b", "old")
    repository.write(MODEL, added(BASE, b__weight=7))
    repository.commit("old")
    repository.git("checkout", "--quiet", "main")
    branch(repository, "topic", added(BASE, b__weight=1))
    on_main(repository, added(BASE, a__bias=1))
    repository.theta("merge", "topic", "--base", "old", "-s", "average")
    average = (values(BASE, "b.weight") + values(added(BASE, b__weight=1), "b.weight")) / 2
    assert np.array_equal(values(repository.read(MODEL), "b.weight"), average)
    assert len(parents(repository)) == 2


# Plan, report, recipe


@pytest.mark.parametrize("heads", [["a"], ["a", "b"]], ids=len)
def test_a_plan_touches_nothing(repository: Sandbox, heads: list[str]) -> None:
    for number, name in enumerate(heads, 1):
        branch(repository, name, added(BASE, a__weight=number))
    on_main(repository, added(BASE, a__weight=3))
    before = everything(repository)
    printed = repository.theta("merge", "--plan", *heads, "-s", "ties", "-o", "density=0.5").stdout
    assert MODEL in printed
    assert "contested: a.weight" in printed
    assert "ties density=0.5 (-s)" in printed
    assert everything(repository) == before


def test_a_plan_needs_no_torch(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    blocked = (
        "import sys; sys.modules['torch'] = None; from git_theta.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = repository.run(sys.executable, "-c", blocked, "merge", "--plan", "topic", "-s", "ties")
    assert "contested: a.weight" in done.stdout


def test_a_plan_says_what_will_stay_contested_and_why(repository: Sandbox) -> None:
    """As the merge does: shapes that differ, and a parameter that one side removed."""
    import jsonschema

    repository.theta("track", "*.blob")
    base = safetensors_bytes({name: ("F32", (2,), bytes(8)) for name in ("shape", "gone", "both")})
    tuned = dict.fromkeys(("gone", "both"), ("F32", (2,), b"1" * 8))
    ours = safetensors_bytes({"shape": ("F32", (2, 2), bytes(16)), **tuned})
    theirs = safetensors_bytes({"shape": ("F32", (4,), bytes(16)), "both": ("F32", (2,), b"2" * 8)})
    for name, files in (("old", (base, b"0")), ("side", (theirs, b"2")), ("main", (ours, b"1"))):
        repository.git("switch", "-qC", name, *(["old"] if name != "old" else []))
        for path, content in zip((MODEL, "whole.blob"), files, strict=True):
            repository.write(path, content)
        repository.commit(name)
    data = json.loads(repository.theta("merge", "--plan", "--json", "side", "-s", "average").stdout)
    found = {file["path"]: file["plan"] for file in data["files"]}
    schema = json.loads((Path(__file__).parents[2] / "docs/spec/plan.schema.json").read_text())
    for plan in found.values():
        jsonschema.validate(plan, schema)
    told = {one["name"]: one for one in found[MODEL]["parameters"]}
    assert told["both"]["strategy"]["name"] == "average"
    assert told["both"]["left"] is None
    done = repository.theta("merge", "side", "-s", "average", check=False)
    assert done.returncode == 1
    for one in (told["shape"], told["gone"], {"name": "(frame)", **found["whole.blob"]["frame"]}):
        assert one["strategy"] is None
        assert f"{one['name']} ({one['left']})" in done.stderr
    repository.git("merge", "--abort")
    text = repository.theta("merge", "--plan", "side", "-s", "average").stdout
    assert f"    conflict ({told['shape']['left']})\n" in text
    made = git_theta.merge("main", "side", strategy="average", repo=repository.root)
    assert {row.name: row.strategy for row in made.plan if row.contested} == {
        "shape": None, "gone": None, "both": "average", "": None
    }  # fmt: skip


def test_plans_as_json_follow_the_published_schema(repository: Sandbox) -> None:
    import jsonschema

    branch(repository, "a", added(BASE, a__weight=1))
    branch(repository, "b", added(BASE, a__weight=2))
    on_main(repository, added(BASE, a__weight=3))
    data = json.loads(repository.theta("merge", "--plan", "--json", "a", "b", "--for", "a.*=average").stdout)
    schema = json.loads((Path(__file__).parents[2] / "docs/spec/plan.schema.json").read_text())
    [file] = data["files"]
    jsonschema.validate(file["plan"], schema)
    assert [head["name"] for head in data["heads"]] == ["HEAD", "a", "b"]
    assert file["plan"]["heads"] == ["HEAD", "a", "b"]
    [contested] = [item for item in file["plan"]["parameters"] if item["state"] == "contested"]
    assert contested["strategy"] == {"name": "average", "options": {}, "origin": "--for"}


@pytest.mark.parametrize("heads", [["a"], ["a", "b"]], ids=len)
def test_the_report_says_how_far_changes_agree(repository: Sandbox, tmp_path: Path, heads: list[str]) -> None:
    for number, name in enumerate(heads, 1):
        branch(repository, name, added(BASE, a__weight=-number))
    on_main(repository, added(BASE, a__weight=3, b__weight=1))
    report = tmp_path / "report.json"
    repository.theta("merge", *heads, "-s", "average", "--report", report)
    [file] = json.loads(report.read_text())["files"]
    assert [item["name"] for item in file["parameters"]] == ["a.weight", "b.weight"]
    contested, taken = file["parameters"]
    assert contested["strategy"]["name"] == "average"
    assert contested["agreement"][0]["cosine"] == pytest.approx(-1)
    assert contested["agreement"][0]["sign_conflicts"] == 1
    assert len(contested["agreement"]) == (1 if len(heads) == 1 else 3)
    assert (taken["strategy"], taken["agreement"]) == (None, [])


def test_plan_and_report_show_what_the_merge_makes_of_the_changes(repository: Sandbox, tmp_path: Path) -> None:
    """1 and 3 are added to 64 elements: together 4, a change that is 4/3 of the longest."""
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3, b__weight=1))
    expected = {"ratio": 4 / 3, "cosine": 1, "sign_conflicts": 0, "parameters": 1, "elements": 64}
    asked = ("merge", "topic", "-s", "task-arithmetic")
    [file] = json.loads(repository.theta(*asked, "--plan", "--json").stdout)["files"]
    assert file["plan"]["changes"] == pytest.approx(expected, rel=1e-6)
    [contested] = [one for one in file["plan"]["parameters"] if one["state"] == "contested"]
    assert contested["changes"] == pytest.approx(expected, rel=1e-6)
    printed = repository.theta(*asked, "--plan").stdout
    assert (
        "  computed: 1 parameter, 64 numbers: R 1.333, cosine of changes 1.0000, sign conflicts 0.0% (R = " in printed
    )
    assert "\n      R 1.333, cosine of changes 1.0000, sign conflicts 0.0%\n" in printed
    assert repository.git("status", "--porcelain").stdout == ""
    report = tmp_path / "report.json"
    repository.theta(*asked, "--report", report)
    [file] = json.loads(report.read_text())["files"]
    assert file["changes"] == pytest.approx(expected, rel=1e-6)
    assert [one["changes"] and one["changes"]["ratio"] for one in file["parameters"]] == [pytest.approx(4 / 3), None]


@pytest.mark.parametrize("strategy", ["ties", "iso-c", "dare"])
def test_the_plan_foresees_the_very_numbers_of_the_report(repository: Sandbox, tmp_path: Path, strategy: str) -> None:
    branch(repository, "a", added(BASE, a__weight=0.5, b__weight=-2))
    branch(repository, "b", added(BASE, a__weight=-1, b__weight=1, a__bias=1))
    on_main(repository, added(BASE, a__weight=1, a__bias=3))
    asked = ("merge", "a", "b", "-s", strategy)
    [planned] = json.loads(repository.theta(*asked, "--plan", "--json").stdout)["files"]
    repository.theta(*asked, "--report", tmp_path / "report.json")
    [done] = json.loads((tmp_path / "report.json").read_text())["files"]
    assert planned["plan"]["changes"] == done["changes"]
    assert done["changes"]["parameters"] == 3
    by_name = {one["name"]: one["changes"] for one in done["parameters"]}
    assert {one["name"]: one["changes"] for one in planned["plan"]["parameters"]} == by_name


def test_the_plan_measures_nothing_of_what_no_strategy_computes(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    for chosen in ((), ("-s", "ours")):
        [file] = json.loads(repository.theta("merge", "topic", *chosen, "--plan", "--json").stdout)["files"]
        assert file["plan"]["changes"] is None
        assert "computed:" not in repository.theta("merge", "topic", *chosen, "--plan").stdout


def test_the_plan_says_that_it_measures_nothing_where_values_are_not_here(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    for file in (repository.root / ".git/theta/objects").rglob("*"):
        file.unlink() if file.is_file() else None
    done = repository.theta("merge", "topic", "-s", "average", "--plan")
    assert "computed:" not in done.stdout
    assert f"{MODEL}: changes are not measured: not all values are here" in done.stderr
    assert "git theta fetch REMOTE HEAD topic " in done.stderr


@pytest.mark.parametrize(
    ("heads", "arguments", "told"),
    [
        (["a", "b"], ["-s", "task-arithmetic"], True),
        (["a", "b"], ["-s", "ties", "-o", "normalize=false"], True),
        (["a", "b"], ["-s", "task-arithmetic", "-o", "normalize=true"], False),
        (["a", "b"], ["-s", "average"], False),
        (["a", "b"], ["-s", "tsv-m"], False),
        (["a"], ["-s", "task-arithmetic"], False),
    ],
)
def test_a_sum_of_many_changes_is_said_to_be_not_evaluated(
    repository: Sandbox, tmp_path: Path, heads: list[str], arguments: list[str], told: bool
) -> None:
    for number, name in enumerate(heads, 1):
        branch(repository, name, added(BASE, a__weight=number))
    on_main(repository, added(BASE, a__weight=-1))
    report = tmp_path / "report.md"
    repository.theta("merge", *heads, *arguments, "--report", report)
    assert report.read_text().endswith("\nnot evaluated: git theta eval\n") == told


def test_the_report_for_people(repository: Sandbox, tmp_path: Path) -> None:
    branch(repository, "topic", added(BASE, a__weight=1, a__bias=-1))
    on_main(repository, added(BASE, a__weight=3, a__bias=1))
    report = tmp_path / "report.md"
    done = repository.theta("merge", "topic", "--for", "*.weight=average", "--report", report, check=False)
    assert done.returncode == 1
    rows = [line for line in report.read_text().splitlines() if line.startswith("| a.")]
    assert [row.split(" | ")[2:6] for row in rows] == [
        ["average", "0.6667", "1.0000", "0.0 %"],
        ["**contested**", "", "-1.0000", "100.0 %"],
    ]
    assert "Computed: 1 parameter, 64 numbers: R 0.6667, cosine of changes 1.0000" in report.read_text()


RECIPE = """\
merge_method: task_arithmetic
base_model: fork
models:
  - model: fork
  - model: b
    parameters: {weight: 0.25}
  - model: main
    parameters: {weight: 0.5}
parameters:
  lambda: 2
dtype: float32
"""


def test_a_recipe_is_a_merge(repository: Sandbox, tmp_path: Path) -> None:
    branch(repository, "b", added(BASE, a__weight=4))
    on_main(repository, added(BASE, a__weight=1))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    repository.theta("merge", "--recipe", recipe)
    base = values(BASE, "a.weight")
    expected = base + 2 * (0.5 * 1 + 0.25 * 4)
    assert np.allclose(values(repository.read(MODEL), "a.weight"), expected, atol=1e-5)
    settings = "lambda=2 normalize=false weights=0.5,0.25"
    assert message(repository)[-1] == f"Theta-Merge: {MODEL} task-arithmetic {settings} 1 contested of 3"


def test_what_is_no_recipe_is_refused(repository: Sandbox) -> None:
    branch(repository, "topic", added(BASE, a__weight=1))
    on_main(repository, added(BASE, a__weight=3))
    (repository.root / ".git/bad.yaml").write_text("merge_method: linear\nmodels: !!bool maybe\n")
    before = everything(repository)
    for file, said in ((".git/bad.yaml", "not valid YAML"), ("none.yaml", "No such file"), (".git", "Is a directory")):
        done = repository.theta("merge", "--recipe", file, check=False)
        assert (done.returncode, f"{file}: " in done.stderr, said in done.stderr) == (2, True, True), done.stderr
    assert everything(repository) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dtype: float32", "dtype: bfloat16", "the recipe's dtype is BF16"),
        ("model: b", "model: nothing", "'nothing' is no commit here"),
        ("model: main", "model: b2", "what is checked out is no model"),
        ("merge_method: task_arithmetic", "merge_method: karcher", "merge_method 'karcher' is none"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(
    repository: Sandbox, tmp_path: Path, old: str, new: str, said: str
) -> None:
    branch(repository, "b", added(BASE, a__weight=4))
    branch(repository, "b2", added(BASE, a__weight=5))
    on_main(repository, added(BASE, a__weight=1))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace(old, new))
    before = everything(repository)
    done = repository.theta("merge", "--recipe", recipe, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert everything(repository) == before
