"""What programs are told: docs/spec/diff.schema.json."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from git_theta.diffing.base import Report
from git_theta.diffing.render.report_json import VERSION, checkpoint_json, render_json
from git_theta.diffing.verdict import ChangeKind, Look
from tests.diffing.render.sample_reports import (
    HOSTILE,
    added,
    changed,
    removed,
    renamed,
    report,
    respecified,
    unchanged,
)

SCHEMA: dict[str, Any] = json.loads(Path("docs/spec/diff.schema.json").read_text())


def mixed() -> Report:
    """A row of every kind."""
    return report(
        [
            changed("a"),
            changed("b", norm=math.inf, largest=math.nan, nonfinite_after=(1, 2)),
            changed("lost")._replace(measures=None, failure="object 12ab is missing"),
            *(changed(name) for name in HOSTILE),
            added("new"),
            removed("old"),
            renamed("was", "is"),
            respecified("c", ("F32", (4,)), ("BF16", (5,))),
            unchanged("same"),
        ]
    )


def test_it_is_as_the_schema_says() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    written = json.dumps(render_json([mixed(), report([])]), allow_nan=False)
    Draft202012Validator(SCHEMA).validate(json.loads(written))
    assert json.loads(written)["version"] == VERSION == SCHEMA["properties"]["version"]["const"]


@pytest.mark.parametrize("key", ["verdict", "parameters", "rest"])
def test_the_schema_misses_what_is_missing(key: str) -> None:
    data = render_json([mixed()])
    del data["checkpoints"][0][key]
    assert not Draft202012Validator(SCHEMA).is_valid(data)


def test_the_schema_knows_every_word() -> None:
    checkpoint, parameter = SCHEMA["$defs"]["checkpoint"], SCHEMA["$defs"]["parameter"]
    assert set(checkpoint["properties"]["verdict"]["properties"]["look"]["enum"]) == set(Look)
    assert set(parameter["properties"]["kind"]["enum"]) == set(ChangeKind)


def test_a_parameter_in_numbers() -> None:
    data = checkpoint_json(mixed())
    found = {item["name"]: item for item in data["parameters"]}
    assert found["a"]["measures"]["relative"] == pytest.approx(0.0123, rel=1e-15)
    assert found["a"]["before"]["shape"] == [384, 384]
    assert found["b"]["measures"]["norm"] is None
    assert found["b"]["measures"]["nonfinite_after"] == {"nan": 1, "infinite": 2}
    assert found["lost"]["failure"] == "object 12ab is missing"
    assert (found["new"]["before"], found["old"]["after"]) == (None, None)
    assert "same" not in found
    assert data["counts"]["unchanged"] == 1
