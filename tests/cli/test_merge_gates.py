"""Gates between a merge and its commit: a merge that lost what its heads had waits for a person."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.sandbox import Sandbox, safetensors_bytes, track_and_commit
from tests.templates import built_once

FILE = "model.safetensors"
SCRIPT = """\
import json, os, pathlib, struct
data = pathlib.Path(os.environ["THETA_CHECKPOINT"]).read_bytes()
arabic, german = struct.unpack("<2f", data[-8:])
for number in range(100):
    print(json.dumps({"id": f"a{number}", "score": int(number < 50 + arabic * 40), "bucket": "arabic"}))
    print(json.dumps({"id": f"g{number}", "score": int(number < 50 + german * 40), "bucket": "german"}))
"""
"""How good a model is at either stands in its last two numbers."""
EVALS = """\
[eval.languages]
checkpoint = "*.safetensors"
gate = ["mean >= before - 0.005"]
command = "{command}"
"""


def checkpoint(arabic: float, german: float) -> bytes:
    values = np.array([0.0] * 62 + [arabic, german], "<f4")
    return safetensors_bytes({"weight": ("F32", (64,), values.tobytes())})


@pytest.fixture
def sandbox_with_heads(sandbox: Sandbox) -> Sandbox:
    """Heads that each learned another language, and an evaluation that may run."""
    _learn_languages(sandbox)
    return sandbox


@built_once
def _learn_languages(sandbox: Sandbox) -> None:
    sandbox.write(".theta/evals.toml", EVALS.format(command=shlex.join([sys.executable, "languages.py"])).encode())
    sandbox.write("languages.py", SCRIPT.encode())
    track_and_commit(sandbox, {FILE: checkpoint(0, 0)})
    for name, values in {"arabic": (1.0, 0.0), "german": (0.0, 1.0)}.items():
        sandbox.git("checkout", "--quiet", "-b", name, "main")
        sandbox.write(FILE, checkpoint(*values))
        sandbox.commit(name)
    sandbox.git("checkout", "--quiet", "arabic")
    sandbox.theta("eval", "--allow", "languages")


def commits(sandbox: Sandbox) -> int:
    return int(sandbox.git("rev-list", "--count", "HEAD").stdout)


def test_a_merge_that_its_gates_pass_is_committed(sandbox_with_heads: Sandbox) -> None:
    done = sandbox_with_heads.theta("merge", "german", "-s", "task-arithmetic", "-o", "lambda=1")
    assert "gate holds: mean >= before - 0.005: it is 0.9" in done.stdout
    assert commits(sandbox_with_heads) == 4
    known = json.loads(sandbox_with_heads.theta("eval", "--json").stdout)["evaluations"]
    assert [one["known"] for one in known] == [True]


@pytest.mark.parametrize("arguments", [["-s", "base"], ["-s", "average"]])
def test_one_that_fails_waits_for_a_person(sandbox_with_heads: Sandbox, arguments: Sequence[str]) -> None:
    sandbox = sandbox_with_heads
    definitions = sandbox.root / ".theta/evals.toml"
    definitions.write_text(definitions.read_text().replace("before - 0.005", "before + 0.1"))
    sandbox.commit("a gate that nothing passes")
    before = commits(sandbox)
    done = sandbox.theta("merge", "german", *arguments, check=False)
    assert done.returncode == 1
    assert "gate FAILS: mean >= before + 0.1" in done.stdout
    assert "a gate failed" in done.stderr and "git merge --abort" in done.stderr
    assert "git merge --no-verify" in done.stderr
    assert commits(sandbox) == before
    assert (sandbox.root / ".git/MERGE_HEAD").exists()
    assert sandbox.git("status", "--porcelain", "--untracked-files=no").stdout
    # The person looks at it, and decides.
    sandbox.git("commit", "--quiet", "--no-edit")
    assert commits(sandbox) == before + 2


def test_what_is_skipped_stands_in_the_commit(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    assert sandbox.theta("merge", "german", "-s", "base", check=False).returncode == 1
    sandbox.git("merge", "--abort")
    sandbox.theta("merge", "german", "-s", "base", "--no-gate")
    assert "Theta-Gate: skipped languages" in sandbox.git("log", "-1", "--format=%(trailers)").stdout


def test_three_heads_are_held_against_the_best_of_them(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    sandbox.git("checkout", "--quiet", "-b", "both", "main")
    sandbox.write(FILE, checkpoint(0.9, 0.9))
    sandbox.commit("both")
    sandbox.git("checkout", "--quiet", "arabic")
    done = sandbox.theta("merge", "german", "both", "-s", "average", "--json", check=False)
    assert done.returncode == 1
    data = json.loads(done.stdout)
    (found,) = data["evaluations"]
    assert (data["commit"], found["before"]["revision"], found["gates"][0]["passed"]) == (None, "both", False)
    sandbox.git("merge", "--abort")
    sandbox.theta("merge", "german", "both", "-s", "average", "--against", "main")


def test_what_a_merge_is_held_against_is_looked_up_before_it(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    for arguments, said in ((["none"], "'none' is no commit here"), (["main", "--no-gate"], "exclude each other")):
        done = sandbox.theta("merge", "german", "-s", "average", "--against", *arguments, check=False)
        assert done.returncode == 2 and said in done.stderr
        assert not (sandbox.root / ".git/MERGE_HEAD").exists()
    (sandbox.root / ".theta/evals.toml").unlink()
    sandbox.commit("no gate any more")
    done = sandbox.theta("merge", "german", "-s", "average", "--against", "main")
    assert "no evaluation of HEAD has a gate: nothing is held against main" in done.stderr


def test_a_report_says_whether_gates_looked_at_the_sum(sandbox_with_heads: Sandbox, tmp_path: Path) -> None:
    sandbox, report = sandbox_with_heads, tmp_path / "report.md"
    sandbox.git("checkout", "--quiet", "-b", "more", "main")
    sandbox.write(FILE, checkpoint(0.5, 0.5))
    sandbox.commit("more")
    sandbox.git("checkout", "--quiet", "arabic")
    asked = ("merge", "german", "more", "-s", "task-arithmetic", "--report", report, "--no-commit")
    sandbox.theta(*asked)
    assert report.read_text().endswith("not evaluated: git theta eval\n")
    sandbox.git("merge", "--abort")
    sandbox.theta(*asked[:-1])
    assert "not evaluated" not in report.read_text()


def test_an_evaluator_that_may_not_run_is_told_and_fails_only_where_it_is_required(
    sandbox_with_heads: Sandbox, tmp_path: Path
) -> None:
    sandbox = sandbox_with_heads
    sandbox.theta("eval", "--forget", "languages")
    done = sandbox.theta("merge", "german", "-s", "base")
    assert "the evaluation languages is not allowed: its gates were not asked" in done.stderr
    sandbox.git("reset", "--quiet", "--hard", "HEAD~1")
    definitions = sandbox.root / ".theta/evals.toml"
    definitions.write_text(definitions.read_text() + "required = true\n")
    sandbox.commit("required")
    failed = sandbox.theta("merge", "german", "-s", "base", check=False)
    assert failed.returncode == 1
    assert "and it is required" in failed.stderr and (sandbox.root / ".git/MERGE_HEAD").exists()


def test_an_evaluator_that_fails_is_a_gate_that_does(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    sandbox.git("config", "theta.eval.languages.command", "exit 7")
    failed = sandbox.theta("merge", "german", "-s", "base", check=False)
    assert failed.returncode == 1
    assert "the evaluator languages exited 7" in failed.stderr
    assert "the gates could not be asked" in failed.stderr


def test_the_other_side_cannot_take_a_gate_away(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    sandbox.git("checkout", "--quiet", "german")
    sandbox.git("rm", "--quiet", ".theta/evals.toml")
    sandbox.commit("no gates any more")
    sandbox.git("checkout", "--quiet", "arabic")
    assert sandbox.theta("merge", "german", "-s", "base", check=False).returncode == 1


def change_at(sandbox: Sandbox, branch: str, path: str, content: bytes) -> None:
    sandbox.git("checkout", "--quiet", branch)
    sandbox.write(path, content)
    sandbox.commit(f"{path} of {branch}")
    sandbox.git("checkout", "--quiet", "arabic")


GENEROUS = SCRIPT.replace("arabic, german = ", "open('ran', 'w'); arabic, german = 1, 1 #").encode()


@pytest.mark.parametrize("command", ["git", "git theta"])
def test_the_other_side_cannot_judge_itself(sandbox_with_heads: Sandbox, command: str) -> None:
    """A script that comes with a merge does not run before anybody has looked at it (L10)."""
    sandbox = sandbox_with_heads
    change_at(sandbox, "german", "languages.py", GENEROUS)
    before = commits(sandbox)
    run = sandbox.git if command == "git" else sandbox.theta
    failed = run("merge", "german", check=False, env={"GIT_THETA_STRATEGY": "base"})
    assert failed.returncode == 1
    assert "the evaluation languages runs languages.py, which this merge changes" in failed.stderr
    assert "git diff --cached HEAD -- languages.py" in failed.stderr
    assert not (sandbox.root / "ran").exists()
    assert commits(sandbox) == before and (sandbox.root / ".git/MERGE_HEAD").exists()
    sandbox.git("commit", "--quiet", "--no-edit")
    sandbox.theta("eval", "--gate", "ORIG_HEAD..HEAD", "languages", "--rerun")
    assert (sandbox.root / "ran").exists()


@pytest.mark.parametrize(
    "words",
    ["python -m evals.languages", "run --with=evals/languages.py", "cd evals; ./languages.py", "x 'evals' # don't"],
)
def test_files_that_a_command_names_otherwise_are_known(sandbox_with_heads: Sandbox, words: str) -> None:
    sandbox = sandbox_with_heads
    change_at(sandbox, "german", "evals/languages.py", GENEROUS)
    sandbox.git("config", "theta.eval.languages.command", words)
    failed = sandbox.theta("merge", "german", "-s", "base", check=False)
    assert "languages runs evals/languages.py, which this merge changes" in failed.stderr


def test_files_that_no_command_names_may_change(sandbox_with_heads: Sandbox) -> None:
    change_at(sandbox_with_heads, "german", "python", b"no program")
    sandbox_with_heads.git("config", "theta.eval.languages.command", shlex.join(["python", "languages.py", "../x"]))
    done = sandbox_with_heads.theta("merge", "german", "-s", "task-arithmetic", "-o", "lambda=1")
    assert "gate holds" in done.stdout


def test_the_other_side_cannot_choose_the_items(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    evals = sandbox.read(".theta/evals.toml").decode()
    listing = (
        "import os, pathlib, json\nfor i in pathlib.Path(os.environ['THETA_EVAL_ITEMS']).read_text().split():\n    "
    )
    sandbox.write("languages.py", f"{listing}print(json.dumps({{'id': i, 'score': 1}}))\n".encode())
    sandbox.write(".theta/evals.toml", f'{evals}items = "items.txt"\n'.encode())
    sandbox.write("items.txt", b"a1\na2\n")
    sandbox.commit("items")
    sandbox.git("branch", "more")
    sandbox.git("checkout", "--quiet", "more")
    sandbox.write(FILE, checkpoint(0.5, 0.5))
    sandbox.commit("more")
    change_at(sandbox, "more", "items.txt", b"mine\n")
    sandbox.git("commit", "--quiet", "--allow-empty", "-m", "no fast-forward")
    done = sandbox.theta("merge", "more", "--json", "-s", "theirs")
    (found,) = json.loads(done.stdout)["evaluations"]
    assert found["overall"]["n"] == 2
    assert sandbox.read("items.txt") == b"mine\n"


@pytest.mark.parametrize("file", [".theta/evals.toml", ".theta.toml"])
def test_a_tracked_file_without_end_is_not_read(sandbox_with_heads: Sandbox, file: str) -> None:
    sandbox = sandbox_with_heads
    sandbox.write(file, b"#" * (1 << 20) + b"\n")
    sandbox.commit("without end")
    done = sandbox.theta("merge", "german", "-s", "base", check=False)
    assert done.returncode == 2 if file == ".theta.toml" else 1
    assert f"{file}: has more than 1048576 bytes: it is not read" in done.stderr


def test_a_merge_of_other_files_evaluates_nothing(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    sandbox.git("checkout", "--quiet", "-b", "notes", "arabic")
    sandbox.write("notes.txt", b"notes")
    sandbox.commit("notes")
    sandbox.git("checkout", "--quiet", "arabic")
    sandbox.write("more.txt", b"more")
    sandbox.commit("more")
    assert "evaluating" not in sandbox.theta("merge", "notes").stderr


def test_git_merge_asks_the_same_by_its_hook(sandbox_with_heads: Sandbox) -> None:
    sandbox = sandbox_with_heads
    failed = sandbox.git("merge", "german", check=False, env={"GIT_THETA_STRATEGY": "base"})
    assert failed.returncode == 1
    assert "gate FAILS: mean >= before - 0.005" in failed.stdout + failed.stderr
    assert "evaluating german:" in failed.stderr
    assert (sandbox.root / ".git/MERGE_HEAD").exists()
    before = commits(sandbox)
    sandbox.git("commit", "--quiet", "--no-edit")
    assert commits(sandbox) == before + 2
    sandbox.git("reset", "--quiet", "--hard", "HEAD~1")
    sandbox.git("-c", "theta.merge.strategy=task-arithmetic", "-c", "theta.merge.option=lambda=1", "merge", "german")
    assert commits(sandbox) == before + 2


def test_the_hook_is_put_there_with_the_permission_and_goes_with_the_filter(sandbox_with_heads: Sandbox) -> None:
    hook = sandbox_with_heads.root / ".git/hooks/pre-merge-commit"
    assert "pre-merge-commit" in hook.read_text()
    assert sandbox_with_heads.theta("eval", "--allow", "languages").stdout.count("already") == 1
    assert "pre-merge-commit hook removed" in sandbox_with_heads.theta("uninstall", "--local").stdout
    assert not hook.exists()


def test_git_theta_merge_asks_once(sandbox_with_heads: Sandbox) -> None:
    done = sandbox_with_heads.theta("merge", "german", "-s", "task-arithmetic", "-o", "lambda=1")
    assert (done.stdout + done.stderr).count("gate holds") == 1
    sandbox_with_heads.git("reset", "--quiet", "--hard", "HEAD~1")
    skipped = sandbox_with_heads.theta("merge", "german", "-s", "base", "--no-gate")
    assert "gate" not in skipped.stdout
