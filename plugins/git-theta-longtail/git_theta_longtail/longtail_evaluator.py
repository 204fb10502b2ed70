"""The evaluator: a command that prints scores, whose items get the buckets of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore, MetricValue
from git_theta.evaluation.command_evaluator import CommandEvaluator

from git_theta_longtail.bucket_files import read_buckets

_FILE = re.compile(r"THETA_LONGTAIL_BUCKETS=([^\s'\"$`]+)")
"""Where the command says which file. In the command, so that results by another one are told from these."""


class LongTailEvaluator(CommandEvaluator):
    """As ``command``: what it prints is given the bucket of its id, beside its own."""

    name, api = "longtail", 1

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        """See ``Evaluator``. Raises EvaluationError for an item that has no bucket, too."""
        buckets = read_buckets(self._find_file())
        for said in super().run(checkpoint, items):
            yield self._add_bucket(said, buckets) if isinstance(said, ItemScore) else said

    def _add_bucket(self, score: ItemScore, buckets: dict[str, str]) -> ItemScore:
        if score.id not in buckets:
            raise EvaluationError(
                f"the evaluator {self.setup.label} scored {score.id!r}, which has no bucket",
                hint="Count its documents, too: git theta longtail",
                path=str(self._find_file()),
            )
        return score._replace(buckets=(*score.buckets, buckets[score.id]))

    def _find_file(self) -> Path:
        found = _FILE.search(self.setup.command)
        if not found:
            raise EvaluationError(
                f"the command of {self.setup.label} does not say which file has the buckets",
                hint=f"Begin it with that: THETA_LONGTAIL_BUCKETS=buckets.jsonl {self.setup.command}",
            )
        return self.setup.folder / found[1]
