"""Frames that differ: in checksums that follow from the parameters, or in more."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from git_theta.merging.plan import plan_merge
from git_theta.operations.context import Context
from git_theta.operations.merging.frame_merge import settle_frame
from tests.operations.stored_checkpoints import checkpoint, stored


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def source(context: Context, base: bytes | None, *heads: bytes) -> tuple[int | None, bool]:
    """Whose frame it is, and whether there was one that says all."""
    made = plan_merge(stored(context, base) if base else None, [stored(context, head) for head in heads])
    assert made.frame.source is None, "ids alone decided"
    found, agreed = settle_frame(made, context)
    return found.frame.source, agreed


def state(value: float, **others: Any) -> bytes:
    return saved({"a": torch.full((3,), value), **others})


def test_checksums_and_the_id_of_the_content_are_no_news(context: Context) -> None:
    assert source(context, state(0), state(1), state(2)) == (0, True)


def test_what_one_head_says_anew_is_taken(context: Context) -> None:
    assert source(context, state(0, step=1), state(1, step=1), state(2, step=2)) == (1, True)


def test_what_two_heads_say_anew_is_contested(context: Context) -> None:
    assert source(context, state(0, step=1), state(1, step=2), state(2, step=3)) == (None, False)


def test_a_parameter_more_is_no_news(context: Context) -> None:
    assert source(context, state(0), state(1, b=torch.ones(2)), state(2)) == (0, True)


def test_without_a_base_heads_may_differ_in_checksums(context: Context) -> None:
    assert source(context, None, state(1), state(2)) == (0, True)
    assert source(context, None, state(1, step=1), state(2, step=2)) == (None, False)


def test_other_formats_are_contested(context: Context) -> None:
    base = checkpoint({"a": b"1"})
    assert source(context, base, state(1), saved({"a": torch.ones(2), "step": 4})) == (None, False)


def test_the_folder_in_an_archive_is_no_news(context: Context, tmp_path: Path) -> None:
    """torch calls it after the file, which may be a temporary one; its length moves everything in the archive."""

    def written(name: str, value: float, **others: Any) -> bytes:
        torch.save({"a": torch.full((3,), value), "b": torch.ones(40), **others}, tmp_path / name)
        return (tmp_path / name).read_bytes()

    files = written("model.pt", 0), written("model.pt.tmp-0123456789", 1), written("m", 2)
    assert source(context, *files) == (0, True)
    assert source(context, *files[:2], written("m", 2, step=1)) == (1, True)
    assert source(context, files[0], written("n", 1, step=2), written("m", 2, step=1)) == (None, False)


def test_metadata(context: Context) -> None:
    files = [checkpoint({"a": b"1"}, {"by": who}) for who in ("base", "ours", "theirs")]
    assert source(context, *files) == (None, False)
