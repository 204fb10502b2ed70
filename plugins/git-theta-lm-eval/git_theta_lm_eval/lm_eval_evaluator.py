"""The evaluator: runs the person's ``lm_eval`` command, and reads what it has logged."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import Evaluator, ItemScore, MetricValue
from git_theta.evaluation.line_process import LineProcess

from git_theta_lm_eval.sample_files import read_samples

_CHECKPOINT, _OUTPUT = "THETA_CHECKPOINT", "THETA_LM_EVAL_OUTPUT"
_SAMPLES, _LIMIT = "THETA_LM_EVAL_SAMPLES", "THETA_EVAL_LIMIT"
_METRIC = re.compile(r"THETA_LM_EVAL_METRIC=([\w-]+)")
"""Where the command says which metric counts. In the command, so that results by another one are told from these."""


class LmEvalEvaluator(Evaluator):
    """Runs the command once for each checkpoint: ``lm_eval ... --log_samples --output_path "$THETA_LM_EVAL_OUTPUT"``.

    What it prints is for the person to read, and counts for nothing.
    """

    name, api, side_by_side = "lm-eval", 1, True

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        """See ``Evaluator``: the scores come when the harness is done with all tasks."""
        wanted = None if items is None else set(items)
        with tempfile.TemporaryDirectory(prefix="lm-eval-") as folder:
            output = Path(folder) / "output"
            output.mkdir()
            self._run_harness({_CHECKPOINT: os.fspath(checkpoint), _OUTPUT: os.fspath(output)} | self._limit(items))
            metric = _METRIC.search(self.setup.command)
            try:
                for score in read_samples(output, metric[1] if metric else ""):
                    if wanted is None or score.id in wanted:
                        yield score
            except EvaluationError as error:
                error.message = f"the evaluator {self.setup.label}: {error.message}"
                raise

    def _limit(self, items: Sequence[str] | None) -> dict[str, str]:
        """What has the harness score no more than is asked for, where its command passes it on."""
        if items is None:
            return {_LIMIT: str(self.setup.limit)} if self.setup.limit else {}
        tasks: dict[str, list[int]] = {}
        for item in items:
            task, _, number = item.rpartition("/")
            if not task or not number.isdecimal():
                raise EvaluationError(
                    f"{item!r} is no question of the harness", hint="Questions are called TASK/NUMBER: arc_easy/17"
                )
            tasks.setdefault(task, []).append(int(number))
        return {_SAMPLES: json.dumps(tasks)}

    def _run_harness(self, variables: dict[str, str]) -> None:
        process = LineProcess(self.setup, variables)
        try:
            process.start_clock()
            while process.read_line() is not None:
                pass
            process.finish()
        finally:
            process.stop()
