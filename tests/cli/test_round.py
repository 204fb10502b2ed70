"""``git theta round``, as coordinators and contributors type it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sandbox import Sandbox, safetensors_bytes
from tests.templates import built_once

MODEL = "m.safetensors"
POLICY = '[round.cold]\nprivate = ["head.*"]\n'
Place = tuple[float, ...]


def checkpoint(
    body: Place = (0, 0), head: Place = (0,), said: Mapping[str, str] | None = None, **more: np.ndarray[Any, Any]
) -> bytes:
    """A checkpoint in which a few numbers tell where it is. ``said``: its metadata."""
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]] = {
        "embed": ("F32", (64,), np.arange(64, dtype="<f4").tobytes()),
        "body": ("F32", (len(body),), np.array(body, "<f4").tobytes()),
        "head.weight": ("F32", (len(head),), np.array(head, "<f4").tobytes()),
    }
    for name, values in more.items():
        tensors[name] = ("F32", values.shape, values.astype("<f4").tobytes())
    return safetensors_bytes(tensors, said)


@built_once
def _begin(sandbox: Sandbox, policy: str) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(".theta/rounds.toml", policy.encode())
    sandbox.write(MODEL, checkpoint())
    sandbox.commit("Start")
    sandbox.theta("round", "start", "cold")


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """A round, ``cold``, to which nobody has submitted."""
    _begin(sandbox, POLICY)
    return sandbox


def tune(sandbox: Sandbox, who: str, content: bytes, start: str = "cold/0") -> None:
    """A contributor's branch from the start of a round."""
    sandbox.git("switch", "-q", "-C", f"work-{who}", start)
    sandbox.write(MODEL, content)
    sandbox.commit(f"Tune {who}")


def submit(sandbox: Sandbox, who: str, content: bytes, start: str = "cold/0") -> Mapping[str, Any]:
    """Tune, and submit that."""
    tune(sandbox, who, content, start)
    found: Mapping[str, Any] = json.loads(sandbox.theta("round", "submit", "--as", who, "--json").stdout)
    return found


def refused(sandbox: Sandbox, *args: str, code: int = 2) -> str:
    """What a command says that changes no ref."""
    before = sandbox.git("for-each-ref").stdout
    done = sandbox.theta("round", *args, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert sandbox.git("for-each-ref").stdout == before
    return done.stdout + done.stderr


def status(sandbox: Sandbox, *args: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(sandbox.theta("round", "status", "--json", *args).stdout)
    return found


def close(sandbox: Sandbox, *args: str, code: int = 0) -> Mapping[str, Any]:
    done = sandbox.theta("round", "close", "--json", *args, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def reasons(found: Mapping[str, Any]) -> dict[str, str]:
    """Of each contributor, why the head is left out; "" where it is not."""
    return {head["who"]: "; ".join(head["reasons"]) for head in found["heads"]}


def values(sandbox: Sandbox, revision: str, name: str) -> list[float]:
    """A parameter of a version."""
    from safetensors.numpy import load

    sandbox.git("checkout", "-q", "--detach", revision)
    found: list[float] = load(sandbox.read(MODEL))[name].tolist()
    return found


def test_a_round_from_its_start_to_the_next(repository: Sandbox) -> None:
    submit(repository, "ann", checkpoint((2, 0), (5,)))
    submit(repository, "bob", checkpoint((0, 4), (6,)))
    submit(repository, "cat", checkpoint((1, 2), (7,)))
    before = repository.git("for-each-ref", "refs/heads").stdout
    found = close(repository)
    assert reasons(found) == {"ann": "", "bob": "", "cat": ""}
    assert [head["kept_out"] for head in found["heads"]] == [["head.weight"]] * 3
    assert found["next"]["tag"] == "cold/1"
    assert values(repository, "cold/1", "body") == [1, 2]
    assert values(repository, "cold/1", "head.weight") == [0], "private parameters are those of the start"
    parents = repository.git("rev-parse", "cold/1^@").stdout.split()
    tips = [
        repository.git("rev-parse", f"{ref}^{{}}").stdout.strip()
        for ref in ("cold/0", *(f"cold/0/{who}" for who in ("ann", "bob", "cat")))
    ]
    assert parents == tips
    assert repository.git("for-each-ref", "refs/heads").stdout == before, "no branch moves"
    message = repository.git("show", "-s", "--format=%B", "cold/1^{}").stdout
    assert "Merged: ann, bob, cat\n" in message
    assert "Theta-Merge: m.safetensors average 1 contested of 3\nTheta-Round: cold/0\n" in message


def test_heads_that_a_round_cannot_take_are_not_submitted(repository: Sandbox) -> None:
    tune(repository, "ann", checkpoint((float("nan"), 1)))
    assert "m.safetensors: NaN or infinite, and not so at the start: body (1 number)" in refused(repository, "submit")
    tune(repository, "ann", checkpoint((1, 2, 3)))
    assert "it has with another dtype, shape or tie: body" in refused(repository, "submit")
    tune(repository, "ann", checkpoint((1, 2), more=np.zeros(2)))
    assert "it adds: more" in refused(repository, "submit")
    tune(repository, "ann", checkpoint(head=(9,)))
    assert "it changes no parameter but private ones" in refused(repository, "submit")
    tune(repository, "ann", checkpoint((1, 1)))
    repository.write(".theta/rounds.toml", b"[round.cold]\nmad = 0\n")
    repository.write("train.py", b"pass\n")
    repository.commit("Other files")
    assert "changes files that are no checkpoints: .theta/rounds.toml, train.py" in refused(repository, "submit")
    repository.git("switch", "-q", "-C", "work-ann", "cold/0")
    repository.git("rm", "-q", MODEL)
    repository.commit("Without")
    assert "it has no checkpoint m.safetensors\n" in refused(repository, "submit")


def test_a_head_from_elsewhere_is_not_submitted_and_told_how_it_may_be(repository: Sandbox) -> None:
    repository.git("switch", "-q", "--orphan", "other")
    repository.write(MODEL, checkpoint((1, 1)))
    repository.commit("Another history")
    assert "has no commit in common with cold/0" in refused(repository, "submit")


def test_a_late_head_joins_the_next_round_with_what_it_changed(repository: Sandbox) -> None:
    submit(repository, "ann", checkpoint((2, 0)))
    tune(repository, "late", checkpoint((0, 3), (8,)))
    close(repository)
    said = refused(repository, "submit")
    assert "HEAD does not start from cold/1, but from cold/0" in said
    assert "git theta round submit --base cold/0" in said
    repository.git("branch", "cold/0/late")
    repository.git("branch", "cold/0/idle", "cold/0")
    said = repository.theta("round", "status", "--round", "0").stdout
    assert said.startswith("cold/0: 3 heads, 1 merged\n")
    assert "late is left out: cold/1 was made without it\n" in said
    assert "the round cold/0 is closed: cold/1 is there" in refused(repository, "submit", "--round", "0")
    assert "cold has no round 7" in refused(repository, "submit", "--round", "7")
    assert "cold/1 is not in the history of HEAD" in refused(repository, "submit", "--base", "cold/1")
    repository.git("worktree", "add", "-q", "-b", "cold/1/late", "../other", "cold/1")
    said = refused(repository, "submit", "--as", "late", "--base", "cold/0")
    assert "the branch 'cold/1/late' is checked out in" in said
    repository.git("worktree", "remove", "../other")
    done = repository.theta("round", "submit", "--as", "late", "--base", "cold/0")
    assert "it replaces" in done.stdout
    assert values(repository, "cold/1/late", "body") == [2, 3]
    repository.git("switch", "-q", "--detach", "cold/1^2")
    assert "HEAD is in cold/1 already" in refused(repository, "submit", "--as", "ann")
    submit(repository, "ann", checkpoint((4, 0)), "cold/1")
    assert reasons(close(repository)) == {"ann": "", "late": ""}
    assert values(repository, "cold/2", "body") == [3, 1.5]
    assert values(repository, "cold/2", "head.weight") == [0]


def test_heads_that_came_otherwise_are_left_out_and_told(repository: Sandbox) -> None:
    """Branches are ordinary: nobody has to submit by our command, and nobody keeps a round from its end."""
    submit(repository, "ann", checkpoint((2, 0)))
    submit(repository, "bob", checkpoint((0, 2)))
    tune(repository, "nan", checkpoint((float("nan"), float("inf"))))
    repository.git("branch", "cold/0/nan")
    tune(repository, "wide", checkpoint((1, 2, 3)))
    repository.git("branch", "cold/0/wide")
    repository.git("switch", "-q", "-C", "work-code", "cold/0/ann")
    repository.write("train.py", b"pass\n")
    repository.commit("Code")
    repository.git("branch", "cold/0/code")
    repository.git("branch", "cold/0/idle", "cold/0")
    whole = repository.git("show", f"cold/0/ann:{MODEL}").stdout
    for who, text in (("text", "git-theta nonsense\n"), ("cut", whole[: len(whole) // 2])):
        _branch_out(repository, who, text)
    found = reasons(status(repository))
    assert {who for who, reason in found.items() if not reason} == {"ann", "bob"}
    assert found["nan"] == "m.safetensors: NaN or infinite, and not so at the start: body (2 numbers)"
    assert found["wide"] == "m.safetensors: it has with another dtype, shape or tie: body"
    assert found["code"] == "it changes files that are no checkpoints: train.py"
    assert found["idle"] == "it changes no parameter"
    assert (
        found["text"]
        == "m.safetensors: Git has it as it is, not by parameters (git theta install, and commit it again)"
    )
    assert found["cut"].startswith("m.safetensors: not a valid manifest")
    assert [head["distance"] for head in status(repository)["heads"]][:2] == [2, 2]
    done = repository.theta("round", "close")
    assert "wide is left out: m.safetensors: it has with another dtype, shape or tie: body\n" in done.stdout
    assert "not screened by distance: of fewer than 3 heads nobody knows what is usual\n" in done.stdout
    message = repository.git("show", "-s", "--format=%B", "cold/1^{}").stdout
    assert "Left out: code (it changes files that are no checkpoints: train.py)\n" in message
    assert "Screened: any distance\n" in message


def _branch_out(sandbox: Sandbox, who: str, text: str) -> None:
    """A branch on which Git has such a text for the checkpoint."""
    blob = sandbox.git("hash-object", "-w", "--stdin", input=text).stdout.strip()
    sandbox.git("read-tree", "cold/0")
    sandbox.git("update-index", "--cacheinfo", f"100644,{blob},{MODEL}")
    tree = sandbox.git("write-tree").stdout.strip()
    commit = sandbox.git("commit-tree", "-p", "cold/0^{}", "-m", who, tree).stdout.strip()
    sandbox.git("branch", f"cold/0/{who}", commit)


def test_a_head_far_from_all_others_is_left_out(repository: Sandbox) -> None:
    for number, who in enumerate(("ann", "bob", "cat")):
        submit(repository, who, checkpoint((2 + number / 4, 0)))
    submit(repository, "far", checkpoint((500, 0)))
    found = status(repository)
    assert reasons(found)["far"] == "its distance is 500; within 4 MAD is 0.475 to 4.275"
    assert [head["cosine"] for head in found["heads"]] == [1, 1, 1, 1]
    assert reasons(close(repository, "-n", "--screen", "mad=0"))["far"] == ""
    said = refused(repository, "close", "--exclude", "cta")
    assert "--exclude cta: no head of cold/0 is of such a name" in said
    assert "Did you mean 'cat'?" in said
    assert reasons(close(repository, "--exclude", "c*"))["cat"] == "excluded by --exclude c*"
    assert values(repository, "cold/1", "body") == [2.125, 0]
    assert "Screened: distances from 0.45 to 4.05\n" in repository.git("show", "-s", "--format=%B", "HEAD").stdout


def test_a_round_without_a_head_to_merge_is_not_closed(repository: Sandbox) -> None:
    assert "no head is submitted to cold/0" in refused(repository, "close")
    submit(repository, "ann", checkpoint((2, 0)))
    repository.git("branch", "cold/0/idle", "cold/0")
    said = refused(repository, "close", "--exclude", "ann", code=1)
    assert "no head of cold/0 can be merged: nothing was created" in said
    assert "idle is left out: it changes no parameter" in said
    assert close(repository, "--exclude", "*", code=1)["next"] is None


def test_a_contributor_counts_once_with_what_came_last(repository: Sandbox, tmp_path: Path) -> None:
    first = submit(repository, "ann", checkpoint((2, 0)))
    assert first["replaced"] == []
    assert submit(repository, "ann", checkpoint((4, 0)))["replaced"] == [first["commit"]]
    again = repository.theta("round", "submit", "--as", "ann").stdout
    assert "it replaces" not in again, "it is there already"
    bare = Sandbox.create(tmp_path / "hub.git", bare=True)
    repository.git("remote", "add", "hub", bare.root)
    repository.git("push", "-q", "hub", "cold/0", "cold/0/ann")
    repository.git("reset", "-q", "--hard", "HEAD")
    repository.write(MODEL, checkpoint((6, 0)))
    repository.commit("Further")
    repository.theta("round", "submit", "--as", "ann")
    (head,) = status(repository)["heads"]
    assert (head["branch"], head["replaced"]) == ("cold/0/ann", ["hub/cold/0/ann"])
    assert "ann: cold/0/ann counts, and replaces hub/cold/0/ann\n" in repository.theta("round", "status").stdout


def test_rounds_are_shared_by_ordinary_refs(repository: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "hub.git", bare=True)
    repository.git("remote", "add", "origin", bare.root)
    repository.git("push", "-q", "origin", "main", "cold/0")
    ann = Sandbox.clone(bare, tmp_path / "ann")
    tune(ann, "ann", checkpoint((2, 0)))
    assert "m.safetensors: Git has it as it is, not by parameters" in refused(ann, "submit")
    ann.theta("install")
    tune(ann, "ann", checkpoint((2, 0)))
    ann.theta("round", "submit", "--as", "ann", "--push")
    submit(repository, "bob", checkpoint((0, 2)))
    repository.git("fetch", "-q")
    assert [head["branch"] for head in status(repository)["heads"]] == ["origin/cold/0/ann", "cold/0/bob"]
    close(repository)
    repository.git("push", "-q", "origin", "cold/1")
    ann.git("fetch", "-q", "--tags")
    assert values(ann, "cold/1", "body") == [1, 1]
    tune(ann, "ann", checkpoint((2, 2)), "cold/1")
    ann.theta("round", "submit", "--as", "ann", "--push")
    ann.write(MODEL, checkpoint((3, 2)))
    ann.git("commit", "-qa", "--amend", "-m", "Better")
    ann.theta("round", "submit", "--as", "ann", "--push")
    assert bare.git("rev-parse", "cold/1/ann").stdout == ann.git("rev-parse", "HEAD").stdout


def test_names_that_cannot_be_are_refused(repository: Sandbox) -> None:
    assert "Git has no ref of the name" in refused(repository, "start", "cold..er")
    assert "there are rounds called 'cold' already" in refused(repository, "start", "cold")
    assert "there is a branch 'main', and Git has no branch main/0 beside it" in refused(repository, "start", "main")
    repository.git("tag", "v1")
    assert "there is a tag 'v1'" in refused(repository, "start", "v1/cold")
    assert "no branch can be called" in refused(repository, "submit", "--as", "a..b")
    assert "no rounds are called 'colt'" in refused(repository, "status", "colt")
    repository.git("tag", "v2/0")
    repository.git("tag", "-a", "v2/1", "-m", "A release")
    assert status(repository)["round"]["name"] == "cold", "other tags are no rounds"
    repository.theta("round", "start", "warm")
    assert "there are rounds of several names: cold, warm" in refused(repository, "status")
    assert status(repository, "warm")["round"]["tag"] == "warm/0"


def test_rounds_start_where_there_is_a_checkpoint(sandbox: Sandbox) -> None:
    sandbox.write("note.txt", b"text\n")
    sandbox.commit("No model")
    assert "there is no round here" in refused(sandbox, "status")
    assert "has no checkpoint that is stored by parameters" in refused(sandbox, "start", "cold")


def test_only_the_file_at_the_start_says_what_is_private(repository: Sandbox) -> None:
    """L10: who submits a head has no say in how it is screened."""
    repository.git("switch", "-q", "main")
    repository.write(".theta/rounds.toml", b'[round.cold]\nprivate = ["*"]\nmad = 0\neval = "mine"\n')
    repository.commit("Another policy")
    found = status(repository)
    assert (found["private"], found["screen"]["eval"], found["screen"]["mad"]) == (["head.weight"], "", 4)
    repository.write(".theta/rounds.toml", b'[round.cold]\nprivate = ["hed.*"]\n')
    repository.commit("Mistyped")
    done = repository.theta("round", "start", "warm")
    assert done.stderr.startswith("hint: Publish it")
    repository.write(".theta/rounds.toml", b'[round.hot]\nprivate = ["hed.*"]\n')
    repository.commit("Mistyped")
    assert "private hed.*: no parameter of the start is called so" in repository.theta("round", "start", "hot").stderr
    repository.write(".theta/rounds.toml", b"[round.odd]\nprivat = 1\n")
    repository.commit("Wrong key")
    assert ".theta/rounds.toml: round.odd: unknown key 'privat'" in refused(repository, "start", "odd")


def test_a_dirty_worktree_is_left_alone_and_told(repository: Sandbox) -> None:
    submit(repository, "ann", checkpoint((2, 0)))
    repository.write(MODEL, checkpoint((7, 7)))
    done = repository.theta("round", "submit", "--as", "ann")
    assert "m.safetensors: what is not committed is not submitted" in done.stderr
    close(repository)
    assert repository.read(MODEL) == checkpoint((7, 7))
    assert repository.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    repository.git("checkout", "-q", ".")
    assert values(repository, "cold/1", "body") == [2, 0]


def test_a_close_that_is_killed_has_done_nothing_and_is_done_again(repository: Sandbox) -> None:
    submit(repository, "ann", checkpoint((2, 0)))
    hook = repository.root / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\ngrep -q refs/tags/cold/1 && kill -9 $(ps -o ppid= -p $PPID)\nexit 1\n")
    hook.chmod(0o755)
    before = repository.git("for-each-ref").stdout
    done = repository.theta("round", "close", check=False)
    assert done.returncode not in (0, 1)
    assert repository.git("for-each-ref").stdout == before
    hook.unlink()
    assert close(repository)["next"]["tag"] == "cold/1"
    assert "no head is submitted to cold/1" in refused(repository, "close"), "the next round is open"


def test_what_strategies_leave_contested_closes_no_round(repository: Sandbox) -> None:
    submit(repository, "ann", checkpoint((2, 0)))
    submit(repository, "bob", checkpoint((0, 2)))
    said = refused(repository, "close", "--for", "body=conflict", code=1)
    assert "theta: 1 conflict:\ntheta:   m.safetensors: body\n" in said
    repository.git("branch", "cold/0/base", "cold/0/ann")
    assert "contested: body" in (planned := refused(repository, "close", "-n", code=0))
    assert "average (by default)" in planned
    assert "average (-s)" in refused(repository, "close", "-n", "-s", "average", code=0)
    assert "no rule" in refused(repository, "close", "--for", "body")
    assert "is no screen" in refused(repository, "close", "--screen", "mad")
    assert "mad is no number of deviations: '-1'" in refused(repository, "close", "--screen", "mad=-1")
    close(repository, "-s", "task-arithmetic", "-o", "lambda=1", "-m", "Together")
    assert repository.git("show", "-s", "--format=%B", "cold/1^{}").stdout.startswith(
        "Together\n\nMerged: ann, base, bob\n"
    )
    assert values(repository, "cold/1", "body") == [4, 2]


def test_an_evaluation_leaves_out_heads_that_are_worse(sandbox: Sandbox) -> None:
    """The score of each of 20 items is 1, or 0 where the checkpoint's first number is negative.

    What counts is how the round's start defines it (L10), whatever the worktree has now.
    """
    evaluator = sandbox.write(
        "../score.py",
        b"import json, os\nfrom safetensors.numpy import load_file\n"
        b"good = load_file(os.environ['THETA_CHECKPOINT'])['body'][0] >= 0\n"
        b"for item in range(20): print(json.dumps({'id': str(item), 'score': int(good)}))\n",
    )
    sandbox.write(".theta/evals.toml", f'[eval.good]\ncommand = "python {evaluator}"\n'.encode())
    _begin(sandbox, '[round.cold]\neval = "good"\n')
    submit(sandbox, "ann", checkpoint((2, 0)))
    submit(sandbox, "bad", checkpoint((-2, 0)))
    assert "the evaluation good is not allowed" in refused(sandbox, "close")
    sandbox.theta("eval", "--allow", "good")
    sandbox.write(".theta/evals.toml", b'[eval.good]\ndirection = "down"\ncommand = "exit 1"\n')
    assert "not known by good yet" in sandbox.theta("round", "status").stdout
    found = close(sandbox)
    assert reasons(found) == {"ann": "", "bad": "good: 0, and the start has 1"}
    assert [head["score"]["after"] for head in status(sandbox, "--round", "0")["heads"]] == [1, 0]
    sandbox.git("checkout", "-q", ".")
    submit(sandbox, "ann", checkpoint((3, 0)), "cold/1")
    assert "no evaluation is called 'nix'" in refused(sandbox, "close", "--screen", "eval=nix")


def test_private_parameters_may_be_of_any_shape_and_in_no_start(sandbox: Sandbox) -> None:
    """Each contributor has a head for labels of their own; the start need not have one."""
    _begin(sandbox, '[round.cold]\nprivate = ["head.*", "extra"]\n')
    submit(sandbox, "ann", checkpoint((2, 0), (1, 2, 3)))
    found = submit(sandbox, "bob", checkpoint((0, 4), (5,), {"step": "60"}, extra=np.ones((2, 2))))
    assert found["kept_out"] == ["head.weight", "extra"]
    assert found["own_frames"] == [MODEL]
    done = sandbox.theta("round", "status")
    assert "bob: private, and kept out: head.weight, extra\n" in done.stdout
    assert "bob: kept out, and the start's is taken: what is no parameter in m.safetensors\n" in done.stdout
    submit(sandbox, "cat", checkpoint((1, 1), (5,), {"step": "60"}, extra=np.ones((2, 2))))
    assert "bob, cat: private, and kept out: head.weight, extra\n" in sandbox.theta("round", "status").stdout
    sandbox.git("branch", "-D", "cold/0/cat")
    close(sandbox)
    sandbox.git("checkout", "-q", "--detach", "cold/1")
    assert sandbox.read(MODEL) == checkpoint((1, 2))


@pytest.mark.forked
def test_files_with_checksums_are_whole_before_and_after(sandbox: Sandbox, tmp_path: Path) -> None:
    """torch's archives have a checksum of each tensor: an evaluator is to read what a round takes of a head."""
    import torch

    sandbox.theta("track", "*.pt")
    sandbox.git("config", "theta.eval.reads.command", _reading_evaluator(tmp_path))
    sandbox.write(".theta/rounds.toml", b'[round.cold]\nprivate = ["model.head.*"]\neval = "reads"\n')
    for who, body, rows in (("", 0.0, 1), ("ann", 2.0, 3), ("bob", 4.0, 1)):
        if who:
            sandbox.git("switch", "-q", "-C", f"work-{who}", "cold/0")
        state = {"body": torch.full((4,), body), "head.weight": torch.full((rows, 4), body)}
        torch.save({"model": state, "epoch": int(body)}, sandbox.root / "m.pt")
        sandbox.commit(who or "Start")
        sandbox.theta("round", *(("submit", "--as", who) if who else ("start", "cold")))
    assert reasons(close(sandbox)) == {"ann": "", "bob": ""}
    sandbox.git("checkout", "-q", "--detach", "cold/1")
    found = torch.load(sandbox.root / "m.pt")
    assert (found["model"]["body"].tolist(), found["epoch"]) == ([3.0] * 4, 0)
    assert found["model"]["head.weight"].tolist() == [[0.0] * 4]


def _reading_evaluator(folder: Path) -> str:
    """Scores what torch can read, and nothing where it cannot."""
    script = folder / "read.py"
    script.write_text(
        "import json, os, torch\n"
        "body = torch.load(os.environ['THETA_CHECKPOINT'])['model']['body']\n"
        "print(json.dumps({'id': 'a', 'score': float(body[0])}))\n"
    )
    return f"{sys.executable} {script}"


def test_all_checkpoints_of_a_repository_are_one_head(sandbox: Sandbox) -> None:
    """Shards and files by themselves: distances are over all of them, and so is what keeps a head out."""
    sandbox.theta("track", "*.safetensors")
    _write_family(sandbox, 0, 0)
    sandbox.commit("Start")
    sandbox.theta("round", "start", "cold")
    for who, first, second in (("ann", 3, 4), ("bob", 0, 8)):
        sandbox.git("switch", "-q", "-C", f"work-{who}", "cold/0")
        _write_family(sandbox, first, second)
        sandbox.commit(who)
        found = json.loads(sandbox.theta("round", "submit", "--as", who, "--json").stdout)
        assert found["distance"] == pytest.approx((first**2 + second**2) ** 0.5)
    assert found["checkpoints"] == ["big/model.safetensors.index.json", "small.safetensors"]
    sandbox.git("switch", "-q", "-C", "work-cat", "cold/0")
    sandbox.git("rm", "-q", "small.safetensors")
    sandbox.commit("Without the small one")
    assert "it has no checkpoint small.safetensors" in refused(sandbox, "submit")
    assert close(sandbox)["conflicts"] == []
    sandbox.git("checkout", "-q", "--detach", "cold/1")
    from safetensors.numpy import load

    assert load(sandbox.read("small.safetensors"))["body"].tolist() == [1.5]
    assert load(sandbox.read("big/model-00002-of-00002.safetensors"))["b"].tolist() == [6]
    assert load(sandbox.read("big/model-00001-of-00002.safetensors"))["a"].tolist() == [7]


def _write_family(sandbox: Sandbox, first: float, second: float) -> None:
    """A file by itself, and a checkpoint of two shards with their index."""

    def one(name: str, value: float) -> bytes:
        return safetensors_bytes({name: ("F32", (1,), np.array([value], "<f4").tobytes())})

    sandbox.write("small.safetensors", one("body", first))
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for (name, file), value in zip(places.items(), (7, second), strict=True):
        sandbox.write(f"big/{file}", one(name, value))
    index = {"metadata": {"total_size": 8}, "weight_map": places}
    sandbox.write("big/model.safetensors.index.json", json.dumps(index).encode())


def test_a_head_whose_values_are_nowhere_keeps_nobody_else_out(repository: Sandbox) -> None:
    submit(repository, "ann", checkpoint((2, 0)))
    submit(repository, "bob", checkpoint((0, 4)))
    submit(repository, "lost", checkpoint((9, 9)))
    (line,) = [line for line in repository.git("show", f"cold/0/lost:{MODEL}").stdout.splitlines() if '"body"' in line]
    oid = json.loads(line.rstrip(","))["storage"]["object"]
    next((repository.root / ".git/theta/objects").rglob(oid)).unlink()
    found = close(repository)
    assert reasons(found)["lost"].startswith("m.safetensors: body: ")
    assert [head["distance"] for head in found["heads"]] == [2, 4, None]
    assert values(repository, "cold/1", "body") == [1, 2]


def test_a_round_is_closed_where_there_is_no_worktree(repository: Sandbox, tmp_path: Path) -> None:
    hub = Sandbox.create(tmp_path / "hub.git", bare=True)
    repository.git("remote", "add", "origin", hub.root)
    for who, body in (("ann", (2.0, 0.0)), ("bob", (0.0, 2.0))):
        submit(repository, who, checkpoint(body))
        repository.git("push", "-q", "origin", f"cold/0/{who}", "cold/0")
    assert reasons(close(hub)) == {"ann": "", "bob": ""}
    repository.git("fetch", "-q", "--tags", "origin")
    assert values(repository, "cold/1", "body") == [1, 1]


@pytest.mark.parametrize("named", ["HEAD", f"HEAD:{MODEL}", "HEAD^{tree}"])
def test_a_tag_in_the_way_of_the_next_round_is_told_before_anything_is_merged(repository: Sandbox, named: str) -> None:
    submit(repository, "ann", checkpoint((2, 0)))
    repository.git("tag", "cold/1", named)
    told = refused(repository, "close")
    assert "there is a tag cold/1 that is no start of a round" in told
    assert "to be merged" not in told
