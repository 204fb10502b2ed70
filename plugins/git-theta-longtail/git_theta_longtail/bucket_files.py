"""The file of buckets: a line of JSON a question, which ``git theta longtail`` writes and the evaluator reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from git_theta.errors import EvaluationError

from git_theta_longtail.document_counts import DocumentCount, name_bucket


def encode_buckets(counts: Mapping[str, DocumentCount], *, exact: bool) -> bytes:
    """The file's content. ``exact``: whether phrases count as they are written alone."""
    lines = [
        {"id": name, "bucket": name_bucket(count.exact if exact else count.folded), **count._asdict()}
        for name, count in counts.items()
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def read_buckets(file: Path) -> dict[str, str]:
    """The bucket of each item. Raises EvaluationError for what is no such file."""
    try:
        lines = [json.loads(line) for line in file.read_bytes().split(b"\n") if line.strip()]
        return {str(line["id"]): str(line["bucket"]) for line in lines}
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError):
        problem = "is no file of buckets"
    raise EvaluationError(problem, hint=f"Write it: git theta longtail QUESTIONS CORPUS... -o {file}", path=str(file))
