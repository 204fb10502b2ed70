"""What a merge asks the policy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from git_theta.merging import options
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_request import MergeRequest, gather_inputs
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_request
from git_theta.vcs.discovery import discover_repository
from tests.integration.three_branches import values
from tests.sandbox import Sandbox, changed, model

MODEL = "model.safetensors"
NAMES = [f"layer.{number}.weight" for number in range(40)]


def trained(delta: float) -> bytes:
    content = model(0, **dict.fromkeys(NAMES, 8))
    for name in NAMES:
        content = changed(content, name, (values(content, name) + delta).astype("<f4").tobytes())
    return content


@pytest.fixture
def contested(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """All parameters are."""
    sandbox.theta("track", "*.safetensors")
    sandbox.commit("track")
    for branch, delta in (("main", 0.0), ("topic", 1.0), ("main", 2.0)):
        sandbox.git("switch", "-q", *([] if branch == "main" else ["-c"]), branch)
        sandbox.write(MODEL, trained(delta))
        sandbox.commit(branch)
    monkeypatch.chdir(sandbox.root)
    return sandbox


def test_options_are_parsed_once_for_a_rule(contested: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()
    real = options.parse_options

    def count(strategy: str, *rest: Any) -> Any:
        asked[strategy] += 1
        return real(strategy, *rest)

    monkeypatch.setattr(options, "parse_options", count)
    request = MergeRequest(("topic",), MergeOptions("ties", ("density=0.5",), ("layer.1.*=average",)))
    made = gather_inputs(request, contested.root)
    found = find_cases(made, discover_repository(), print)
    assert found[0].plan and len(found[0].plan.contested) == len(NAMES)
    check_request(found, request, made, contested.root)
    # Each rule of the command line, each that chooses something, and for its companions.
    assert asked == {"ties": 3, "average": 3}
