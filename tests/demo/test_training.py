"""The demo trains for real, and would notice a merge that is one bit off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from demo import texts
from demo.encoder import SPECIAL, Tokenizer, embed_texts
from demo.merging import require_same_tensors
from demo.sentence_model import generate_model, nudge_value, tensor_names
from demo.texts import Task
from demo.training import evaluate_task, fine_tune, read_checkpoint

WORDS = [f"{word}{number}" for number in range(16) for word in ("a", "b")]
PAIRS = [(f"a{number}", f"b{number}") for number in range(16)]
TASK = Task("toy", "toys", PAIRS, PAIRS)
TOKENIZER = Tokenizer([*SPECIAL, *WORDS])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other take longer than so small a model."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    generate_model(tmp_path / "m.safetensors", len(SPECIAL) + len(WORDS), width=24)
    return tmp_path / "m.safetensors"


def test_the_longest_pieces_are_found_and_what_has_none_is_unknown() -> None:
    tokenizer = Tokenizer([*SPECIAL, "un", "una", "##ble", "##b", "!"])
    assert tokenizer(["Unable!", "ax"]).tolist() == [[2, 5, 6, 8, 3], [2, 1, 3, 0, 0]]


def test_padding_changes_no_meaning(checkpoint: Path) -> None:
    state = read_checkpoint(checkpoint)
    alone, beside = embed_texts(state, TOKENIZER(["a1"])), embed_texts(state, TOKENIZER(["a1", "a2 b2 a3"]))
    torch.testing.assert_close(alone[0], beside[0])
    assert not torch.allclose(beside[0], beside[1])


def test_training_lowers_the_loss_and_leaves_the_rest_alone(checkpoint: Path) -> None:
    before = read_checkpoint(checkpoint)
    changed = fine_tune(checkpoint, TASK, TOKENIZER, "encoder.")
    after = read_checkpoint(checkpoint)
    assert evaluate_task(after, TASK, TOKENIZER).loss < evaluate_task(before, TASK, TOKENIZER).loss
    differ = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(differ) == changed > 0
    assert all(name.startswith("encoder.") for name in differ)


def test_nothing_that_is_judged_by_was_trained_on() -> None:
    task = texts.language_task()
    assert len(task.train) > 200
    assert len(task.held_out) == texts.HELD_OUT
    assert not {*task.train} & {*task.held_out}


def test_one_bit_stops_the_demo(checkpoint: Path) -> None:
    state = read_checkpoint(checkpoint)
    require_same_tensors(read_checkpoint(checkpoint), state, "ties")
    nudge_value(checkpoint, tensor_names(checkpoint)[0])
    with pytest.raises(SystemExit):
        require_same_tensors(read_checkpoint(checkpoint), state, "ties")
