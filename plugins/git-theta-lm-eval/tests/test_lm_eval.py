"""The evaluator, with a harness that writes the files of the real one: that one downloads its questions."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from git_theta.errors import EvaluationError
from git_theta.evaluation.base import EVALUATORS, Evaluator, EvaluatorSetup, ItemScore
from git_theta.evaluation.running import evaluate_checkpoint
from git_theta.testing.evaluators import EvaluatorLaws
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import model

from git_theta_lm_eval.lm_eval_evaluator import LmEvalEvaluator

HARNESS = """
import hashlib, json, os, pathlib
content = b"".join(file.read_bytes() for file in sorted(pathlib.Path(os.environ["THETA_CHECKPOINT"]).parent.glob("*")))
folder = pathlib.Path(os.environ["THETA_LM_EVAL_OUTPUT"], "some__model")
folder.mkdir()
wanted = json.loads(os.environ.get("THETA_LM_EVAL_SAMPLES", "null"))
for task in TASKS:
    with open(folder / f"samples_{task}_2026-01-02T03-04-05.678901.jsonl", "w") as lines:
        for number in range(20):
            if wanted is not None and number not in wanted.get(task, []):
                continue
            right = hashlib.sha256(content + f"{task}{number}".encode()).digest()[0] % 2
            sample = {"doc_id": number, "doc": {"question": "?"}, "resps": [["..."]], "doc_hash": "ab"}
            said = [{"filter": "none", "metrics": ["acc", "acc_norm"], "acc": 1 - right, "acc_norm": right}]
            if task == "gsm8k_cot":
                answers = {"strict-match": right, "flexible-extract": 1}
                said = [{"filter": how, "metrics": ["exact_match"], "exact_match": is_right}
                        for how, is_right in answers.items()]
            lines.writelines(json.dumps(sample | one) + chr(10) for one in said)
print("|Tasks|Version|...")
"""


def write_harness(folder: Path, tasks: tuple[str, ...] = ("arc_easy", "gsm8k_cot")) -> str:
    (folder / "harness.py").write_text(HARNESS.replace("TASKS", repr(tasks)))
    return shlex.join([sys.executable, str(folder / "harness.py")])


class TestLmEval(EvaluatorLaws):
    def make_evaluator(self, folder: Path) -> Evaluator:
        return LmEvalEvaluator(EvaluatorSetup("harness", write_harness(folder), folder))

    def write_checkpoint(self, folder: Path, number: int) -> Path:
        (folder / "model.safetensors").write_bytes(bytes(100 + number))
        return folder / "model.safetensors"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/model.safetensors").write_bytes(b"weights")
    return tmp_path / "one/model.safetensors"


def test_it_is_installed_under_its_name() -> None:
    assert EVALUATORS.load_plugin("lm-eval") is LmEvalEvaluator


def run(folder: Path, command: str, checkpoint: Path) -> list[ItemScore]:
    evaluator = LmEvalEvaluator(EvaluatorSetup("harness", command, folder))
    return list(evaluate_checkpoint(evaluator, checkpoint).items)


def test_tasks_are_buckets_and_the_first_filter_counts(tmp_path: Path, checkpoint: Path) -> None:
    found = {one.id: one for one in run(tmp_path, write_harness(tmp_path), checkpoint)}
    assert len(found) == 40
    assert found["arc_easy/7"].buckets == ("arc_easy",)
    assert {one.score for one in found.values() if one.buckets == ("gsm8k_cot",)} == {0.0, 1.0}


def test_another_metric_counts_where_the_command_says_so(tmp_path: Path, checkpoint: Path) -> None:
    command = write_harness(tmp_path, ("arc_easy",))
    usual = {one.id: one.score for one in run(tmp_path, command, checkpoint)}
    other = {one.id: one.score for one in run(tmp_path, f"THETA_LM_EVAL_METRIC=acc {command}", checkpoint)}
    assert other == {name: 1 - score for name, score in usual.items()}
    with pytest.raises(EvaluationError, match="it has no f1; it has acc, acc_norm"):
        run(tmp_path, f"THETA_LM_EVAL_METRIC=f1 {command}", checkpoint)


LOG = '"$THETA_LM_EVAL_OUTPUT/samples_a_2026-01-02T03-04-05.6.jsonl"'
FAULTS = {
    "true": "has logged no question",
    "exit 3": "exited 3",
    f"echo nonsense > {LOG}": "line 1 of samples_a_",
    f"echo '[1]' > {LOG}": "line 1 of samples_a_",
    f"""echo '{{"doc_id": 1, "metrics": ["bleu"], "bleu": [1, 2]}}' > {LOG}""": "none that is a number",
}


@pytest.mark.parametrize(("command", "said"), FAULTS.items())
def test_what_goes_wrong_is_named(tmp_path: Path, checkpoint: Path, command: str, said: str) -> None:
    with pytest.raises(EvaluationError, match=said) as caught:
        run(tmp_path, command, checkpoint)
    assert "harness" in caught.value.message


def test_items_are_questions(tmp_path: Path, checkpoint: Path) -> None:
    evaluator = LmEvalEvaluator(EvaluatorSetup("harness", "true", tmp_path))
    with pytest.raises(EvaluationError, match="no question of the harness"):
        evaluate_checkpoint(evaluator, checkpoint, ["arc_easy"])


def test_git_theta_eval_compares_versions_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    for number in range(2):
        sandbox.write("model.safetensors", model(number, a=(10, 10)))
        sandbox.commit(f"version {number}")
    sandbox.git("config", "theta.eval.harness.evaluator", "lm-eval")
    sandbox.git("config", "theta.eval.harness.command", write_harness(tmp_path))
    done = json.loads(sandbox.theta("eval", "--compare", "HEAD~1", "HEAD", "--json", check=False).stdout)
    [compared] = done["comparisons"]
    assert {one["bucket"] for one in compared["buckets"]} == {"arc_easy", "gsm8k_cot"}
