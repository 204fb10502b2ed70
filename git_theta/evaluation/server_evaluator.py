"""The evaluator ``server``: one process for all checkpoints, so that a model framework starts once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import Evaluator, EvaluatorSetup, ItemScore, MetricValue
from git_theta.evaluation.command_evaluator import limit_variables
from git_theta.evaluation.item_files import write_items
from git_theta.evaluation.line_process import LineProcess
from git_theta.evaluation.score_lines import RunEnd, parse_score_line


class ServerEvaluator(Evaluator):
    """Runs the command once, and tells it one path after another: a line each.

    It answers with its lines, and ``{"done": true}`` behind them. Other items are told to a process of their own.
    """

    name = "server"
    side_by_side = True

    def __init__(self, setup: EvaluatorSetup) -> None:
        super().__init__(setup)
        self._running: LineProcess | None = None
        self._items: tuple[str, ...] | None = None
        self._open = ExitStack()

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        """See ``Evaluator``. A process that fails, or that nobody listens to any more, is not asked again."""
        path = os.fsencode(checkpoint)
        if b"\n" in path:
            raise EvaluationError(f"{os.fspath(checkpoint)!r} has a newline, which ends a line of the protocol")
        process = self._start(None if items is None else tuple(items))
        is_through = False
        try:
            process.start_clock()
            process.write_line(path)
            while not is_through:
                line = process.read_line()
                if line is None:
                    raise process.explain_early_end("before it was done with a checkpoint")
                said = parse_score_line(line, self.setup.label)
                if isinstance(said, RunEnd):
                    is_through = True
                else:
                    yield said
        finally:
            if not is_through:
                self._stop(gently=False)

    def close(self) -> None:
        """End the process, which has some seconds to end by itself."""
        self._stop(gently=True)

    def _start(self, items: tuple[str, ...] | None) -> LineProcess:
        if self._running and self._items == items:
            return self._running
        self.close()
        variables = self._open.enter_context(write_items(items))
        self._running = LineProcess(self.setup, variables | limit_variables(self.setup), answers=True)
        self._items = items
        return self._running

    def _stop(self, *, gently: bool) -> None:
        if self._running:
            self._running.stop(gently=gently)
            self._running = None
        self._open.close()
