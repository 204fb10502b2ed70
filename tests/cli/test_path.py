"""``git theta path``, as a person types it: the line between two versions, and points on it."""

from __future__ import annotations

import json
import shlex
import sys

import numpy as np
import pytest

from tests.cli.test_centroid import list_store
from tests.docs.test_command_reference import PARTS, code_words, keys
from tests.integration.three_branches import BASE, MODEL, added, branch, started
from tests.sandbox import Sandbox, safetensors_bytes, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, sharded


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """x adds 3 to 64 elements, y adds 4 to 16 others: 24 and 16 from the base, at a right angle."""
    started(sandbox)
    branch(sandbox, "x", added(BASE, a__weight=3))
    branch(sandbox, "y", added(BASE, b__weight=4))
    return sandbox


def test_the_only_checkpoint_needs_no_path(repository: Sandbox) -> None:
    assert repository.theta("path", "x", "y").stdout == repository.theta("path", "x", "y", MODEL).stdout
    repository.git("checkout", "--quiet", "x")
    repository.write("other.safetensors", BASE)
    repository.commit("another checkpoint")
    done = repository.theta("path", "x", "y", check=False)
    assert done.returncode == 2
    assert f"x has 2 checkpoints: {MODEL}, other.safetensors" in done.stderr
    assert f"Name one: -- {MODEL}" in done.stderr


def test_a_person_reads_where_points_are(repository: Sandbox) -> None:
    printed = repository.theta("path", "x", "y", MODEL, "--points", "3").stdout
    assert f"path of {MODEL} from x to y" in printed
    assert "(the merge base)" in printed
    rows = [line.split() for line in printed.splitlines()]
    head = rows.index(["t", "from", "x", "from", "y", "from", "the", "base"])
    numbers = [list(map(float, row)) for row in rows[head + 1 :]]
    assert numbers == [[0, 0, 28.8, 24], [0.5, 14.4, 14.4, 14.4], [1, 28.8, 0, 16]]


def test_programs_read_the_same_and_every_key_is_described(repository: Sandbox) -> None:
    found = json.loads(repository.theta("path", "x", "y", MODEL, "--json").stdout)
    assert set(keys(found)) <= code_words(PARTS["path"])
    assert [point["t"] for point in found["points"]] == [0, 0.25, 0.5, 0.75, 1]
    assert found["distance"] == pytest.approx(np.hypot(24, 16), rel=1e-6)
    assert found["cosine"] == pytest.approx(0, abs=1e-6)
    assert [end["label"] for end in found["ends"]] == ["x", "y"]


def test_another_base_and_some_parameters_alone(repository: Sandbox) -> None:
    found = json.loads(repository.theta("path", "x", "y", MODEL, "--json", "--base", "x", "-p", "b.*").stdout)
    assert [point["from_base"] for point in found["points"]] == pytest.approx([0, 4, 8, 12, 16], abs=1e-5)
    assert found["cosine"] is None


def test_a_picture_is_written_where_there_is_a_place_for_it(repository: Sandbox) -> None:
    pictures = [repository.root.parent / name for name in ("one.png", "two.png")]
    for picture in pictures:
        repository.theta("path", "x", "y", MODEL, "--png", picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    found = json.loads(repository.theta("path", "x", "y", MODEL, "--json", "--png", pictures[0]).stdout)
    assert found["distance"] > 0
    done = repository.theta("path", "x", "y", MODEL, "--png", "no/such/path.png", check=False)
    assert (done.returncode, "cannot be written there" in done.stderr) == (2, True)


def test_a_point_of_the_path_is_what_centroid_writes(repository: Sandbox) -> None:
    repository.theta("centroid", "x", "y", "--weights", "0.75,0.25", "-o", "mix.safetensors")
    from tests.integration.three_branches import values

    found = (repository.root / "mix.safetensors").read_bytes()
    moved = [values(found, name) - values(BASE, name) for name in ("a.weight", "b.weight")]
    point = json.loads(repository.theta("path", "x", "y", MODEL, "--json").stdout)["points"][1]
    assert point["from_base"] == pytest.approx(float(np.linalg.norm(np.concatenate(moved))), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x", MODEL], "a path is between two versions of one checkpoint"),
        (["x", "y", "main", MODEL], "a path is between two versions"),
        (["x", "fork..y", MODEL], "fork..y"),
        (["x", "x~0", MODEL], "'x' and 'x~0' are one commit"),
        (["x", "y", MODEL, "--points", "1"], "--points"),
        (["x", "y", "note.txt"], "note.txt"),
    ],
)
def test_what_is_no_path_is_said(repository: Sandbox, arguments: list[str], reason: str) -> None:
    done = repository.theta("path", *arguments, check=False)
    assert done.returncode != 0
    assert reason in done.stderr


EVALS = """\
[eval.near]
checkpoint = "*.safetensors"
direction = "{direction}"
command = "{command}"
"""
SCRIPT = """\
import json, os, pathlib, struct
assert "GIT_DIR" not in os.environ, "git, called here, would be about that repository"
data = pathlib.Path(os.environ["THETA_CHECKPOINT"]).read_bytes()
(moved,) = struct.unpack("<f", data[-4:])
print(json.dumps({"id": "one", "score": abs(moved - 0.5)}))
"""
"""Both ends are half a unit off; half way there is nothing to lose."""


@pytest.mark.parametrize(("direction", "barrier"), [("up", 0.5), ("down", 0.0)])
def test_every_point_is_evaluated_and_the_barrier_told(sandbox: Sandbox, direction: str, barrier: float) -> None:
    run = shlex.join([sys.executable, str(sandbox.root / "near.py")])
    sandbox.write("near.py", SCRIPT.encode())
    sandbox.write(".theta/evals.toml", EVALS.format(direction=direction, command=run).encode())
    track_and_commit(sandbox, {MODEL: numbers(0.0)})
    for name, value in (("x", 0.0), ("y", 1.0)):
        sandbox.git("checkout", "--quiet", "-b", name, "main")
        sandbox.write(MODEL, numbers(value, other=2 * value + 1))
        sandbox.commit(name)
    sandbox.theta("eval", "--allow", "near")
    before = sandbox.git("status", "--porcelain").stdout, sandbox.git("for-each-ref", "refs/heads").stdout
    stored = list_store(sandbox)
    printed = sandbox.theta("path", "x", "y", "--eval", "near", "--points", "5", "--", MODEL).stdout
    assert f"barrier     {barrier:.4g} of near\n" in printed
    assert [line.split()[-1] for line in printed.splitlines()[-5:]] == [
        "0.5000",
        "0.2500",
        "0.0000",
        "0.2500",
        "0.5000",
    ]
    assert before == (sandbox.git("status", "--porcelain").stdout, sandbox.git("for-each-ref", "refs/heads").stdout)
    assert list_store(sandbox) == stored
    picture = sandbox.root.parent / "path.png"
    drawn = sandbox.theta("path", "x", "y", "--eval", "near", "--png", picture, "--", MODEL)
    assert drawn.stdout == ""
    assert picture.read_bytes().startswith(b"\x89PNG")
    named = {"GIT_DIR": str(sandbox.root / ".git"), "GIT_WORK_TREE": str(sandbox.root)}
    asked = ("path", "x", "y", "--eval", "near", "--points", "5", "--json", "--", MODEL)
    sandbox.theta("eval", "--forget", "near")
    sandbox.theta("eval", "--allow", "near")
    found = json.loads(sandbox.theta(*asked, env=named).stdout)
    assert set(keys(found)) <= code_words(PARTS["path"])
    assert found["evaluation"] == {
        "evaluation": "near", "direction": direction, "scores": [0.5, 0.25, 0, 0.25, 0.5], "barrier": barrier,
        "barrier_interval": None,
    }  # fmt: skip


@pytest.mark.parametrize(("spread", "said"), [(0.1, "beyond chance (95 %: 0.9"), (4, "within chance (95 %: -0.9")])
def test_a_barrier_is_told_with_what_chance_explains(sandbox: Sandbox, spread: float, said: str) -> None:
    """Half way every item loses 1, some more and some less than others: by how much is that of the spread."""
    items = f"""\
import random
for number in range(40):
    lost = (1 - abs(2 * moved - 1)) * random.Random(number).gauss(1, {spread})
    print(json.dumps({{"id": str(number), "score": -lost}}))
"""
    track_and_commit(sandbox, {MODEL: numbers(0.0)})
    for name, value in (("x", 0.0), ("y", 1.0)):
        sandbox.git("checkout", "--quiet", "-b", name, "main")
        sandbox.write(MODEL, numbers(value, other=2 * value + 1))
        sandbox.commit(name)
    script = sandbox.write("lost.py", SCRIPT.replace(SCRIPT.splitlines()[-1], items).encode())
    sandbox.git("config", "theta.eval.lost.command", shlex.join([sys.executable, str(script)]))
    printed = sandbox.theta("path", "x", "y", "--eval", "lost", "--points", "3").stdout
    (barrier,) = [line for line in printed.splitlines() if line.startswith("barrier")]
    assert f" of lost, {said}" in barrier


def numbers(last: float, other: float = 0.0) -> bytes:
    return safetensors_bytes({"w": ("F32", (4,), np.array([0, 0, other, last], "<f4").tobytes())})


def test_an_evaluation_of_other_checkpoints_is_refused_and_what_git_says_is_kept_from_it(repository: Sandbox) -> None:
    repository.git("config", "theta.eval.mine.command", """echo '{"id": "a", "score": '$((${GIT_PREFIX:+1} + 0))'}'""")
    done = repository.theta("path", "x", "y", "--eval", "mine", "--", MODEL, env={"GIT_PREFIX": "runs/"})
    assert {line.split()[-1] for line in done.stdout.splitlines()[-5:]} == {"0.0000"}
    repository.write(".theta/evals.toml", b'[eval.mine]\ncheckpoint = "*.bin"\n')
    done = repository.theta("path", "x", "y", "--eval", "mine", "--", MODEL, check=False)
    assert done.returncode == 2
    assert "the evaluation mine is for *.bin, and none of these checkpoints is" in done.stderr


def test_a_path_that_is_evaluated_is_of_all_shards(sandbox: Sandbox) -> None:
    base, tuned = (sharded("ab", "c", a=delta) for delta in (0, 1))
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, base, "base")
    replace_files(sandbox, tuned, "tuned")
    sandbox.git("config", "theta.eval.all.command", """echo '{"id": "a", "score": '$(ls $THETA_CHECKPOINT | wc -l)}""")
    done = sandbox.theta("path", "HEAD~1", "HEAD", "--eval", "all", "--", INDEX)
    assert "barrier     0 of all" in done.stdout and done.stdout.splitlines()[-1].endswith("3.0000")
    shard = next(name for name in base if name != INDEX)
    done = sandbox.theta("path", "HEAD~1", "HEAD", "--eval", "all", "--", shard, check=False)
    assert done.returncode == 2
    assert f"{shard}: an evaluation is of whole checkpoints, and this is a file of {INDEX}" in done.stderr


def test_an_evaluation_is_of_whole_models_and_one_that_is_there(repository: Sandbox) -> None:
    done = repository.theta("path", "x", "y", "--eval", "near", "-p", "a.*", "--", MODEL, check=False)
    assert "--eval is of whole models" in done.stderr
    assert (
        "no evaluation is defined here"
        in repository.theta("path", "x", "y", "--eval", "near", MODEL, check=False).stderr
    )
