"""One run of an evaluator: whatever may go wrong with a program of somebody else's is told, and ends with it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from git_theta.errors import EvaluationError, PluginError
from git_theta.evaluation import running, score_lines
from git_theta.evaluation.base import Evaluator, EvaluatorSetup, ItemScore
from git_theta.evaluation.line_process import LineProcess
from git_theta.evaluation.running import CheckpointScores, evaluate_checkpoint, open_evaluator
from tests.evaluation.scripts import COMMAND, SERVER, make_evaluator, write_script


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "model").write_bytes(b"weights")
    return tmp_path / "model"


def run(folder: Path, text: str, kind: str = "command", **options: float) -> CheckpointScores:
    with make_evaluator(folder, text, kind, **options) as evaluator:  # type: ignore[arg-type]
        return evaluate_checkpoint(evaluator, folder / "model")


GOOD_LINE = 'print(\'{"id": "a", "score": 1}\', flush=True)\n'
FAILURES = {
    "exits": (GOOD_LINE + "raise SystemExit(1)", "exited 1"),
    "killed": (GOOD_LINE + "import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
    "says nothing": ("", "said nothing"),
    "no JSON": ("print('accuracy: 0.9')", "is not JSON"),
    "NaN": ('print(\'{"id": "a", "score": NaN}\')', "is not JSON"),
    "Infinity": ('print(\'{"id": "a", "score": Infinity}\')', "is not JSON"),
    "an id twice": (2 * GOOD_LINE, "scored 'a' twice"),
    "a metric twice": (2 * 'print(\'{"metric": "ppl", "value": 1}\')\n', "said 'ppl' twice"),
    "half a line": ('print(\'{"id": "a", "sco\', end="")', "is not JSON"),
    "binary": ("import sys; sys.stdout.buffer.write(bytes(range(256)))", "is not JSON"),
}
SERVED = {
    "exits": ("raise SystemExit(3)", "exited 3"),
    "stops early": ("input()\n" + GOOD_LINE, "exited 0 before it was done"),
    "never reads": ("import sys; sys.stdin.close(); " + GOOD_LINE, "exited 0 before it was"),
    "no JSON": ("input(); print('ready', flush=True); input()", "is not JSON"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_command_that_fails_is_told(what: str, tmp_path: Path, checkpoint: Path) -> None:
    text, message = FAILURES[what]
    with pytest.raises(EvaluationError, match=message):
        run(tmp_path, text)


@pytest.mark.parametrize("what", SERVED)
def test_a_server_that_fails_is_told(what: str, tmp_path: Path, checkpoint: Path) -> None:
    text, message = SERVED[what]
    with pytest.raises(EvaluationError, match=message):
        run(tmp_path, text, "server")


@pytest.mark.parametrize("kind", ["command", "server"])
def test_one_that_hangs_is_ended_with_all_that_it_started(kind: str, tmp_path: Path, checkpoint: Path) -> None:
    text = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n{GOOD_LINE}time.sleep(600)\n"
    )
    begun = time.monotonic()
    with pytest.raises(EvaluationError, match="took more than 3 s") as caught:
        run(tmp_path, text, kind, timeout=3)
    assert time.monotonic() - begun < 60
    assert "theta.eval.mine.timeout" in caught.value.hint
    await_end(tmp_path / "pid")


@pytest.mark.parametrize("kind", ["command", "server"])
@pytest.mark.parametrize("ending", ["time.sleep(600)", "os.close(1); time.sleep(600)"], ids=["prints", "is silent"])
def test_one_that_another_thread_waits_for_can_be_stopped(kind: str, ending: str, tmp_path: Path) -> None:
    """It ignores the first signal, too."""
    (tmp_path / "model").write_bytes(b"weights")
    text = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"{GOOD_LINE}open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{ending}\n"
    )
    halted = threading.Event()
    setup = EvaluatorSetup("mine", write_script(tmp_path, text), tmp_path, os.environ, halted=halted)
    with open_evaluator(kind, setup) as evaluator, ThreadPoolExecutor(1) as thread:
        run = thread.submit(evaluate_checkpoint, evaluator, tmp_path / "model")
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        halted.set()
        with pytest.raises(EvaluationError, match="the evaluator mine was stopped"):
            run.result(60)
        await_end(tmp_path / "pid")


def await_end(file: Path) -> None:
    """Of the process whose id is in a file."""
    begun = time.monotonic()
    asking = ["ps", "-o", "state=", "-p", file.read_text()]
    while (state := subprocess.run(asking, capture_output=True, text=True).stdout.strip()) not in ("", "Z"):
        assert time.monotonic() - begun < 60, state
        time.sleep(0.05)


def test_a_server_that_listens_no_more_and_goes_on_is_ended_in_its_time(tmp_path: Path, checkpoint: Path) -> None:
    text = "import os, sys, time\nos.close(0)\nprint('{\"done\": true}', flush=True)\ntime.sleep(600)\n"
    begun = time.monotonic()
    with make_evaluator(tmp_path, text, "server", timeout=3) as evaluator:
        with pytest.raises(EvaluationError):  # it said that it was done, and nothing else
            evaluate_checkpoint(evaluator, checkpoint)
        with pytest.raises(EvaluationError, match="took more than 3 s"):
            evaluate_checkpoint(evaluator, checkpoint)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("kind", ["command", "server"])
def test_one_that_cannot_be_started_says_why(kind: str, tmp_path: Path, checkpoint: Path) -> None:
    setup = EvaluatorSetup("mine", "python evaluate.py", tmp_path / "gone", os.environ)
    with (
        open_evaluator(kind, setup) as evaluator,
        pytest.raises(EvaluationError, match="the evaluator mine cannot be started: No such file") as caught,
    ):
        evaluate_checkpoint(evaluator, checkpoint)
    assert f"in {tmp_path / 'gone'}: python evaluate.py" in caught.value.hint


@pytest.mark.parametrize("kind", ["command", "server"])
def test_what_one_leaves_behind_that_went_well_ends_with_it(kind: str, tmp_path: Path, checkpoint: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdout=subprocess.DEVNULL)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n{GOOD_LINE}"
        "print('{\"done\": true}', flush=True)\nsys.stdin.read()\n"
    )
    assert run(tmp_path, text, kind).mean == 1
    await_end(tmp_path / "pid")


def test_months_are_a_time_to_wait(tmp_path: Path, checkpoint: Path) -> None:
    assert run(tmp_path, "import time\ntime.sleep(0.2)\n" + GOOD_LINE, timeout=1e12).mean == 1


def test_a_server_that_closes_its_input_and_stays_is_ended(tmp_path: Path) -> None:
    setup = EvaluatorSetup("mine", "exec <&-; echo ready; sleep 600", tmp_path, os.environ, 2)
    process = LineProcess(setup, {}, answers=True)
    assert process.read_line() == b"ready"
    process.start_clock()
    with pytest.raises(EvaluationError, match="took more than 2 s"):
        process.write_line(b"a checkpoint")
    process.stop()


def test_a_shell_that_cannot_run_the_command_says_which(tmp_path: Path, checkpoint: Path) -> None:
    setup = EvaluatorSetup("mine", "no-such-program --fast", tmp_path, os.environ)
    with open_evaluator("command", setup) as evaluator, pytest.raises(EvaluationError, match="exited 127") as caught:
        evaluate_checkpoint(evaluator, checkpoint)
    assert "no-such-program --fast" in caught.value.hint


def test_output_without_end_is_ended(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_ITEMS", 10_000)
    endless = 'import itertools\nfor n in itertools.count(): print(f\'{{"id": "{n}", "score": 1}}\')'
    with pytest.raises(EvaluationError, match="more than 10,000 items"):
        run(tmp_path, endless)
    with pytest.raises(EvaluationError, match=f"a line of more than {score_lines.LONGEST_LINE:,} bytes"):
        run(tmp_path, "import sys\nwhile True: sys.stdout.write('x' * 65536)")


@pytest.mark.slow
def test_a_million_lines_are_read(tmp_path: Path, checkpoint: Path) -> None:
    text = 'for n in range(10**6): print(f\'{{"id": "{n}", "score": {n % 2}}}\')'
    found = run(tmp_path, text, timeout=600)
    assert (len(found.items), found.mean) == (1_000_000, 0.5)


def test_weights_ties_and_metrics_count_as_they_should(tmp_path: Path, checkpoint: Path) -> None:
    text = """\
print('{"id": "a", "score": [-1, -2], "weight": 3}')
print('{"id": "b", "score": [-2, -2]}')
print()
print('{"metric": "ppl", "value": 7.5}')
"""
    found = run(tmp_path, text)
    assert (found.mean, found.ties, found.metrics) == (3.5 / 4, 1, {"ppl": 7.5})


def test_a_limit_ends_a_command_that_knows_of_none(tmp_path: Path, checkpoint: Path) -> None:
    text = 'import itertools, os\nprint(\'{"metric": "told", "value": \' + os.environ["THETA_EVAL_LIMIT"] + "}")\n'
    text += 'for n in itertools.count(): print(f\'{{"id": "{n}", "score": 1}}\')'
    found = run(tmp_path, text, limit=5)
    assert (len(found.items), found.metrics) == (5, {"told": 5})


def test_a_server_starts_once_and_again_after_it_failed(tmp_path: Path) -> None:
    places = [tmp_path / f"model-{number}" for number in range(3)]
    for place in places:
        place.write_bytes(place.name.encode())
    started = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')\n"
    with make_evaluator(tmp_path, started + SERVER, "server") as evaluator:
        found = [evaluate_checkpoint(evaluator, place) for place in places]
        assert len({one.items for one in found}) == 3
        assert (tmp_path / "starts").read_text() == "x"
        with pytest.raises(EvaluationError, match="exited"):
            evaluate_checkpoint(evaluator, tmp_path / "none")
        assert evaluate_checkpoint(evaluator, places[0]).items == found[0].items
        assert (tmp_path / "starts").read_text() == "xx"
    alone = run_command(tmp_path, places[0])
    assert alone.items == found[0].items


def run_command(folder: Path, checkpoint: Path) -> CheckpointScores:
    with make_evaluator(folder, COMMAND) as evaluator:
        return evaluate_checkpoint(evaluator, checkpoint)


def test_items_that_nobody_asked_for_and_buckets_that_are_not_declared(tmp_path: Path, checkpoint: Path) -> None:
    with make_evaluator(tmp_path, COMMAND) as evaluator:
        assert len(evaluate_checkpoint(evaluator, checkpoint, ["q1", "q3"]).items) == 2
        with pytest.raises(EvaluationError, match="into the bucket 'odd'"):
            evaluate_checkpoint(evaluator, checkpoint, buckets=["even"])
    with make_evaluator(tmp_path, GOOD_LINE) as evaluator, pytest.raises(EvaluationError, match="was not asked for"):
        evaluate_checkpoint(evaluator, checkpoint, ["b"])


class Nonsense(Evaluator):
    """Gives what is no score, or no iterator."""

    name = "command"

    def run(self, checkpoint: Path, items: object = None) -> Iterator[ItemScore]:
        return self.answer  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(("answer", "message"), [([("a", 1)], "and no score"), (7, "not iterable"), (None, "iterable")])
def test_a_plug_in_that_gives_nonsense_is_named(answer: object, message: str, checkpoint: Path) -> None:
    evaluator = Nonsense(EvaluatorSetup("mine", "", Path()))
    evaluator.answer = answer  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match=message):
        evaluate_checkpoint(evaluator, checkpoint)


def test_a_plug_in_that_gives_what_is_not_finite(checkpoint: Path) -> None:
    evaluator = Nonsense(EvaluatorSetup("mine", "", Path()))
    for score in (float("nan"), float("inf")):
        evaluator.answer = [ItemScore("a", score)]  # type: ignore[attr-defined]
        with pytest.raises(EvaluationError, match="gave 'a' the score"):
            evaluate_checkpoint(evaluator, checkpoint)
