"""On what terms a result was found: what decides it, as a digest, and what it ran on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence

from git_theta.evaluation.definitions import EvaluationDefinition


def digest_evaluation(definition: EvaluationDefinition, items: Sequence[str] | None, limit: int) -> str:
    """The SHA-256, in hex, of all that decides what an evaluation says of a content (docs/spec/eval.md)."""
    limited = 0 if items is not None else limit  # of ids that are given, the first ones are what is given
    facts = [definition.evaluator, definition.command, definition.version, items and list(items), limited]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def describe_machine() -> str:
    """What this runs on, without a name of it: results are pushed."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
