"""``git theta tokens``, as a person types it: trailers along first parents, merges beside, and what is not counted."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import pytest

from tests.docs.test_command_reference import PARTS, code_words, keys
from tests.sandbox import Sandbox, model, track_and_commit

FILE = "model.safetensors"
WIKI, CODE = "wiki@sha256:9f2c unique=1000", "code@sha256:77aa unique=500"


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    sandbox.git("commit", "-q", "--allow-empty", "-m", "begin")
    return sandbox


def train(sandbox: Sandbox, *trailers: str, subject: str = "train") -> str:
    message = f"{subject}\n\nSome words.\n\n" + "".join(f"{one}\n" for one in trailers)
    sandbox.git("commit", "-q", "--allow-empty", "-m", message)
    return sandbox.git("rev-parse", "HEAD").stdout.strip()


def book(sandbox: Sandbox, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = sandbox.theta("tokens", "--json", *arguments, check=False)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_person_reads_epochs_and_what_they_are_worth(repository: Sandbox) -> None:
    for _ in range(6):
        train(repository, "Tokens-Seen: 1000", f"Data: {WIKI}")
    train(repository, "tokens-seen: 250", f"data: {CODE}")
    train(repository, "Tokens-Seen: 7")
    assert repository.theta("tokens").stdout == (
        "tokens of HEAD, along first parents\n"
        "  data               seen  unique  epochs  worth  next epoch\n"
        "  wiki@sha256:9f2c  6,000   1,000      6*  5,269         72%\n"
        "  code@sha256:77aa    250     500     0.5    250        100%\n"
        "  not said              7\n"
        "\n"
        "* more than 4 epochs: repeating it is worth less and less (constants of C4)\n"
    )


def test_every_key_is_described(measured: Sandbox) -> None:
    measure(measured, 3)
    train(measured, "Tokens-Seen: x")
    found = book(measured, code=1)
    assert set(keys(found)) <= code_words(PARTS["tokens"])


def test_a_history_without_trailers_says_so(repository: Sandbox) -> None:
    assert "no commit says how many tokens it has seen" in repository.theta("tokens").stdout
    assert book(repository)["branches"][0]["data"] == []


def test_an_earlier_version_has_seen_less(repository: Sandbox) -> None:
    train(repository, "Tokens-Seen: 1000", f"Data: {WIKI}")
    train(repository, "Tokens-Seen: 500", f"Data: {WIKI}")
    assert [one["seen"] for one in book(repository)["branches"][0]["data"]] == [1500]
    assert [one["seen"] for one in book(repository, "HEAD~1")["branches"][0]["data"]] == [1000]


def test_a_merge_of_shared_data_lists_each_branch_and_the_data_once(repository: Sandbox) -> None:
    train(repository, "Tokens-Seen: 1000", f"Data: {WIKI}")
    repository.git("switch", "-qc", "side")
    train(repository, "Tokens-Seen: 2000", f"Data: {WIKI}", subject="side")
    tip = train(repository, "Tokens-Seen: 500", f"Data: {CODE}", subject="side, code")
    repository.git("switch", "-q", "main")
    train(repository, "Tokens-Seen: 300", f"Data: {WIKI}")
    repository.git("merge", "-q", "--no-ff", "-m", "join", "side")
    merge = repository.git("rev-parse", "HEAD").stdout.strip()
    found = book(repository)
    own, side = found["branches"]
    assert [(one["name"], one["seen"]) for one in own["data"]] == [("wiki", 1300)]
    assert (side["merge"], side["tip"], side["subject"]) == (merge, tip, "side, code")
    assert [(one["name"], one["seen"]) for one in side["data"]] == [("wiki", 2000), ("code", 500)]
    assert [(one["name"], one["unique"], one["seen"]) for one in found["union"]] == [
        ("wiki", 1000, 3300),
        ("code", 500, 500),
    ]
    printed = repository.theta("tokens").stdout
    assert f"merged by {merge[:8]}: {tip[:8]} side, code\n" in printed
    assert "data sets of all of them\n" in printed


def test_a_commit_counts_once_however_often_it_was_merged(repository: Sandbox) -> None:
    repository.git("switch", "-qc", "side")
    train(repository, "Tokens-Seen: 10", f"Data: {WIKI}")
    repository.git("switch", "-q", "main")
    for number in range(2):
        train(repository, f"Tokens-Seen: {number}")
        repository.git("merge", "-q", "--no-ff", "-m", "join", "side")
        repository.git("switch", "-q", "side")
        train(repository, "Tokens-Seen: 10", f"Data: {WIKI}")
        repository.git("merge", "-q", "--no-ff", "-m", "back", "main")
        repository.git("switch", "-q", "main")
    assert {one["name"]: one["seen"] for one in book(repository)["union"]} == {None: 1, "wiki": 20}


@pytest.mark.parametrize(
    ("trailers", "reason"),
    [
        (["Tokens-Seen: -5"], "Tokens-Seen takes a whole number of tokens up to 1e+18, not '-5'"),
        (["Tokens-Seen: 1e30"], "not '1e30'"),
        (["Tokens-Seen: 5", "Tokens-Seen: 6"], "has 2 trailers Tokens-Seen, and which one counts cannot be told"),
        (["Tokens-Seen: 5", "Data: wiki"], "Data takes NAME@DIGEST unique=N, not 'wiki'"),
        (
            ["Tokens-Seen: 5", "Data: wiki@sha256:9f2c unique=999"],
            "wiki has 999 tokens, and an earlier one",
        ),
    ],
)
def test_what_is_not_counted_is_told_with_its_commit(repository: Sandbox, trailers: list[str], reason: str) -> None:
    train(repository, "Tokens-Seen: 1000", f"Data: {WIKI}")
    faulty = train(repository, *trailers)
    done = repository.theta("tokens", check=False)
    assert done.returncode == 1
    assert f"{faulty[:8]} " in done.stderr
    assert reason in done.stderr
    [fault] = book(repository, code=1)["faults"]
    assert fault["commit"] == faulty


def test_a_shallow_clone_says_that_the_beginning_is_not_there(repository: Sandbox, tmp_path: Any) -> None:
    train(repository, "Tokens-Seen: 1000", f"Data: {WIKI}")
    train(repository, "Tokens-Seen: 500", f"Data: {WIKI}")
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.root}", str(tmp_path / "shallow"))
    done = Sandbox(tmp_path / "shallow").theta("tokens", "--json")
    assert "this clone is shallow" in done.stderr
    found = json.loads(done.stdout)
    assert found["shallow"]
    assert [one["seen"] for one in found["branches"][0]["data"]] == [500]


LOSSES = """\
import json, os, pathlib

byte = pathlib.Path(os.environ["THETA_CHECKPOINT"]).read_bytes()[-1]
print(json.dumps({"id": "text", "score": byte / 10}))
"""
DEFINITION = """\
[eval.lm]
direction = "down"
command = "{command}"
"""


@pytest.fixture
def measured(sandbox: Sandbox) -> Sandbox:
    """A model whose last byte is ten times its loss, which an evaluation measures."""
    track_and_commit(sandbox, {FILE: model()})
    sandbox.write("evals/lm.py", LOSSES.encode())
    command = shlex.join([sys.executable, "evals/lm.py"])
    sandbox.write(".theta/evals.toml", DEFINITION.format(command=command).encode())
    sandbox.commit("an evaluation")
    sandbox.theta("eval", "--allow", "lm")
    return sandbox


def measure(sandbox: Sandbox, count: int) -> None:
    """So many commits, each of an epoch, with the losses 5, 3.5, 3 ... evaluated once all are there."""
    for loss in (50, 35, 30, 28, 27)[:count]:
        sandbox.write(FILE, model()[:-1] + bytes([loss]))
        sandbox.git("add", "-A")
        train(sandbox, "Tokens-Seen: 1000", f"Data: {WIKI}")
    sandbox.theta("eval", f"HEAD~{count}..HEAD")


def test_losses_that_were_measured_say_what_more_tokens_would_do(measured: Sandbox) -> None:
    measure(measured, 5)
    [series] = book(measured)["losses"]
    assert (series["evaluation"], series["path"], series["figure"]) == ("lm", FILE, "mean")
    assert [point["loss"] for point in series["points"]] == [5.0, 3.5, 3.0, 2.8, 2.7]
    assert series["points"][0]["effective"] == 1000
    repeated, new = series["forecasts"]
    assert (repeated["repeated"], new["repeated"]) == (True, False)
    last = series["points"][-1]["effective"]
    assert last < repeated["effective"] < new["effective"] == last + 1000
    for one in (repeated, new):
        assert one["loss"]["low"] < one["loss"]["value"] < one["loss"]["high"]
    assert new["loss"]["value"] < repeated["loss"]["value"] < 2.7
    printed = measured.theta("tokens").stdout
    assert f"lm, of {FILE}: 5 measured versions, E + B / worth^beta\n" in printed
    assert "  one more epoch of wiki  " in printed


def test_three_versions_fix_the_curve_and_no_interval(measured: Sandbox) -> None:
    measure(measured, 3)
    [series] = book(measured)["losses"]
    assert {(one["low"], one["high"]) for one in series["curve"].values()} == {(None, None)}
    printed = measured.theta("tokens").stdout
    assert "  3 versions fix the curve: how far off it is, only more can tell\n" in printed
    assert "not known" in printed


def test_fewer_than_three_versions_forecast_nothing(measured: Sandbox) -> None:
    measure(measured, 2)
    [series] = book(measured)["losses"]
    assert (series["curve"], series["forecasts"]) == (None, [])
    assert (
        "2 measured versions, no forecast: 3 versions of different worth are needed" in measured.theta("tokens").stdout
    )


def test_what_is_no_loss_forecasts_nothing(measured: Sandbox) -> None:
    """A score where more is better, results of a command that has changed, versions whose tokens are of no data set."""
    measure(measured, 3)
    definitions = measured.root / ".theta/evals.toml"
    text = definitions.read_text()
    for changed in ('direction = "up"', 'direction = "down"\nversion = "2"'):
        definitions.write_text(text.replace('direction = "down"', changed))
        assert book(measured)["losses"] == []
    definitions.write_text(text)
    assert len(book(measured)["losses"][0]["points"]) == 3
    train(measured, "Tokens-Seen: 5")
    [series] = book(measured)["losses"]
    assert (len(series["points"]), series["forecasts"]) == (3, [])


def test_less_than_an_epoch_is_all_new(repository: Sandbox) -> None:
    train(repository, "Tokens-Seen: 250", f"Data: {WIKI}")
    [use] = book(repository)["branches"][0]["data"]
    assert (use["epochs"], use["effective"], use["next_epoch"]) == (0.25, 250, 1)


def test_no_revision(repository: Sandbox) -> None:
    done = repository.theta("tokens", "nowhere", check=False)
    assert done.returncode == 2
    assert "'nowhere' is no commit here" in done.stderr
