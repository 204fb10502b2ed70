"""An ``adapter_config.json`` from anywhere: what it says is taken, or refused with its path."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from git_theta.errors import UsageError
from git_theta.operations.updating.peft_config import CONFIG_FILE, PeftConfig, read_config

LORA: dict[str, object] = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "init_lora_weights": True}
IA3: dict[str, object] = {"peft_type": "IA3"}


def read(folder: Path, content: object) -> PeftConfig:
    (folder / CONFIG_FILE).write_text(json.dumps(content))
    return read_config(folder)


def test_the_scaling_is_alpha_by_rank(tmp_path: Path) -> None:
    assert read(tmp_path, LORA).scaling_of("layer.0", 2) == 4
    assert read(tmp_path, LORA | {"alpha_pattern": {"0": 2.0}}).scaling_of("layer.0", 2) == 1


@pytest.mark.parametrize("kind", [None, [], {}, 3, "ADALORA"])
def test_a_kind_that_is_none_is_refused(kind: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="LORA and IA3 are merged here") as caught:
        read(tmp_path, LORA | {"peft_type": kind})
    assert caught.value.path == str(tmp_path / CONFIG_FILE)


@pytest.mark.parametrize("alpha", [None, True, "8", [], float("inf"), float("nan"), 10**400, -(10**400)])
def test_what_is_no_number_is_refused(alpha: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be a number"):
        read(tmp_path, LORA | {"lora_alpha": alpha}).scaling_of("layer.0", 2)


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "[", "\\", "(" * 20_000])
def test_what_is_no_pattern_is_refused(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no regular expression"):
        read(tmp_path, LORA | {"rank_pattern": {pattern: 2}}).scaling_of("layer.0", 2)
    with pytest.raises(UsageError, match="is no regular expression"):
        read(tmp_path, IA3 | {"feedforward_modules": pattern}).is_feedforward("layer.0")


@pytest.mark.parametrize("module", ["a" * 64, "blocks." * 12 + "q"])
def test_a_pattern_that_never_ends_is_stopped(module: str, tmp_path: Path) -> None:
    pattern = r"([\w.]+)+!"
    with pytest.raises(UsageError, match="takes too long"):
        read(tmp_path, LORA | {"rank_pattern": {pattern: 2}}).scaling_of(module, 2)
    with pytest.raises(UsageError, match="takes too long"):
        read(tmp_path, IA3 | {"feedforward_modules": pattern}).is_feedforward(module)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("link", [True, False])
def test_a_config_that_is_a_pipe_is_not_waited_for(link: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ("pipe" if link else CONFIG_FILE))
    if link:
        (tmp_path / CONFIG_FILE).symlink_to("pipe")
    with pytest.raises(UsageError, match="no regular file"):
        read_config(tmp_path)


@pytest.mark.parametrize("modules", [5, True, {"a": 1}])
def test_feedforward_modules_are_a_list_or_a_pattern(modules: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be a list or a pattern"):
        read(tmp_path, IA3 | {"feedforward_modules": modules}).is_feedforward("layer.0")


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"r": ' + b"9" * 5000 + b"}"])
def test_what_is_no_object_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(text)
    with pytest.raises(UsageError) as caught:
        read_config(tmp_path)
    assert caught.value.path == str(tmp_path / CONFIG_FILE)
