"""Little evaluators, as people write them: Python scripts that print lines."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from git_theta.evaluation.base import Evaluator, EvaluatorSetup
from git_theta.evaluation.running import open_evaluator

SCORES = """\
import json, os, pathlib, random

def score(path):
    place = pathlib.Path(path)
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    drawn = random.Random(b"".join(file.read_bytes()[-64:] for file in files))
    wanted = None
    if "THETA_EVAL_ITEMS" in os.environ:
        wanted = set(pathlib.Path(os.environ["THETA_EVAL_ITEMS"]).read_text().split())
    for number in range(30):
        value, bucket = drawn.random() < 0.7, ["even", "odd"][number % 2]
        if wanted is None or f"q{number}" in wanted:
            print(json.dumps({"id": f"q{number}", "score": int(value), "bucket": bucket}), flush=True)
"""
"""Scores that follow from the checkpoint's last bytes."""
COMMAND = SCORES + 'score(os.environ["THETA_CHECKPOINT"])\n'
SERVER = f"""\
{SCORES}
import sys
for line in sys.stdin:
    score(line.rstrip(chr(10)))
    print('{{"done": true}}', flush=True)
"""


def write_script(folder: Path, text: str, name: str = "evaluate.py") -> str:
    """A script in a folder; returns the command that runs it."""
    (folder / name).write_text(text)
    return shlex.join([sys.executable, str(folder / name)])


def make_evaluator(folder: Path, text: str, kind: str = "command", *, timeout: float = 60, limit: int = 0) -> Evaluator:
    """An evaluator that runs a script."""
    return open_evaluator(kind, EvaluatorSetup("mine", write_script(folder, text), folder, os.environ, timeout, limit))
