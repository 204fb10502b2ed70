"""Frames merged as values: checksums and a writer's habits are no news, keys are merged, contested ones named."""

from __future__ import annotations

import io
import json
import pickle
from argparse import Namespace
from collections import OrderedDict
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from git_theta.merging.planning.plan import plan_merge
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.frame_merge import FrameChoices, FrameMerge, merge_frame
from git_theta.operations.merging.merge_results import MergeSettings
from tests.operations.stored_checkpoints import always, bytes_of, checkpoint, stored


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def framed(context: Context, base: bytes | None, *heads: bytes) -> FrameMerge:
    made = plan_merge(stored(context, base) if base else None, [stored(context, head) for head in heads])
    assert made.frame.source is None, "ids alone decided"
    return merge_frame(made, context, FrameChoices(lambda _: None))


def source(context: Context, base: bytes | None, *heads: bytes) -> tuple[int | None, list[str]]:
    """Whose frame it is, and what of it is contested."""
    found = framed(context, base, *heads)
    whole = ["(frame)"] if found.whole else []
    assert found.template is None
    return found.plan.frame.source, whole or [key.decision.name for key in found.contested]


def merged(context: Context, base: bytes, *heads: bytes, strategy: str = "") -> tuple[Any, list[str]]:
    """What torch loads of the merged file, and the names of what is left."""
    made = plan_merge(stored(context, base), [stored(context, head) for head in heads])
    choose = always(strategy) if strategy else lambda _: None
    found = apply_plan(made, choose, MergeSettings(), context)
    loaded = torch.load(io.BytesIO(bytes_of(found.manifest, context)), weights_only=False)
    return loaded, [left.decision.name for left in found.left]


def state(value: float, **others: Any) -> bytes:
    return saved({"a": torch.full((3,), float(value)), **others})


def test_checksums_and_the_id_of_the_content_are_no_news(context: Context) -> None:
    assert source(context, state(0), state(1), state(2)) == (0, [])


def test_what_one_head_says_anew_is_taken(context: Context) -> None:
    assert source(context, state(0, step=1), state(1, step=1), state(2, step=2)) == (1, [])


def test_what_two_heads_say_anew_is_contested_by_its_key(context: Context) -> None:
    found = framed(context, state(0, step=1), state(1, step=2), state(2, step=3))
    assert [(key.decision.name, key.plain, key.reason) for key in found.contested] == [
        ("(frame) step", True, "base 1; ours 2; theirs 3")
    ]


def test_a_parameter_more_is_no_news(context: Context) -> None:
    assert source(context, state(0), state(1, b=torch.ones(2)), state(2)) == (0, [])


def test_without_a_base_heads_may_differ_in_checksums(context: Context) -> None:
    assert source(context, None, state(1), state(2)) == (0, [])
    assert source(context, None, state(1, step=1), state(2, step=2)) == (0, ["(frame) step"])


def test_other_formats_are_contested(context: Context) -> None:
    base = checkpoint({"a": b"1"})
    assert source(context, base, state(1), saved({"a": torch.ones(2), "step": 4})) == (None, ["(frame)"])


def test_the_folder_in_an_archive_is_no_news(context: Context, tmp_path: Path) -> None:
    """torch calls it after the file, which may be a temporary one; its length moves everything in the archive."""

    def written(name: str, value: float, **others: Any) -> bytes:
        torch.save({"a": torch.full((3,), value), "b": torch.ones(40), **others}, tmp_path / name)
        return (tmp_path / name).read_bytes()

    files = written("model.pt", 0), written("model.pt.tmp-0123456789", 1), written("m", 2)
    assert source(context, *files) == (0, [])
    assert source(context, *files[:2], written("m", 2, step=1)) == (1, [])
    both = source(context, files[0], written("n", 1, step=2), written("m", 2, step=1))
    assert both == (0, ["(frame) step"])


def test_metadata(context: Context) -> None:
    files = [checkpoint({"a": b"1"}, {"by": who}) for who in ("base", "ours", "theirs")]
    assert source(context, *files) == (0, ["(frame) by"])


# What is no news -----------------------------------------------------------------------------------------------------

KEYS = {"format": "pt", "step": "1", "lr": "0.1"}


def test_metadata_in_another_order_say_the_same(context: Context) -> None:
    orders = [{key: KEYS[key] for key in order} for order in islice(permutations(KEYS), 3)]
    assert source(context, *[checkpoint({"a": b"%d" % at}, order) for at, order in enumerate(orders)])[1] == []


def test_keys_of_a_dict_in_another_order_say_the_same(context: Context) -> None:
    one, other = {"step": 1, "lr": 0.1, "name": "x"}, {"name": "x", "lr": 0.1, "step": 1}
    third = {"lr": 0.1, "name": "x", "step": 1}
    assert source(context, state(0, **one), state(1, **other), state(2, **third)) == (0, [])


def test_both_saved_by_another_writer_alike_is_one_change(context: Context) -> None:
    base = checkpoint({"a": b"0", "b": b"0"})
    said = {"format": "pt", "by": "new"}
    ours, theirs = checkpoint({"a": b"1", "b": b"0"}, said), checkpoint({"a": b"0", "b": b"0", "c": b"2"}, said)
    assert source(context, base, ours, theirs)[1] == []
    assert source(context, state(0), state(1, step=1), state(2, step=1)) == (0, [])


@pytest.mark.parametrize("protocol", [2, 4])
def test_another_protocol_is_a_habit(context: Context, protocol: int) -> None:
    others = {"a": torch.zeros(3), "raw": b"\xff\x00", "options": OrderedDict(step=1)}
    ours, theirs = ({**others, "a": torch.full((3,), at)} for at in (1.0, 2.0))
    files = saved(others), saved(ours, pickle_protocol=protocol), saved(theirs, pickle_protocol=4)
    assert source(context, *files) == (0, [])


def test_arrays_become_tensors_by_another_protocol_and_what_the_other_side_did_to_them_is_not_lost(
    context: Context,
) -> None:
    files = [state(at, x=np.full(5, x)) for at, x in ((0, 0), (1, 0), (1, 300))]
    theirs = saved({"a": torch.zeros(3), "x": np.full(5, 0)}, pickle_protocol=4)
    assert source(context, files[0], files[1], theirs) == (1, [])
    assert source(context, files[0], files[2], theirs) == (0, ["(frame) x"])


# By keys -------------------------------------------------------------------------------------------------------------


def test_metadata_of_both_sides_are_merged_by_key(context: Context) -> None:
    base, ours, theirs = KEYS, KEYS | {"step": "2"}, KEYS | {"by": "them"}
    files = [checkpoint({"a": b"%d" % min(at, 1)}, said) for at, said in enumerate((base, ours, theirs))]
    made = plan_merge(stored(context, files[0]), [stored(context, file) for file in files[1:]])
    found = apply_plan(made, lambda _: None, MergeSettings(), context)
    content = bytes_of(found.manifest, context)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert (found.left, header["__metadata__"]) == ((), ours | {"by": "them"})
    assert content.endswith(b"1")


def test_pickled_values_of_both_sides_are_merged_by_key(context: Context) -> None:
    base = {"step": 1, "config": {"lr": 0.1, "betas": (0.9, 0.99)}, "gone": "x", "log": ["a"]}
    ours = base | {"step": 2, "config": {"lr": 0.1, "betas": (0.8, 0.99)}}
    theirs = {"step": 1, "config": {"lr": 0.2, "betas": (0.9, 0.99), "new": {"deep": None}}, "log": ["a", "b"]}
    loaded, left = merged(context, state(0, **base), state(1, **ours), state(0, **theirs))
    assert left == []
    assert torch.equal(loaded.pop("a"), torch.ones(3))
    config = {"lr": 0.2, "betas": (0.8, 0.99), "new": {"deep": None}}
    assert loaded == {"step": 2, "config": config, "log": ["a", "b"]}


def arrays(*changed: str) -> dict[str, Any]:
    return {name: np.arange(40, dtype="f4") + (name in changed) for name in ("x", "y", "z")}


def test_arrays_of_both_sides_are_merged_by_key(context: Context) -> None:
    """torch pickles them by a protocol that spells bytes as text: no span of the file, and yet values."""
    files = state(0, ema=arrays()), state(1, ema=arrays("x")), state(0, ema=arrays("y"))
    loaded, left = merged(context, *files, strategy="average")
    assert left == []
    assert torch.equal(loaded["a"], torch.ones(3))
    assert {name: loaded["ema"][name][0] for name in "xyz"} == {"x": 1, "y": 1, "z": 0}


def test_a_strategy_that_computes_settles_no_contested_bytes(context: Context) -> None:
    """It would drop one side's weights, and say that all is merged."""
    ours, theirs = arrays("x", "z"), arrays("y")
    theirs["z"] -= 5
    files = state(0, ema=arrays(), step=1), state(1, ema=ours, step=2), state(3, ema=theirs, step=3)
    loaded, left = merged(context, *files, strategy="average")
    assert left == ["(frame) ema.z"]
    assert torch.equal(loaded["a"], torch.full((3,), 2.0))
    assert {name: loaded["ema"][name][0] for name in "xyz"} == {"x": 1, "y": 1, "z": 1}
    assert loaded["step"] == 2


@pytest.mark.parametrize("long", ["text" * 2000, list(range(99)), b"bytes"])
def test_whatever_may_be_weights_is_no_plain_value(context: Context, long: Any) -> None:
    files = state(0, it=long), state(1, it=long + long), state(2, it=long[:-1])
    assert merged(context, *files, strategy="average")[1] == ["(frame) it"]


def test_how_a_tensor_is_kept_is_part_of_the_frame(context: Context) -> None:
    def kept(value: float, gradient: bool, **others: Any) -> bytes:
        tensor = torch.full((3,), float(value)).requires_grad_(gradient)
        return saved({"a": tensor, "b": torch.ones(2), **others})

    assert source(context, kept(0, True), kept(1, True), kept(2, False)) == (1, [])


def test_objects_that_cannot_be_written_again_are_taken_from_one_side(context: Context) -> None:
    files = [state(at, it=Namespace(x=1), step=step, lr=lr) for at, step, lr in ((0, 1, 1), (1, 2, 1), (2, 1, 2))]
    loaded, left = merged(context, *files, strategy="average")
    assert left == [""]
    assert (loaded["step"], loaded["lr"]) == (2, 1)
    loaded, left = merged(context, *files, strategy="theirs")
    assert (loaded["step"], loaded["lr"], left) == (1, 2, [])


# Pickles -------------------------------------------------------------------------------------------------------------


def test_arrays_of_a_pickle_are_parameters_like_others(context: Context) -> None:
    def model(coef: float, alpha: float) -> bytes:
        return pickle.dumps({"coef_": np.full(4, coef, "f4"), "alpha": alpha, "names": ["a", "b"]}, protocol=4)

    files = [stored(context, model(*values), "m.pkl") for values in ((0, 1), (1, 2), (3, 1))]
    found = apply_plan(plan_merge(files[0], files[1:]), always("average"), MergeSettings(), context)
    merged = pickle.loads(bytes_of(found.manifest, context))
    assert (found.left, merged["alpha"], merged["coef_"].tolist()) == ((), 2, [2.0] * 4)


def test_a_pickle_names_what_is_contested(context: Context) -> None:
    files = [pickle.dumps({"w": np.full(4, at, "f4"), "alpha": at}, protocol=4) for at in range(3)]
    base, *heads = (stored(context, file, "m.pkl") for file in files)
    found = apply_plan(plan_merge(base, heads), lambda _: None, MergeSettings(), context)
    assert [left.decision.name for left in found.left] == ["(frame) alpha", "w"]
