"""A loop that stops anywhere goes on as one that does not, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from git_theta.errors import UsageError
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import model

from git_theta_flad import Exp3Sampler, Ucb1Sampler, load_sampler, save_sampler
from git_theta_flad.base import FladSampler

NAMES = ["squad", "boolq", "rte"]
SAMPLERS = [Exp3Sampler.begin(NAMES, seed=7), Ucb1Sampler.begin({"squad": 0.1, "boolq": 1 / 3, "rte": -0.2})]


def reload(sampler: FladSampler, folder: Path) -> FladSampler:
    save_sampler(sampler, folder / "model.safetensors")
    found = load_sampler(folder / "model.safetensors")
    assert found == sampler
    assert found is not None
    return found


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda one: one.algorithm)
def test_it_goes_on_where_it_stopped_in_the_middle_of_a_turn_too(sampler: FladSampler, tmp_path: Path) -> None:
    stopped = reload(sampler, tmp_path)
    for turn in range(12):
        for _ in range(3):
            stopped = reload(stopped, tmp_path)
            assert sampler.choose() == stopped.choose()
        rewards = {name: (turn % 7) / 7 - len(name) / 9 for name in sampler.chosen}
        sampler.learn(rewards)
        stopped = reload(stopped, tmp_path)
        stopped.learn(rewards)
        assert stopped.estimates == sampler.estimates  # equal, not close


def test_it_lies_beside_the_checkpoint_and_there_is_none_at_first(tmp_path: Path) -> None:
    assert load_sampler(tmp_path / "model.safetensors") is None
    written = save_sampler(SAMPLERS[0], str(tmp_path / "model.safetensors.index.json"))
    assert written == tmp_path / "model.flad.json"
    assert load_sampler(tmp_path / "model.pt") == SAMPLERS[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "it is of a newer git-theta-flad"),
        ({"algorithm": "thompson"}, "no state of a sampler: 'thompson'"),
        ({"estimates": {}}, "no data sets"),
        ({"estimates": {"rte": "much"}}, "the estimate of 'rte' is 'much'"),
        ({"estimates": [1]}, "no state of a sampler"),
        ({"estimates": {"rte": 10**400}}, "the estimate of 'rte' is 1000"),
        ({"turn": 10**400}, r"it has counted \{'turn': 1000"),
        ({"turn": 0}, r"it has counted \{'turn': 0\}"),
        ({"batches": {"rte": -1}}, r"it has counted \{'rte': -1\}"),
        ({"chosen": {"mnli": 1}}, "it has batches of 'mnli'"),
        ({"seed": "x"}, "seed is 'x'"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_named(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    file = save_sampler(Exp3Sampler.begin(NAMES), tmp_path / "model.safetensors")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UsageError, match=rf"model\.flad\.json: .*{reason}"):
        load_sampler(tmp_path / "model.safetensors")


@pytest.mark.parametrize("text", ["{", "null", "[]", '{"version": 1}', '{"version": "1"}', "[" * 100_000])
def test_a_file_of_something_else_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.flad.json").write_text(text)
    with pytest.raises(UsageError, match=r"model\.flad\.json: it is no state of a sampler"):
        load_sampler(tmp_path / "model.safetensors")


def test_bounds_of_data_sets_that_were_never_seen_are_refused(tmp_path: Path) -> None:
    file = save_sampler(SAMPLERS[1], tmp_path / "model.safetensors")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"batches": {"rte": 2}}))
    with pytest.raises(UsageError, match="no batch of 'boolq'"):
        load_sampler(tmp_path / "model.safetensors")


def test_git_theta_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    sandbox.write("model.safetensors", model())
    missing = sandbox.theta("flad", "model.safetensors", check=False)
    assert missing.returncode == 2
    assert "model.flad.json: there is no such file" in missing.stderr
    sampler = Ucb1Sampler.begin({"squad\x1b[2J": 0.25, "rte": 0.75})
    sampler.learn({sampler.choose(): 0.5})
    save_sampler(sampler, sandbox.root / "model.safetensors")
    shown = sandbox.theta("flad", "model.safetensors").stdout.splitlines()
    assert shown == [
        "ucb1, 1 turn",
        "   batches    estimate   next by  data set",
        "         2       0.725    1.7731  rte",
        "         1        0.25    1.7323  squad\\x1b[2J",
    ]
    assert json.loads(sandbox.theta("flad", "model.safetensors", "--json").stdout)["rates"] == sampler.rate_names()
