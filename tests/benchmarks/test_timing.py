"""What is seen of a command: real processes, no clock that a busy machine could upset."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.results import MB, OURS
from benchmarks.timing import probe_command, time_command
from tests.sandbox import Sandbox, model


def test_a_child_of_a_child_counts_after_it_has_let_go(tmp_path: Path) -> None:
    hold = "import time; held = b'x' * 80_000_000; del held; time.sleep(0.5)"
    probe = probe_command(["sh", "-c", f'"{sys.executable}" -c "{hold}"; true'], tmp_path)
    assert 80 * MB < probe.peaks[OURS] < 200 * MB
    assert probe.peaks["sh"] < 20 * MB


def test_filters_that_git_starts_are_counted(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("model.safetensors", model())
    assert probe_command(["git", "add", "model.safetensors"], sandbox.root).filters == 1
    assert probe_command(["git", "config", "--list"], sandbox.root).filters == 0


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo reason >&2; exit 3"]
    for run in (time_command, probe_command):
        with pytest.raises(RuntimeError, match=r"exited 3:\nreason"):
            run(command, tmp_path)
