"""The evaluator ``command``: a process per checkpoint, that prints its scores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from git_theta.evaluation.base import Evaluator, EvaluatorSetup, ItemScore, MetricValue
from git_theta.evaluation.item_files import write_items
from git_theta.evaluation.line_process import LineProcess
from git_theta.evaluation.score_lines import RunEnd, parse_score_line

CHECKPOINT_VARIABLE = "THETA_CHECKPOINT"
LIMIT_VARIABLE = "THETA_EVAL_LIMIT"


class CommandEvaluator(Evaluator):
    """Runs the command once for each checkpoint, which it finds in its environment."""

    name = "command"
    side_by_side = True

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        """See ``Evaluator``. What the command starts is ended with it, also where nobody listens any more."""
        with write_items(items) as variables:
            variables |= {CHECKPOINT_VARIABLE: os.fspath(checkpoint), **limit_variables(self.setup)}
            process = LineProcess(self.setup, variables)
            try:
                process.start_clock()
                while (line := process.read_line()) is not None:
                    said = parse_score_line(line, self.setup.label)
                    if not isinstance(said, RunEnd):
                        yield said
                process.finish()
            finally:
                process.stop()


def limit_variables(setup: EvaluatorSetup) -> dict[str, str]:
    """The variable that says after how many items nobody listens; none where all are wanted."""
    return {LIMIT_VARIABLE: str(setup.limit)} if setup.limit else {}
