"""``git theta search``, as a person types it: settings found by an evaluator, kept in a journal, merged when asked."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.docs.test_command_reference import PARTS, code_words, keys
from tests.sandbox import Sandbox, safetensors_bytes, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, sharded
from tests.templates import built_once

pytestmark = pytest.mark.forked

FILE = "model.safetensors"
SCRIPT = """\
import json, os, pathlib, struct
place = pathlib.Path(os.environ["THETA_CHECKPOINT"])
with open("seen.txt", "a") as seen:
    seen.write(f"{place}\\n")
values = struct.unpack("<4f", place.read_bytes()[-16:])
wanted = os.environ.get("THETA_EVAL_ITEMS")
wanted = wanted and set(pathlib.Path(wanted).read_text().split())
for number in range(40):
    if not wanted or f"q{number}" in wanted:
        score = 1 - (values[number % 2] - 0.7 - (number - 20) / 1000) ** 2
        print(json.dumps({"id": f"q{number}", "score": score}))
"""
"""Best where the first two numbers are 0.7, which each of two heads moved by 1."""
EVALS = """\
[eval.near]
checkpoint = "*.safetensors"
command = "{command}"
"""


def checkpoint(*values: float) -> bytes:
    return safetensors_bytes({"w": ("F32", (4,), np.array(values, "<f4").tobytes())})


def prepare(sandbox: Sandbox, script: str = SCRIPT, heads: Mapping[str, bytes] | None = None) -> Sandbox:
    """Heads that each moved another number of zeros, and an evaluation that may run."""
    _prepare(sandbox, script, heads or {"x": checkpoint(1, 0, 0, 1), "y": checkpoint(0, 1, 1, 0)})
    return sandbox


@built_once
def _prepare(sandbox: Sandbox, script: str, heads: Mapping[str, bytes]) -> None:
    run = shlex.join([sys.executable, "near.py"])
    sandbox.write(".theta/evals.toml", EVALS.format(command=run).encode())
    sandbox.write("near.py", script.encode())
    sandbox.write(".gitignore", b"seen.txt\ncount.txt\n")
    track_and_commit(sandbox, {FILE: checkpoint(0, 0, 0, 0)})
    for name, content in heads.items():
        sandbox.git("checkout", "--quiet", "-b", name, "main")
        sandbox.write(FILE, content)
        sandbox.commit(name)
    sandbox.git("checkout", "--quiet", "x")
    sandbox.theta("eval", "--allow", "near")


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    return prepare(sandbox)


def search(sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sandbox.theta("search", *arguments, "--json").stdout)
    return found


def everything(sandbox: Sandbox) -> tuple[str, ...]:
    """What a search must leave as it was: refs, index, worktree, store."""
    objects = sorted(map(str, (sandbox.root / ".git/theta/objects").rglob("*")))
    listed = sandbox.git("for-each-ref").stdout, sandbox.git("ls-files", "--stage").stdout
    return (*listed, sandbox.git("status", "--porcelain").stdout, *objects)


def leftovers(sandbox: Sandbox) -> list[str]:
    return [file.name for file in (sandbox.root / ".git/theta/tmp").glob("*")]


def journal_lines(sandbox: Sandbox) -> list[bytes]:
    (file,) = (sandbox.root / ".git/theta/search").iterdir()
    return file.read_bytes().splitlines(keepends=True)


def test_the_best_lambda_is_found_and_told_on_items_that_the_search_never_saw(repository: Sandbox) -> None:
    before = everything(repository)
    done = repository.theta("search", "-s", "average,task-arithmetic", "--over", "lambda", "y")
    assert "fit" not in done.stderr
    first = done.stdout.splitlines()
    assert first[0].startswith(f"{FILE}: ") and "candidates by near" in first[0]
    assert "20 items searched, 20 held out" in first
    best = next(line for line in first if line.startswith("best"))
    assert "task-arithmetic lambda=0.6" in best or "task-arithmetic lambda=0.7" in best
    assert any(line.startswith("gain: +0.0") and "20 items that the search never saw" in line for line in first)
    assert any(line.startswith("merge so: git theta merge -s task-arithmetic -o lambda=0.") for line in first)
    assert "average: 0.9" in done.stderr
    assert everything(repository) == before
    assert not leftovers(repository)


def test_programs_read_the_same_and_every_key_is_described(repository: Sandbox) -> None:
    found = search(repository, "-s", "task-arithmetic,slerp", "--over", "lambda", "--budget", "4", "y")
    assert set(keys(found)) <= code_words(PARTS["search"]) | {"lambda"}
    assert found["cut_short"] and found["items"] == {"searched": 20, "held_out": 20}
    assert found["spent"]["evaluations"] == 4
    assert found["start"]["strategy"] == "task-arithmetic"
    assert found["command"][:3] == ["git", "theta", "merge"]


def test_the_winner_is_merged_by_the_ordinary_door_as_it_was_evaluated(repository: Sandbox) -> None:
    found = search(repository, "-s", "task-arithmetic", "--over", "lambda", "--holdout", "0", "--commit", "y")
    assert found["merge"]["commit"] == repository.git("rev-parse", "HEAD").stdout.strip()
    (value,) = found["best"]["options"].values()
    trailers = repository.git("log", "-1", "--format=%(trailers)").stdout
    assert f"Theta-Merge: {FILE} task-arithmetic lambda={value:g} 1 contested of 1" in trailers
    merged = np.frombuffer((repository.root / FILE).read_bytes()[-16:], "<f4")
    assert merged == pytest.approx([value] * 4)
    assert len(repository.git("log", "-1", "--format=%P").stdout.split()) == 2
    evaluated = json.loads(repository.theta("eval", "--json").stdout)["evaluations"][0]
    assert evaluated["mean"] == found["best"]["score"], "the bytes are those that were evaluated"


def test_a_search_goes_on_at_the_same_candidate_after_a_kill(repository: Sandbox) -> None:
    asked = ("search", "-s", "average,task-arithmetic,ties", "--over", "lambda,density,weights", "--budget", "20", "y")
    whole = json.loads(repository.theta(*asked, "--json").stdout)
    lines = journal_lines(repository)
    (file,) = (repository.root / ".git/theta/search").iterdir()
    file.write_bytes(b"".join(lines[:9]) + lines[9][:30])  # killed in the middle of a line
    runs = (repository.root / "seen.txt").read_text().count("\n")
    again = json.loads(repository.theta(*asked, "--resume", "--json").stdout)
    told = ("best", "start", "gain", "tried", "failures", "cut_short")
    assert {key: again[key] for key in told} == {key: whole[key] for key in told}
    assert (repository.root / "seen.txt").read_text().count("\n") - runs == again["spent"]["runs"] - 8
    assert [json.loads(line)["candidate"] for line in journal_lines(repository)[1:]] == [
        json.loads(line)["candidate"] for line in lines[1:]
    ]
    larger = json.loads(repository.theta(*asked[:-3], "--budget", "22", "y", "--resume", "--json").stdout)
    assert larger["tried"][: len(whole["tried"])] == whole["tried"]


def test_a_search_that_was_begun_is_not_begun_anew_unasked(repository: Sandbox) -> None:
    search(repository, "-s", "average", "y")
    done = repository.theta("search", "-s", "average", "y", check=False)
    assert done.returncode == 2
    assert "this search was begun before: 1 evaluation in " in done.stderr
    assert "--resume" in done.stderr


def test_a_journal_that_goes_elsewhere_is_told(repository: Sandbox) -> None:
    search(repository, "-s", "average,task-arithmetic", "--over", "lambda", "y")
    (file,) = (repository.root / ".git/theta/search").iterdir()
    file.write_bytes(file.read_bytes().replace(b'"lambda":4.0', b'"lambda":5.0'))
    done = repository.theta("search", "-s", "average,task-arithmetic", "--over", "lambda", "--resume", "y", check=False)
    assert done.returncode == 13
    assert "lambda=5, and this search comes to task-arithmetic lambda=4 there" in done.stderr


def test_a_damaged_journal_and_one_that_another_process_writes_are_told(repository: Sandbox) -> None:
    asked = ("search", "-s", "average,task-arithmetic", "--over", "lambda", "--budget", "2", "y", "--resume")
    repository.theta(*asked)
    (file,) = (repository.root / ".git/theta/search").iterdir()
    with file.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        done = repository.theta(*asked, check=False)
        assert (done.returncode, "another process is at this search" in done.stderr) == (2, True)
    file.write_bytes(file.read_bytes().replace(b'"part":"searched"', b'"part":[]'))
    done = repository.theta(*asked, check=False)
    assert done.returncode == 13
    assert "line 3 is no line of a search" in done.stderr and f"rm {file}" in done.stderr


def test_where_head_is_in_the_history_of_the_others_these_are_merged(repository: Sandbox) -> None:
    repository.git("switch", "--quiet", "main")
    asked = ("-s", "task-arithmetic", "--over", "weights", "--holdout", "0", "--budget", "14", "x", "y")
    found = search(repository, *asked)
    assert [head["name"] for head in found["heads"]] == ["x", "y"]
    assert len(found["best"]["weights"]) == 2
    runs = (repository.root / "seen.txt").read_text()
    merged = search(repository, *asked, "--resume", "--commit")
    assert (repository.root / "seen.txt").read_text() == runs, "all of it is in the journal"
    assert merged["best"] == found["best"]
    parents = repository.git("log", "-1", "--format=%P").stdout.split()
    assert parents[-2:] == [head["commit"] for head in found["heads"]]
    evaluated = json.loads(repository.theta("eval", "--json").stdout)["evaluations"][0]
    assert evaluated["mean"] == found["best"]["score"]


def test_a_server_is_asked_for_all_candidates_of_the_same_items(sandbox: Sandbox) -> None:
    served = SCRIPT.replace('place = pathlib.Path(os.environ["THETA_CHECKPOINT"])', "").replace("\n", "\n    ")
    script = f"""\
import sys
open("count.txt", "a").write("x")
for line in sys.stdin:
    import pathlib
    place = pathlib.Path(line.rstrip(chr(10)))
    {served}
    print('{{"done": true}}', flush=True)
"""
    prepare(sandbox, script)
    definitions = sandbox.root / ".theta/evals.toml"
    definitions.write_text(definitions.read_text() + "server = true\n")
    sandbox.theta("eval", "--allow", "near")
    found = search(sandbox, "-s", "average,task-arithmetic", "--over", "lambda", "y")
    assert found["best"]["strategy"] == "task-arithmetic"
    assert found["spent"]["runs"] > 6
    assert (sandbox.root / "count.txt").read_text() == "xxx", (
        "for all items, for the searched ones, for what is held out"
    )


def test_a_checkpoint_of_several_shards_is_built_whole(sandbox: Sandbox) -> None:
    script = """\
import json, os, pathlib
place = pathlib.Path(os.environ["THETA_CHECKPOINT"])
names = sorted(file.name for file in place.iterdir())
assert names == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
import numpy as np
from safetensors.numpy import load_file
index = json.loads((place / "model.safetensors.index.json").read_text())["weight_map"]
shards = {name: load_file(place / name) for name in set(index.values())}
for name, shard in index.items():
    print(json.dumps({"id": name, "score": float(shards[shard][name].mean())}))
"""
    sandbox.git("config", "theta.eval.mine.command", shlex.join([sys.executable, str(sandbox.root / "mine.py")]))
    sandbox.write("mine.py", script.encode())
    sandbox.theta("track", "*.safetensors", INDEX)
    replace_files(sandbox, sharded("ab", "cd"), "base")
    for name, moved in {"x": 1.0, "y": 3.0}.items():
        sandbox.git("checkout", "--quiet", "-b", name, "main")
        replace_files(sandbox, sharded("ab", "cd", a=moved, c=moved), name)
    found = search(sandbox, "-s", "average,task-arithmetic", "--over", "lambda", "--budget", "3", "x", "--commit")
    assert found["path"] == INDEX
    assert found["best"]["score"] > found["start"]["score"]
    assert found["merge"]["commit"]
    assert not leftovers(sandbox)


def test_a_lower_score_may_be_better_and_a_gain_is_positive_all_the_same(sandbox: Sandbox) -> None:
    prepare(sandbox, SCRIPT.replace("score = 1 - (", "score = ("))
    definitions = sandbox.root / ".theta/evals.toml"
    definitions.write_text(definitions.read_text() + 'direction = "down"\n')
    asked = ("search", "-s", "task-arithmetic", "--over", "lambda", "y")
    printed = sandbox.theta(*asked).stdout
    (gain,) = [line for line in printed.splitlines() if line.startswith("gain: +0.0")]
    low, high = (float(word) for word in gain.replace(")", " ").split() if word[0] in "+-" and gain.index(word) > 10)
    assert 0 < low < high
    found = json.loads(sandbox.theta(*asked, "--resume", "--json").stdout)
    assert found["best"]["score"] < found["start"]["score"] and found["gain"]["change"] < 0


def test_a_strategy_that_does_not_fit_is_left_out_and_told(sandbox: Sandbox) -> None:
    heads = {
        name: checkpoint(*values) for name, values in {"x": (1, 0, 0, 1), "y": (0, 1, 1, 0), "z": (1, 1, 1, 1)}.items()
    }
    prepare(sandbox, heads=heads)
    done = sandbox.theta("search", "-s", "slerp,average", "--budget", "1", "y", "z")
    assert "theta: slerp does not fit: slerp merges 2 heads, not 3" in done.stderr
    done = sandbox.theta("search", "-s", "slerp", "y", "z", check=False)
    assert (done.returncode, "no strategy fits: slerp: slerp merges 2 heads" in done.stderr) == (2, True)


def test_heads_of_one_task_become_a_soup_of_those_that_help(sandbox: Sandbox) -> None:
    heads = {"x": checkpoint(1, 0.8, 1, 1), "y": checkpoint(0.5, 0.6, 2, 2), "z": checkpoint(-3, -3, 3, 3)}
    prepare(sandbox, heads=heads)
    found = search(sandbox, "--greedy", "y", "z", "--commit")
    assert found["start"]["head"] == 1
    assert [one["weights"] for one in found["tried"] if one["strategy"]] == [[1, 1, 0], [1, 1, 1]]
    assert found["best"]["weights"] == [1, 1, 0]
    assert found["gain"]["change"] > 0
    merged = np.frombuffer((sandbox.root / FILE).read_bytes()[-16:], "<f4")
    assert merged == pytest.approx([0.75, 0.7, 1.5, 1.5])
    assert f"{FILE} weighted weights=1,1,0 1 contested" in sandbox.git("log", "-1", "--format=%(trailers)").stdout


def test_where_no_mean_is_better_than_a_head_nothing_is_merged(sandbox: Sandbox) -> None:
    prepare(sandbox, heads={"x": checkpoint(0.7, 0.7, 0, 1), "y": checkpoint(3, 3, 1, 1)})
    before = sandbox.git("rev-parse", "HEAD").stdout
    done = sandbox.theta("search", "--greedy", "--commit", "y", check=False)
    assert done.returncode == 1
    assert "no mean is better than one head alone" in done.stderr
    assert "best   0.9999  HEAD alone" in done.stdout and "y alone: " in done.stderr
    assert "gain: none" in done.stdout
    assert sandbox.git("rev-parse", "HEAD").stdout == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["main"], "there is one head, HEAD: nothing to merge it with"),
        ([], "a search is about heads, and one checkpoint"),
        (["y", "-s", "taies"], "no strategy is called 'taies' here"),
        (["y", "-s", "slerp", "--over", "lambda"], "lambda is nothing of these strategies that can be searched over"),
        (["y", "-s", "ties", "--greedy"], "--greedy averages, and searches nothing else"),
        (["y", "--holdout", "1"], "--holdout"),
        (["y", "--budget", "0"], "--budget"),
        (["y", "--eval", "far"], "no evaluation is called 'far'"),
        (["y", "--", "other.safetensors"], "these heads contest no parameter of other.safetensors"),
        (["nobody"], "'nobody' is"),
    ],
)
def test_what_is_no_search_is_said(repository: Sandbox, arguments: list[str], reason: str) -> None:
    done = repository.theta("search", *arguments, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (repository.root / ".git/theta/search").exists()


def test_what_is_to_be_said_of_all_candidates_is_said_once(sandbox: Sandbox) -> None:
    heads = {
        name: safetensors_bytes({"w": ("F32", (4,), np.array(values, "<f4").tobytes())}, {"by": name})
        for name, values in {"x": (1, 0, 0, 1), "y": (0, 1, 1, 0)}.items()
    }
    prepare(sandbox, heads=heads)
    done = sandbox.theta("search", "-s", "average,task-arithmetic", "--over", "lambda", "--budget", "4", "y")
    said = [line for line in done.stderr.splitlines() if line.startswith("theta: warning: ")]
    assert said
    assert len(said) == len(set(said))


def test_heads_that_are_alike_contest_nothing(sandbox: Sandbox) -> None:
    prepare(sandbox, heads={"x": checkpoint(1, 1, 1, 1), "y": checkpoint(1, 1, 1, 1)})
    done = sandbox.theta("search", "y", check=False)
    assert done.returncode == 2
    assert "these heads contest no parameter: there is nothing to search for" in done.stderr


def test_a_budget_below_the_number_of_defaults_says_what_was_not_tried(repository: Sandbox) -> None:
    done = repository.theta("search", "-s", "average,task-arithmetic,ties,dare", "--budget", "2", "y")
    assert "not tried: ties, dare" in done.stdout
    assert "go on with --resume and a larger --budget" in done.stdout
    gone_on = repository.theta("search", "-s", "average,task-arithmetic,ties,dare", "--budget", "4", "y", "--resume")
    assert "not tried" not in gone_on.stdout
    assert "task-arithmetic: " not in gone_on.stderr and "ties: " in gone_on.stderr


FAILS = """\
import pathlib, sys
runs = pathlib.Path("count.txt")
runs.write_text(runs.read_text() + "." if runs.exists() else ".")
if {when}:
    sys.exit(3)
"""


def test_an_evaluator_that_fails_once_in_ten_is_asked_again_and_that_is_written(sandbox: Sandbox) -> None:
    prepare(sandbox, FAILS.format(when="len(runs.read_text()) % 10 == 4") + SCRIPT)
    found = search(sandbox, "-s", "average,task-arithmetic", "--over", "lambda", "--budget", "20", "y")
    assert found["best"]["strategy"] == "task-arithmetic"
    assert found["failures"] == []
    entries = [json.loads(line) for line in journal_lines(sandbox)[1:]]
    failed = [number for number, entry in enumerate(entries) if "failed" in entry]
    assert failed and all(entries[at]["candidate"] == entries[at + 1]["candidate"] for at in failed)
    assert entries[failed[0]]["error"] == "the evaluator near exited 3"
    assert found["spent"]["runs"] == len((sandbox.root / "count.txt").read_text())


def test_an_evaluator_that_always_fails_ends_the_search(sandbox: Sandbox) -> None:
    prepare(sandbox, FAILS.format(when="True") + SCRIPT)
    done = sandbox.theta("search", "y", check=False)
    assert done.returncode == 13
    assert "the evaluator near exited 3; so did 3 candidates in a row" in done.stderr
    assert len((sandbox.root / "count.txt").read_text()) == 6
    assert not leftovers(sandbox)


def test_what_the_budget_left_half_scored_is_not_called_worse(repository: Sandbox) -> None:
    done = repository.theta("search", "-s", "average,task-arithmetic", "--budget", "1", "y")
    assert "gain: none, nothing of what was scored on all searched items was better than the start" in done.stdout


@pytest.mark.parametrize("score", ["1", "number"])
def test_scores_that_are_all_alike_end_the_search_without_a_gain(sandbox: Sandbox, score: str) -> None:
    prepare(sandbox, f"import json\nfor number in range(9): print(json.dumps(dict(id=str(number), score={score})))")
    done = sandbox.theta("search", "-s", "task-arithmetic", "--budget", "60", "y")
    assert "gain: none, nothing was better than the start" in done.stdout
    assert "weights=" in done.stderr


def test_an_evaluator_that_always_scores_everything_is_understood(sandbox: Sandbox) -> None:
    prepare(sandbox, SCRIPT.replace('wanted = os.environ.get("THETA_EVAL_ITEMS")', "wanted = None"))
    found = search(sandbox, "-s", "task-arithmetic", "--over", "lambda", "--items-per-step", "5", "y")
    assert found["items"] == {"searched": 20, "held_out": 20}
    assert found["best"]["options"]["lambda"] == pytest.approx(0.7, abs=0.1)
    assert {one["n"] for one in found["tried"]} == {5, 20}
    assert found["spent"]["evaluations"] < found["spent"]["runs"]


def test_one_that_scores_no_items_is_refused(sandbox: Sandbox) -> None:
    prepare(sandbox, """print('{"metric": "ppl", "value": 3}')""")
    done = sandbox.theta("search", "y", check=False)
    assert done.returncode == 2
    assert "near scores no items, and a search goes by their mean" in done.stderr


def test_candidates_of_the_same_bytes_are_evaluated_once(repository: Sandbox) -> None:
    found = search(repository, "-s", "average,weighted", "--over", "weights", "--budget", "2", "--holdout", "0", "y")
    assert [one["strategy"] for one in found["tried"]][:2] == ["average", "weighted"]
    assert json.loads(journal_lines(repository)[2])["cost"] == 0


WITHOUT_CMA = """\
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
hide = lambda cls, name, path=None, target=None: None if name == "cma" else find(name, path, target)
importlib.machinery.PathFinder.find_spec = classmethod(hide)
from git_theta.cli.main import run_program
run_program()
"""


def test_without_cma_the_search_ends_before_weights_and_says_so(repository: Sandbox) -> None:
    done = repository.run(sys.executable, "-c", WITHOUT_CMA, "search", "-s", "task-arithmetic", "--budget", "30", "y")
    assert "weights are not searched: that takes cma, which is not installed" in done.stderr
    assert "pip install 'git-theta[search]'" in done.stderr
    assert "weights=" not in done.stderr and "the budget ended it" not in done.stdout


SLOW = "import time; time.sleep(0.3)\n"


def begin_search(sandbox: Sandbox, *arguments: str) -> subprocess.Popen[bytes]:
    """A search in a process of its own that has evaluated something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "git_theta", "search", *arguments],
        cwd=sandbox.root, start_new_session=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    folder = sandbox.root / ".git/theta/search"
    while not any(file.read_bytes().count(b"\n") > 3 for file in folder.glob("*")):
        assert process.poll() is None
        time.sleep(0.02)
    return process


def test_a_search_that_was_killed_goes_on_where_it_stood(sandbox: Sandbox) -> None:
    prepare(sandbox, SLOW + SCRIPT)
    asked = ("-s", "average,task-arithmetic", "--over", "lambda", "--budget", "6", "y")
    process = begin_search(sandbox, *asked)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = journal_lines(sandbox)
    found = search(sandbox, *asked, "--resume")
    lines = journal_lines(sandbox)
    assert lines[: len(before) - 1] == before[:-1]
    candidates = [json.loads(line)["candidate"] for line in lines[1:] if b'"held out"' not in line]
    assert len({json.dumps(one) for one in candidates}) == len(candidates) == found["spent"]["evaluations"]


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_nothing_but_the_journal(sandbox: Sandbox) -> None:
    prepare(sandbox, SLOW + SCRIPT)
    asked = ("-s", "average,task-arithmetic", "--over", "lambda", "y")
    before = everything(sandbox)
    process = begin_search(sandbox, *asked)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate()[1].decode()
    assert process.returncode == 130
    assert "Go on: the same, with --resume" in said and "Traceback" not in said
    assert not leftovers(sandbox)
    assert everything(sandbox) == before
    assert search(sandbox, *asked, "--budget", "7", "--resume")["spent"]["evaluations"] == 7


def test_a_full_disk_ends_the_search_and_it_goes_on_when_there_is_room(sandbox: Sandbox) -> None:
    large = np.zeros(1 << 16, "<f4")

    def content(at: int) -> bytes:
        values = large.copy()
        values[-4 + at] = 1
        values[0] = at + 1
        return safetensors_bytes({"w": ("F32", values.shape, values.tobytes())})

    prepare(sandbox, heads={"x": content(0), "y": content(1)})
    words = "git theta search -s average,task-arithmetic --over lambda --budget 3 y"
    done = sandbox.run("sh", "-c", f"ulimit -f 100; {words}", check=False)
    assert done.returncode == 6
    assert "File too large" in done.stderr and "Traceback" not in done.stderr
    assert not leftovers(sandbox)
    sandbox.run("sh", "-c", f"{words} --resume")


@pytest.mark.parametrize("moved", ["HEAD", "y"])
def test_what_moved_while_it_ran_is_not_merged(sandbox: Sandbox, moved: str) -> None:
    """The settings are those of the commits that were searched."""
    ref = {"HEAD": "refs/heads/x", "y": "refs/heads/y"}[moved]
    move = f"import subprocess\nsubprocess.run(['git', 'update-ref', '{ref}', 'z'], check=True)\n"
    heads = {"x": checkpoint(1, 0, 0, 1), "y": checkpoint(0, 1, 1, 0), "z": checkpoint(0, 2, 1, 0)}
    prepare(sandbox, move + SCRIPT, heads)
    done = sandbox.theta("search", "-s", "average", "--budget", "2", "--commit", "y", check=False)
    assert (done.returncode, f"{moved} moved while" in done.stderr) == (2, True)
    assert sandbox.git("rev-list", "--merges", "--all").stdout == ""
