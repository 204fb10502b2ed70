"""What is stored: what a clone has already is not stored again, wherever it stands and whatever it is called."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import pytest
import torch

from git_theta.manifest.text import decode_manifest
from git_theta.testing.blocks import noise_bytes
from tests.integration.checkpoint_history import assert_clean, assert_round_trip, digest, staged, stored
from tests.sandbox import Sandbox, changed, safetensors_bytes, track_and_commit

Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]

_SIZE = 128 << 10  # of a tensor: large enough for an object of its own
FRAME = 4096  # bytes that a frame may take: header, padding and what goes with them


def tensor(seed: int, size: int = _SIZE) -> tuple[str, tuple[int, ...], bytes]:
    """A tensor of that many bytes, which no serializer can shrink."""
    return "U8", (size,), noise_bytes(size, seed)


LAYERS: Tensors = {f"layers.{number}.weight": tensor(number) for number in range(4)}


@pytest.fixture
def tracked(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {}, "*.safetensors", "*.pt", "*.dat")


def stored_by_adding(sandbox: Sandbox, files: Mapping[str, bytes]) -> dict[str, int]:
    """The objects (oid -> size) that adding these files brought."""
    before = stored(sandbox)
    for path, content in files.items():
        sandbox.write(path, content)
    sandbox.git("add", "--all")
    return {oid: size for oid, size in stored(sandbox).items() if oid not in before}


def sharded(placement: Mapping[str, int], of: int = 2) -> dict[str, bytes]:
    """The files of a Hugging Face checkpoint: parameter -> number of its shard."""
    names = {number: f"model-{number:05}-of-{of:05}.safetensors" for number in range(1, of + 1)}
    files = {
        names[shard]: safetensors_bytes({name: LAYERS[name] for name in placement if placement[name] == shard})
        for shard in names
    }
    index = {"metadata": {}, "weight_map": {name: names[shard] for name, shard in placement.items()}}
    return files | {"model.safetensors.index.json": json.dumps(index).encode()}


def test_one_changed_parameter_stores_itself_alone(tracked: Sandbox) -> None:
    first = safetensors_bytes(LAYERS)
    assert sum(stored_by_adding(tracked, {"model.safetensors": first}).values()) >= 4 * _SIZE
    second = changed(first, "layers.2.weight", at=70_000)
    new = stored_by_adding(tracked, {"model.safetensors": second})
    assert len(new) == 1
    assert sum(new.values()) < _SIZE + FRAME


def test_one_changed_small_parameter_stores_no_bundle_of_others(tracked: Sandbox) -> None:
    first = safetensors_bytes({f"bias.{number}": tensor(number, 1024) for number in range(50)})
    stored_by_adding(tracked, {"model.safetensors": first})
    new = stored_by_adding(tracked, {"model.safetensors": changed(first, "bias.7")})
    assert len(new) == 1
    assert sum(new.values()) <= 1024 + 64


def test_a_parameter_that_moves_to_another_shard_stores_no_tensor(tracked: Sandbox) -> None:
    one, two, three, four = LAYERS
    stored_by_adding(tracked, sharded({one: 1, two: 1, three: 2, four: 2}))
    tracked.git("commit", "--quiet", "-m", "two and two")
    files = sharded({one: 1, two: 2, three: 2, four: 2})
    assert sum(stored_by_adding(tracked, files).values()) < FRAME
    tracked.git("commit", "--quiet", "-m", "one and three")
    assert_round_trip(tracked, {path: content for path, content in files.items() if path.endswith(".safetensors")})


def test_another_number_of_shards_stores_no_tensor(tracked: Sandbox) -> None:
    one, two, three, four = LAYERS
    stored_by_adding(tracked, sharded({one: 1, two: 1, three: 2, four: 2}))
    new = stored_by_adding(tracked, sharded({one: 1, two: 2, three: 3, four: 3}, of=3))
    assert sum(new.values()) < FRAME
    assert sum(stored_by_adding(tracked, {"whole.safetensors": safetensors_bytes(LAYERS)}).values()) < FRAME


def test_the_same_file_at_two_paths_is_stored_once(tracked: Sandbox) -> None:
    content = safetensors_bytes(LAYERS)
    stored_by_adding(tracked, {"model.safetensors": content})
    assert stored_by_adding(tracked, {"copy/of.safetensors": content}) == {}
    assert staged(tracked, "copy/of.safetensors") == staged(tracked, "model.safetensors")


def test_equal_parameters_of_one_file_are_stored_once(tracked: Sandbox) -> None:
    twice = {"a": tensor(1), "b": tensor(1), "c.bias": tensor(2, 64), "d.bias": tensor(2, 64)}
    new = stored_by_adding(tracked, {"model.safetensors": safetensors_bytes(twice)})
    assert sum(new.values()) < _SIZE + FRAME


def test_a_moved_file_stores_nothing(tracked: Sandbox) -> None:
    stored_by_adding(tracked, {"model.safetensors": safetensors_bytes(LAYERS)})
    tracked.git("commit", "--quiet", "-m", "a model")
    (tracked.root / "model.safetensors").rename(tracked.root / "renamed.safetensors")
    assert stored_by_adding(tracked, {}) == {}
    assert tracked.git("status", "--porcelain").stdout == "R  model.safetensors -> renamed.safetensors\n"


def test_what_another_branch_has_stores_nothing(tracked: Sandbox) -> None:
    tracked.git("checkout", "--quiet", "-b", "other")
    stored_by_adding(tracked, {"model.safetensors": safetensors_bytes(LAYERS)})
    tracked.git("commit", "--quiet", "-m", "a model")
    manifest = staged(tracked, "model.safetensors")
    tracked.git("checkout", "--quiet", "main")
    assert stored_by_adding(tracked, {"model.safetensors": safetensors_bytes(LAYERS)}) == {}
    assert staged(tracked, "model.safetensors") == manifest


def test_the_way_back_to_an_old_version_gives_its_manifest_verbatim(tracked: Sandbox) -> None:
    first = safetensors_bytes(LAYERS)
    stored_by_adding(tracked, {"model.safetensors": first})
    manifest = staged(tracked, "model.safetensors")
    tracked.git("commit", "--quiet", "-m", "first")
    stored_by_adding(tracked, {"model.safetensors": changed(first, "layers.0.weight")})
    tracked.git("commit", "--quiet", "-m", "second")
    assert stored_by_adding(tracked, {"model.safetensors": first}) == {}
    assert staged(tracked, "model.safetensors") == manifest


def test_a_header_that_changes_stores_a_frame_alone(tracked: Sandbox) -> None:
    stored_by_adding(tracked, {"model.safetensors": safetensors_bytes(LAYERS)})
    content = safetensors_bytes(LAYERS, metadata={"step": "2"})
    new = stored_by_adding(tracked, {"model.safetensors": content})
    assert len(new) == 1
    assert sum(new.values()) < FRAME
    tracked.commit()
    assert_round_trip(tracked, {"model.safetensors": content})


def test_metadata_in_another_order_stores_a_frame_alone(tracked: Sandbox) -> None:
    one = safetensors_bytes(LAYERS, metadata={"a": "1", "b": "2"})
    two = safetensors_bytes(LAYERS, metadata={"b": "2", "a": "1"})
    stored_by_adding(tracked, {"model.safetensors": one})
    first = decode_manifest(staged(tracked, "model.safetensors"))
    assert sum(stored_by_adding(tracked, {"model.safetensors": two}).values()) < FRAME
    assert decode_manifest(staged(tracked, "model.safetensors")).entries == first.entries
    assert digest(tracked.read("model.safetensors")) == digest(two)


def test_an_insertion_in_an_opaque_file_shares_the_other_chunks(tracked: Sandbox) -> None:
    content = noise_bytes(12 << 20, 5)
    assert sum(stored_by_adding(tracked, {"a.dat": content}).values()) >= len(content)
    edited = content[: 5 << 20] + b"an insertion" + content[5 << 20 :]
    new = stored_by_adding(tracked, {"a.dat": edited})
    assert 0 < sum(new.values()) < 5 << 20
    tracked.commit()
    assert_round_trip(tracked, {"a.dat": edited})


def test_bytes_behind_the_last_tensor_are_shared_too(tracked: Sandbox) -> None:
    """safetensors allows nothing there; a zip or a truncated download may have it."""
    tail = noise_bytes(6 << 20, 6)
    model = safetensors_bytes(LAYERS)
    stored_by_adding(tracked, {"a.safetensors": model + tail})
    new = stored_by_adding(tracked, {"a.safetensors": changed(model, "layers.1.weight") + tail})
    assert sum(new.values()) < _SIZE + FRAME


def test_another_format_shares_the_tensors(tracked: Sandbox) -> None:
    state = {name: torch.frombuffer(bytearray(data), dtype=torch.uint8) for name, (_, _, data) in LAYERS.items()}
    file = io.BytesIO()
    torch.save(state, file)
    stored_by_adding(tracked, {"model.pt": file.getvalue()})
    new = stored_by_adding(tracked, {"model.safetensors": safetensors_bytes(LAYERS)})
    assert sum(new.values()) < FRAME
    of_torch, ours = (decode_manifest(staged(tracked, f"model.{suffix}")) for suffix in ("pt", "safetensors"))
    assert {entry.oid for entry in of_torch.parameters()} == {entry.oid for entry in ours.parameters()}
    tracked.commit()
    assert_clean(tracked)
