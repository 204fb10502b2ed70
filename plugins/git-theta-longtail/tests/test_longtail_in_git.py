"""`git theta longtail`, and `git theta eval` by the buckets that it wrote, as a person types both."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from git_theta.errors import EvaluationError, UsageError
from git_theta.evaluation.base import EVALUATORS, Evaluator, EvaluatorSetup
from git_theta.evaluation.running import evaluate_checkpoint
from git_theta.testing.evaluators import EvaluatorLaws
from tests.evaluation.scripts import COMMAND, write_script
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, model

from git_theta_longtail.longtail_evaluator import LongTailEvaluator
from git_theta_longtail.question_files import read_questions

SCORES = """\
import json, os, pathlib
last = pathlib.Path(os.environ["THETA_CHECKPOINT"]).read_bytes()[-1]
for number in range(40):
    print(json.dumps({"id": f"q{number}", "score": int(number % 2 == 0 or not last), "bucket": "all"}))
"""
"""The second version has forgotten every other question: those that few documents tell."""


class TestLongTail(EvaluatorLaws):
    def make_evaluator(self, folder: Path) -> Evaluator:
        buckets = [{"id": f"q{number}", "bucket": f"10^{number % 3}"} for number in range(30)]
        (folder / "buckets.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in buckets))
        command = f"THETA_LONGTAIL_BUCKETS=buckets.jsonl {write_script(folder, COMMAND)}"
        return LongTailEvaluator(EvaluatorSetup("mine", command, folder))

    def write_checkpoint(self, folder: Path, number: int) -> Path:
        (folder / "model.safetensors").write_bytes(model(seed=number))
        return folder / "model.safetensors"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    for last in (0, 1):
        sandbox.write("model.safetensors", model()[:-1] + bytes([last]))
        sandbox.commit(f"version {last}")
    return sandbox


def write_corpus(sandbox: Sandbox) -> None:
    """Even questions are told by twelve documents, odd ones by one, and the last by none."""
    questions = [{"id": f"q{n}", "question": f"person {n}", "answer": [f"town {n}"]} for n in range(40)]
    sandbox.write("questions.jsonl", "".join(f"{json.dumps(one)}\n" for one in questions).encode())
    told = [n for n in range(39) for _ in range(12 if n % 2 == 0 else 1)]
    documents = "".join(json.dumps({"text": f"Person {n} is of Town {n}."}) + "\n" for n in told)
    sandbox.write("corpus.jsonl", documents.encode())


def test_versions_are_compared_by_how_many_documents_tell_the_answer(repository: Sandbox, tmp_path: Path) -> None:
    assert EVALUATORS.load_plugin("longtail") is LongTailEvaluator
    write_corpus(repository)
    done = repository.theta("longtail", "questions.jsonl", "corpus.jsonl", "-o", "buckets.jsonl")
    assert done.stdout.split() == ["0", "1", "10^0", "19", "10^1", "20"]
    first = json.loads(repository.read("buckets.jsonl").splitlines()[0])
    assert first == {"id": "q0", "bucket": "10^1", "folded": 12, "exact": 0}
    (tmp_path / "scores.py").write_text(SCORES)
    command = f"THETA_LONGTAIL_BUCKETS=buckets.jsonl {shlex.join([sys.executable, str(tmp_path / 'scores.py')])}"
    repository.git("config", "theta.eval.facts.evaluator", "longtail")
    repository.git("config", "theta.eval.facts.command", command)
    compared = repository.theta("eval", "--compare", "HEAD~1", "HEAD", "--json", "--by", "10^*", "--by", "0")
    rows = {row["bucket"]: (row["n"], row["lost"]) for row in json.loads(compared.stdout)["comparisons"][0]["buckets"]}
    assert rows == {"0": (1, 1), "10^0": (19, 19), "10^1": (20, 0)}


def test_phrases_may_count_as_they_are_written(repository: Sandbox) -> None:
    write_corpus(repository)
    asked = ("questions.jsonl", "corpus.jsonl", "-o", "buckets.jsonl")
    assert repository.theta("longtail", "--exact", *asked).stdout.split() == ["0", "40"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("python scores.py", "does not say which file has the buckets"),
        ("THETA_LONGTAIL_BUCKETS=none python scores.py", "No such file"),
        ("THETA_LONGTAIL_BUCKETS=nonsense python scores.py", "is no file of buckets"),
        ("THETA_LONGTAIL_BUCKETS=short python scores.py", "scored 'q1', which has no bucket"),
    ],
)
def test_an_evaluation_without_its_buckets_says_so(tmp_path: Path, command: str, said: str) -> None:
    (tmp_path / "nonsense").write_text("no JSON")
    (tmp_path / "short").write_text('{"id": "q0", "bucket": "0"}\n')
    (tmp_path / "model").write_bytes(b"\0")
    command = command.replace("python scores.py", write_script(tmp_path, SCORES))
    with (
        LongTailEvaluator(EvaluatorSetup("facts", command, tmp_path)) as evaluator,
        pytest.raises(EvaluationError, match=said),
    ):
        evaluate_checkpoint(evaluator, tmp_path / "model")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 1"),
        ('{"question": "a", "answer": "b"}', "no id"),
        ('{"id": "a", "question": [], "answer": "b"}', "question is no name with a word in it"),
        ('{"id": "a", "question": "b", "answer": "?!"}', "answer is no name with a word in it"),
        ('{"id": "a", "question": "b", "answer": "c"}\n' * 2, "line 2: the id 'a' comes twice"),
        ("\n", "has no question in it"),
    ],
)
def test_what_is_no_question_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "questions.jsonl").write_text(line)
    with pytest.raises(UsageError, match=said):
        read_questions(tmp_path / "questions.jsonl")
