"""``git theta eval``, as a person types it: evaluators are little scripts, results belong to contents."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox, model, track_and_commit
from tests.sharded_checkpoints import INDEX, sharded
from tests.templates import built_once

FILE = "model.safetensors"
SCRIPT = """\
import json, os, pathlib, random

place = pathlib.Path(os.environ["THETA_CHECKPOINT"])
files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
last = sum(file.read_bytes()[-1] for file in files) % 256
with open(os.environ["LOG"], "a") as log:
    log.write(f"{last}\\n")
wanted = os.environ.get("THETA_EVAL_ITEMS")
wanted = wanted and pathlib.Path(wanted).read_text().split()
for number in range(120):
    bucket = ["arabic", "german"][number % 2]
    right = random.Random(number).random() < (0.9 if bucket == "german" or last < 10 else 0.3)
    if not wanted or f"q{number}" in wanted:
        print(json.dumps({"id": f"q{number}", "score": int(right), "bucket": bucket}))
"""
"""Forgets Arabic where the checkpoint's last byte is 10 or more; and puts down what it was asked for."""
EVALS = """\
[eval.classes]
checkpoint = "*.safetensors"
gate = ["mean >= before - 0.005", "no bucket worse"]
command = "{command}"
"""


def version(number: int) -> bytes:
    return model()[:-1] + bytes([number])


class Evaluated:
    """A repository with an evaluator, and what that was asked for."""

    def __init__(self, sandbox: Sandbox, log: Path) -> None:
        self.sandbox, self.log = sandbox, log
        log.write_text("")

    def run(self, *arguments: str, code: int = 0, **env: str) -> Any:
        done = self.sandbox.theta("eval", *arguments, check=False, env={"LOG": str(self.log), **env})
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def data(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run("--json", *arguments, code=code).stdout)

    def asked(self) -> list[int]:
        """Which checkpoints the evaluator saw since this was called last."""
        found = [int(line) for line in self.log.read_text().split()]
        self.log.write_text("")
        return found


@pytest.fixture
def evaluated(sandbox: Sandbox, tmp_path: Path) -> Evaluated:
    """Two commits, the second of which forgets a bucket; the evaluation may run."""
    _forget_arabic(sandbox)
    found = Evaluated(sandbox, tmp_path / "log")
    found.run("--allow", "classes")
    return found


@built_once
def _forget_arabic(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {FILE: version(0)})
    sandbox.write("evals/classes.py", SCRIPT.encode())
    command = shlex.join([sys.executable, "evals/classes.py"])
    sandbox.write(".theta/evals.toml", EVALS.format(command=command).encode())
    sandbox.commit("an evaluation")
    sandbox.write(FILE, version(20))
    sandbox.commit("Arabic is forgotten")


def test_a_version_is_evaluated_once_whatever_becomes_of_its_commit(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    (first,) = evaluated.data()["evaluations"]
    assert (first["n"], first["known"], first["commit"]) == (120, False, head(sandbox))
    assert evaluated.asked() == [20]
    sandbox.git("commit", "--quiet", "--amend", "-m", "another message")
    (again,) = evaluated.data()["evaluations"]
    assert (again["mean"], again["known"], again["identity"]) == (first["mean"], True, first["identity"])
    sandbox.git("mv", FILE, "renamed.safetensors")
    sandbox.commit("renamed")
    sandbox.theta("repack", ":/", check=False)
    assert [one["known"] for one in evaluated.data("HEAD")["evaluations"]] == [True]
    # The file as it lies in the worktree is the same content, and so is a copy outside.
    outside = sandbox.root.parent / "copy.safetensors"
    outside.write_bytes(sandbox.read("renamed.safetensors"))
    for place in ("renamed.safetensors", str(outside)):
        assert [one["known"] for one in evaluated.data(place)["evaluations"]] == [True]
    assert evaluated.asked() == []
    assert [one["known"] for one in evaluated.data("--rerun")["evaluations"]] == [False]
    assert evaluated.asked() == [20]


def head(sandbox: Sandbox, revision: str = "HEAD") -> str:
    return sandbox.git("rev-parse", revision).stdout.strip()


def test_a_range_is_each_of_its_commits_and_equal_contents_are_asked_for_once(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    sandbox.write("notes.txt", b"something else")
    sandbox.commit("notes")
    found = evaluated.data("classes", "HEAD~3..HEAD")["evaluations"]
    assert [(one["commit"], one["known"]) for one in found] == [
        (head(sandbox, "HEAD~2"), False),
        (head(sandbox, "HEAD~1"), False),
        (head(sandbox), True),
    ]
    assert evaluated.asked() == [0, 20]


def test_items_and_limits_are_evaluations_of_their_own(evaluated: Evaluated, tmp_path: Path) -> None:
    (tmp_path / "items").write_text("q0\nq2\n\nq4\n")
    arguments = ("--items", str(tmp_path / "items"))
    assert evaluated.data(*arguments)["evaluations"][0]["n"] == 3
    assert evaluated.data(*arguments, "--limit", "2")["evaluations"][0]["n"] == 2
    assert evaluated.data("--limit", "7")["evaluations"][0]["n"] == 7
    assert evaluated.data()["evaluations"][0]["n"] == 120
    assert len(evaluated.asked()) == 4
    assert evaluated.data(*arguments)["evaluations"][0]["known"]


def test_a_change_of_command_or_version_makes_results_of_before_another_s(evaluated: Evaluated) -> None:
    evaluated.run()
    definitions = evaluated.sandbox.root / ".theta/evals.toml"
    definitions.write_text(definitions.read_text() + 'version = "2"\n')
    assert not evaluated.data()["evaluations"][0]["known"]
    definitions.write_text(definitions.read_text().replace('version = "2"', ""))
    assert evaluated.data()["evaluations"][0]["known"]


def test_a_comparison_leads_with_what_got_worse_and_fails_its_gates(evaluated: Evaluated, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = evaluated.run("--compare", "HEAD~1", "HEAD", "--html", str(page), code=1)
    lines = done.stdout.splitlines()
    assert lines[0] == f"classes: HEAD~1:{FILE} -> HEAD:{FILE}"
    assert "1 worse and 0 better of 2 buckets" in done.stdout
    rows = [["-", "arabic", "60"], ["german", "60", "0.9167"], ["-", "all", "items"]]
    assert [line.split()[:3] for line in lines[4:7]] == rows
    assert [line.split(":")[0] for line in lines[7:]] == ["gate FAILS", "gate FAILS"]
    assert "arabic" in page.read_text() and "<script src" not in page.read_text()
    evaluated.run("--compare", "HEAD~1", "HEAD", "--by", "ger*", "--html", str(page), code=1)
    assert ">german<" in page.read_text() and ">arabic<" not in page.read_text()
    data = evaluated.data("--compare", "HEAD~1", "HEAD", code=1)
    (found,) = data["comparisons"]
    assert (data["passed"], found["test"], found["overall"]["n"]) == (False, "sign", 120)
    assert [(row["bucket"], row["verdict"]) for row in found["buckets"]] == [("arabic", "worse"), ("german", "same")]
    assert evaluated.data("--compare", "HEAD", "HEAD~1")["passed"]
    assert len(evaluated.asked()) == 2


def test_a_page_counts_ties(evaluated: Evaluated, tmp_path: Path) -> None:
    line = json.dumps({"id": "q", "score": [-1.0, -1.0]})
    evaluated.sandbox.git("config", "theta.eval.classes.command", shlex.join(["echo", line]))
    evaluated.run("--compare", "HEAD~1", "HEAD", "--html", str(tmp_path / "page.html"))
    assert "Ties count half: 1 before, 1 after." in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("arguments", [["HEAD"], ["--compare", "HEAD~1", "HEAD"]])
def test_a_glob_that_matches_no_bucket_is_told(evaluated: Evaluated, arguments: list[str]) -> None:
    done = evaluated.run("--by", "arab", "--by", "ger*", *arguments, code=int(len(arguments) > 1))
    assert "warning: 'arab' matches no bucket" in done.stderr and "There is: arabic, german." in done.stderr
    assert "'ger*'" not in done.stderr
    assert "german" in done.stdout and "  arabic" not in done.stdout


def test_a_gate_is_asked_of_the_ends_of_a_range(evaluated: Evaluated) -> None:
    assert "gate FAILS: no bucket worse: worse: arabic" in evaluated.run("--gate", "HEAD~1..HEAD", code=1).stdout
    assert not evaluated.data("--gate", "HEAD..HEAD~1")["comparisons"][0]["overall"]["lost"]
    assert "BASE..HEAD" in evaluated.run("--gate", "HEAD", code=2).stderr


def test_sharded_checkpoints_are_a_folder_and_one_version(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {path: data for path, data in sharded("ab", "c").items() if data is not None})
    sandbox.write("classes.py", SCRIPT.encode())
    sandbox.git("config", "theta.eval.mine.command", shlex.join([sys.executable, "classes.py"]))
    evaluated = Evaluated(sandbox, tmp_path / "log")
    (found,) = evaluated.data()["evaluations"]
    assert (found["path"], found["n"], found["known"]) == (INDEX, 120, False)
    (there,) = evaluated.data(INDEX)["evaluations"]
    assert (there["identity"], there["known"]) == (found["identity"], True)


def test_several_checkpoints_are_chosen_by_glob_and_by_path(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    sandbox.write("old/other.safetensors", version(3))
    sandbox.commit("another checkpoint")
    assert [one["path"] for one in evaluated.data()["evaluations"]] == [FILE, "old/other.safetensors"]
    assert [one["path"] for one in evaluated.data("HEAD", "--", "old")["evaluations"]] == ["old/other.safetensors"]
    assert "HEAD: no checkpoint at 'none'" in evaluated.run("HEAD", "--", "none", code=2).stderr


def test_nothing_of_a_repository_runs_unasked(evaluated: Evaluated, tmp_path: Path) -> None:
    """L10: what a clone brings is allowed by hand, on this machine, and once more each time it changes."""
    clone = Evaluated(Sandbox.clone(evaluated.sandbox, tmp_path / "clone"), tmp_path / "log")
    clone.sandbox.theta("install", "--local")
    refused = clone.run("HEAD", code=2)
    assert "the evaluation classes is not allowed" in refused.stderr
    assert "It would run:" in refused.stderr and "git theta eval --allow classes" in refused.stderr
    clone.run("--allow", "classes")
    clone.run("HEAD")
    definitions = clone.sandbox.root / ".theta/evals.toml"
    definitions.write_text(definitions.read_text().replace("classes.py", "classes.py --twice"))
    assert "changed since it was allowed" in clone.run("HEAD", code=2).stderr
    # What the person configures runs, whatever the file says.
    clone.sandbox.git("config", "theta.eval.classes.command", f"{sys.executable} evals/classes.py")
    clone.run("HEAD")
    assert clone.data("--list")["evaluations"][0]["permission"] == "configured"
    # The order: --allow's own run of the first command, and that of the configured one, which is spelled alike or not.
    assert set(clone.asked()) == {20}


ELSEWHERE = ["../secret", "/etc/hostname", "link", "folder/secret", ".git/config", "pipe", "none"]


@pytest.mark.parametrize("items", ELSEWHERE)
def test_a_repository_has_no_file_read_but_its_own(items: str, evaluated: Evaluated, tmp_path: Path) -> None:
    """L10: what is in it would reach the evaluator, and with the results whoever these are pushed to."""
    root = evaluated.sandbox.root
    (root.parent / "secret").write_text("password")
    (root / "link").symlink_to("../secret")
    (root / "folder").symlink_to("..")
    os.mkfifo(root / "pipe")
    with (root / ".theta/evals.toml").open("a") as out:
        out.write(f'items = "{items}"\n')
    assert f"its items, '{items}', are no file of the worktree" in evaluated.run("classes", code=2).stderr
    assert evaluated.asked() == []


def test_items_of_the_worktree_are_read(evaluated: Evaluated) -> None:
    evaluated.sandbox.write("evals/items", b"q0\nq2\n")
    with (evaluated.sandbox.root / ".theta/evals.toml").open("a") as out:
        out.write('items = "./evals/items"\n')
    assert evaluated.data()["evaluations"][0]["n"] == 2


def test_definitions_that_are_too_large_are_not_read(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    with (sandbox.root / ".theta/evals.toml").open("ab") as out:
        out.truncate(1 << 40)
    assert "has more than 1048576 bytes" in evaluated.run("--list", code=2).stderr


def test_what_a_remote_has_for_notes_and_is_none_is_not_taken(evaluated: Evaluated, tmp_path: Path) -> None:
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    blob = remote.git("hash-object", "-w", "--stdin", input="no notes").stdout.strip()
    remote.git("update-ref", "refs/notes/theta/eval", blob)
    assert "is no commit of notes" in evaluated.run("--sync", str(remote.root), code=9).stderr
    assert evaluated.data()["evaluations"][0]["n"] == 120


def test_checkout_status_diff_and_log_run_nothing(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    for command in ("status", "diff HEAD~1", "log -p", "checkout HEAD~1", "theta log", "theta status"):
        sandbox.git(*command.split(), env={"LOG": str(evaluated.log)})
    assert evaluated.asked() == []


def test_the_list_says_what_is_there_and_what_to_do(evaluated: Evaluated) -> None:
    evaluated.sandbox.git("config", "theta.eval.own.timeout", "3")
    printed = evaluated.run("--list").stdout
    assert "classes  allowed" in printed and "gate   no bucket worse" in printed
    assert "own  without a command" in printed and "theta.eval.own.command" in printed
    data = evaluated.data("--list")
    assert (data["version"], [one["tracked"] for one in data["evaluations"]]) == (1, [True, False])


def test_forgetting_drops_results_and_the_permission(evaluated: Evaluated) -> None:
    evaluated.run()
    done = evaluated.run("--forget", "classes")
    assert "1 result dropped, and it may not run any more" in done.stdout
    assert "by git theta eval --sync" in done.stderr
    assert "not allowed" in evaluated.run(code=2).stderr
    evaluated.run("--allow", "classes")
    assert not evaluated.data()["evaluations"][0]["known"]
    assert "no evaluation is called 'none'" in evaluated.run("--forget", "none", code=2).stderr


def test_what_is_forgotten_everywhere_stays_so(evaluated: Evaluated, tmp_path: Path) -> None:
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    evaluated.sandbox.git("remote", "add", "origin", remote.root)
    evaluated.run()
    evaluated.run("--sync")
    evaluated.sandbox.git("clone", "--quiet", ".", tmp_path / "other")
    other = Evaluated(Sandbox(tmp_path / "other"), tmp_path / "other.log")
    other.sandbox.git("remote", "add", "shared", remote.root)
    other.run("--sync", "shared")
    line = json.dumps({"id": "q", "score": 1})
    other.sandbox.git("config", "theta.eval.more.command", shlex.join(["echo", line]))
    other.run("more")
    evaluated.run("--forget", "classes")
    assert "0 results here" in evaluated.run("--sync").stdout
    assert "1 result here" in other.run("--sync", "shared").stdout
    assert "1 result here" in evaluated.run("--sync").stdout
    assert other.data("more")["evaluations"][0]["known"]


def test_a_bare_repository_gets_no_hook_that_nothing_calls(evaluated: Evaluated, tmp_path: Path) -> None:
    evaluated.sandbox.git("clone", "--quiet", "--bare", ".", tmp_path / "bare.git")
    bare = Sandbox(tmp_path / "bare.git")
    done = bare.theta("eval", "--allow", "classes")
    assert "classes may run here" in done.stdout and "pre-merge-commit" not in done.stdout
    assert not (bare.root / "hooks/pre-merge-commit").exists()


def test_two_clones_results_unite(evaluated: Evaluated, tmp_path: Path) -> None:
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    evaluated.sandbox.git("remote", "add", "origin", str(remote.root))
    evaluated.sandbox.git("push", "--quiet", "origin", "main")
    other = Evaluated(Sandbox.clone(remote, tmp_path / "other"), tmp_path / "other-log")
    other.sandbox.theta("install", "--local")
    other.run("--allow", "classes")
    assert "there are no results" in other.run("--sync").stdout
    evaluated.run("HEAD")
    other.run("HEAD~1")
    assert "1 result here and on origin" in evaluated.run("--sync").stdout
    assert "2 results here and on origin" in other.run("--sync", "origin").stdout
    assert "2 results" in evaluated.run("--sync").stdout
    for each in (evaluated, other):
        each.asked()
        assert [one["known"] for one in each.data("HEAD~1", "HEAD")["evaluations"]] == [True, True]
        assert each.asked() == []
    said = evaluated.run("--sync", "nowhere", code=9).stderr
    assert "'nowhere' does not appear to be a git repository; " in said and "\\n" not in said


def test_long_scores_travel_as_notes_of_their_own(evaluated: Evaluated, tmp_path: Path) -> None:
    sandbox = evaluated.sandbox
    lines = (
        'import random\nfor n in range(40000): print(f\'{{"id": "{random.Random(n).random()}", "score": {n % 2}}}\')'
    )
    sandbox.write("many.py", lines.encode())
    sandbox.git("config", "theta.eval.many.command", f"{sys.executable} many.py")
    evaluated.run("many")
    assert evaluated.data("--compare", "HEAD", "HEAD", "many")["comparisons"][0]["overall"]["n"] == 40_000
    listed = sandbox.git("notes", "--ref=refs/notes/theta/eval", "list").stdout.split()
    assert len(listed) == 4 and listed.count(listed[0]) + listed.count(listed[2]) == 3
    evaluated.run("--forget", "many")
    assert sandbox.git("notes", "--ref=refs/notes/theta/eval", "list").stdout == ""


def test_a_server_is_started_once_for_all_versions(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    serve = SCRIPT.replace('place = pathlib.Path(os.environ["THETA_CHECKPOINT"])', "import sys\nprint(end='')")
    body = serve.partition("files = ")[2]
    text = "import json, os, pathlib, random, sys\nopen(os.environ['LOG'] + '-starts', 'a').write('x')\n"
    text += "for line in sys.stdin:\n    place = pathlib.Path(line.rstrip(chr(10)))\n"
    text += "".join(f"    {line}\n" for line in f"files = {body}".splitlines())
    text += "    print(json.dumps({'done': True}), flush=True)\n"
    sandbox.write("serve.py", text.encode())
    sandbox.git("config", "theta.eval.served.command", f"{sys.executable} serve.py")
    sandbox.git("config", "theta.eval.served.server", "true")
    served = evaluated.data("served", "HEAD~1", "HEAD")["evaluations"]
    alone = evaluated.data("classes", "HEAD~1", "HEAD")["evaluations"]
    assert [one["mean"] for one in served] == [one["mean"] for one in alone]
    assert Path(f"{evaluated.log}-starts").read_text() == "x"


def test_an_evaluator_that_fails_leaves_no_result_and_no_folder(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    sandbox.git("config", "theta.eval.bad.command", "exit 3")
    failed = evaluated.run("bad", code=13)
    assert f"HEAD:{FILE}: the evaluator bad exited 3" in failed.stderr
    assert list((sandbox.root / ".git/theta/tmp").iterdir()) == []
    assert sandbox.git("notes", "--ref=refs/notes/theta/eval", "list", check=False).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "no revision here"),
        (["HEAD", "clases"], "Evaluations come first. Did you mean 'classes'? There is: classes."),
        (["--list", "--allow", "a"], "exclude each other"),
        (["--list", "HEAD"], "takes no 'HEAD'"),
        (["--allow", "none"], "no evaluation is called 'none'"),
        (["--compare", "HEAD", "HEAD~1", "HEAD"], "'HEAD' is no evaluation"),
        (["--alpha", "2"], "is a probability"),
        (["--items", "none"], "cannot be read"),
        (["--compare", "HEAD", "HEAD", "--html", "no/such/page"], "cannot be written there"),
    ],
)
def test_what_cannot_be_is_said(evaluated: Evaluated, arguments: list[str], said: str) -> None:
    assert said in evaluated.run(*arguments, code=2).stderr


def test_a_manifest_in_the_file_s_place_is_no_checkpoint(evaluated: Evaluated) -> None:
    sandbox = evaluated.sandbox
    (sandbox.root / "copy.safetensors").write_text(sandbox.git("cat-file", "blob", f"HEAD:{FILE}").stdout)
    assert "is not materialised" in evaluated.run("copy.safetensors", code=2).stderr
