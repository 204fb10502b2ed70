"""The loop of the README, with a model of one number: it finds the data set that points where the task does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="gradients are torch's")

README = Path(__file__).parents[1] / "README.md"


def run_loop(turns: int) -> Any:
    """The block as it stands there. Returns its sampler."""
    auxiliary = {"noise": (0.0, 1.0), "like it": (1.0, 0.1), "against it": (-1.0, 0.0)}
    given = {
        "auxiliary": auxiliary,
        "task": (1.0, 0.0),
        "turns": turns,
        "find_gradients": lambda data: [torch.tensor(data)],
        "take_step": lambda *_: None,
        "save_model": lambda path: Path(path).write_bytes(b"weights"),
    }
    found = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    exec(found[1], given)
    return given["sampler"]


def test_it_finds_what_helps_and_goes_on_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("stopped", "whole"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "stopped")
    run_loop(25)
    stopped = run_loop(60)
    monkeypatch.chdir(tmp_path / "whole")
    assert run_loop(60) == stopped
    assert Path("model.flad.json").read_bytes() == (tmp_path / "stopped" / "model.flad.json").read_bytes()
    assert max(stopped.batches, key=stopped.batches.get) == "like it"
