"""Makes a new golden set from what this release writes: ``python -m tests.golden.make`` in the repository's root.

With names of files it has those alone: ``python -m tests.golden.make tuned.safetensors``.

A set is what a clone holds: manifests, their objects in the store's own layout, and the SHA-256 of the files they stand
for. Sets are numbered and never changed: whatever a release has written, every later one must read. Make a new one when
something new can be written (an update, a serializer, a key, a dtype); it needs torch, reading it does not.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.context import Context
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.streams import Stream
from git_theta.operations.workers import Workers
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_decoding import read_values
from git_theta.parameters.value_encoding import encode_values
from git_theta.serializers.base import SERIALIZERS
from git_theta.store import series
from git_theta.store.local import LocalStore
from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import BLOCK, Array
from git_theta.tensors.casts import CASTS, cast_codes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, weight_bytes
from git_theta.updates.low_rank.low_rank_update import FACTORS
from git_theta.updates.low_rank.scale_update import SCALES
from tests.formats.flax import flax_files
from tests.formats.hdf5 import hdf5_files
from tests.formats.onnx import onnx_models
from tests.formats.tar import nemo_files
from tests.formats.torch import distributed_files, exported_programs
from tests.sandbox import safetensors_bytes
from tests.updates.delta_samples import FORMS, moved, weights
from tests.updates.low_rank_samples import MERGED, SCALED

HERE = Path(__file__).parent
SAFETENSORS = [name for name, dtype in BY_NAME.items() if dtype.kind in ("float", "int", "uint", "bool", "complex")]
"""The dtypes that a header may name; those of torch's quantized and bit types stand in zip archives alone."""


def checkpoints() -> dict[str, bytes]:
    """The files of a set: each small, or of bytes that shrink to almost nothing."""
    return {
        "dtypes.safetensors": _every_dtype(),
        "stored.safetensors": safetensors_bytes(
            {
                "planes": ("F32", (5_000,), weight_bytes(20_000)),
                "raw": ("U8", (5_000,), noise_bytes(5_000)),
                "planes of several blocks": ("BF16", (600_000,), bytes(range(200)) * 6_000),
                "größe/\N{GRINNING FACE}/\"\\\n": ("F32", (1,), b"\0\0\xc0\x7f"),
            }
        ),
        "long-header.safetensors": safetensors_bytes(
            {"w": ("F32", (2,), noise_bytes(8))}, {"vocabulary": "the " * 50_000}
        ),
        "views.pt": _views(),
        "arrays.pkl": pickle.dumps({"w": np.arange(6, dtype="<f4").reshape(2, 3), "step": 1}, protocol=5),
        "before-1.6.pt": _before_zip(),
        "model.pt2": exported_programs.exported(),
        "model.nemo": nemo_files.nemo(),
        "model.distcp": distributed_files.distcp(),
        "model.msgpack": flax_files.FLAX.read_bytes(),
        "model.onnx": onnx_models.model([onnx_models.initializer("w", onnx_models.WEIGHTS)]).SerializeToString(),
        "model.h5": hdf5_files.written({"layers/dense/kernel": hdf5_files.WEIGHTS}),
        "chunks.h5": hdf5_files.written({"w": np.arange(6_000, dtype="<f4").reshape(60, 100)}, chunks=(25, 50)),
        "model.keras": hdf5_files.archived(hdf5_files.written({"layers/dense/kernel": hdf5_files.WEIGHTS})),
        **{
            path: safetensors_bytes(
                {
                    name: (values.spec.dtype.name, values.spec.shape, b"".join(values.blocks()))
                    for name, (values, *_) in make_parts().items()
                }
            )
            for path, (_, make_parts) in UPDATED.items()
        },
        "opaque.bin": bytes(5 << 20) + b"some text " * 9_000 + b"\1" * (1 << 20),
        "short.bin": b"a few bytes of no format",
    }  # fmt: skip


UpdatedPart = tuple[MemoryValues, MemoryValues, Mapping[str, Any]]
"""What is stored, its update base, and what the update is told."""


def tuned_parts() -> dict[str, UpdatedPart]:
    """Parameters that are stored as deltas."""
    found = {}
    for form, make_pair in FORMS.items():
        if form not in ("same", "dense"):  # whole parts of these modes are never deltas
            new, old, dtype = make_pair()
            found[form] = _pair(dtype, new, old)
    old = (bytes(range(200)) * 2_700)[:BLOCK]
    found["same, then dense"] = _pair("U8", old + old[:400], old)
    old = weights("BF16", 1_500)
    grown = moved(old, 2, 0.1, 1) + weights("BF16", 300, 7)
    found["grown"] = _pair("BF16", grown, old)
    for source, target in permutations(CASTS, 2):
        old = weights(source, 700)
        new = cast_codes(np.frombuffer(old, f"<u{CASTS[source].width}"), source, target).tobytes()
        found[f"{target} of {source}"] = _pair(target, new, old, source)
    for dtype in SAFETENSORS:
        old = noise_bytes(1_600)
        new = moved(old, BY_NAME[dtype].width, 0.05, 1)
        found[f"{dtype} moved"] = _pair(dtype, new, old)
    return found


def merged_parts() -> dict[str, UpdatedPart]:
    """Matrices that are stored with the adapters that were merged into them."""
    made = {form: make_merged() for form, make_merged in MERGED.items()}
    return {form: (one.values, one.base, {FACTORS: one.factors}) for form, one in made.items()}


def scaled_parts() -> dict[str, UpdatedPart]:
    """Matrices that are stored with what their rows or columns were scaled by."""
    made = {form: make_scaled() for form, make_scaled in SCALED.items()}
    return {form: (one.values, one.base, {SCALES: one.scales}) for form, one in made.items()}


UPDATED: dict[str, tuple[str, Callable[[], dict[str, UpdatedPart]]]] = {
    "tuned.safetensors": ("delta", tuned_parts),
    "merged.safetensors": ("low-rank", merged_parts),
    "scaled.safetensors": ("scale", scaled_parts),
}
"""Files of which all parameters are stored with one update."""


def _pair(dtype: str, new: bytes, old: bytes, old_dtype: str = "") -> UpdatedPart:
    return MemoryValues(_line(dtype, new), new), MemoryValues(_line(old_dtype or dtype, old), old), {}


def _line(dtype: str, data: bytes) -> Spec:
    return Spec(BY_NAME[dtype], (len(data) * 8 // BY_NAME[dtype].bits,))


def _every_dtype() -> bytes:
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]] = {}
    for number, name in enumerate(SAFETENSORS):
        size = Spec(BY_NAME[name], (4, 2)).nbytes
        tensors[f"{name}.values"] = (name, (4, 2), noise_bytes(size, number))
        tensors[f"{name}.none"] = (name, (0, 3), b"")
    tensors["0-d"] = ("F64", (), noise_bytes(8))
    return safetensors_bytes(tensors, {"format": "pt"})


def _before_zip() -> bytes:
    file = io.BytesIO()
    torch.save({"w": torch.arange(6.0), "step": 3}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def _views() -> bytes:
    weight = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = {
        "weight": weight,
        "tied": weight,
        "transposed": weight.T,
        "row": weight[2],
        "column": weight[:, 3],
        "window": torch.arange(10, dtype=torch.int16)[3:7],
        "optimizer": {"step": torch.tensor(3), "exp_avg": [torch.zeros(3, dtype=torch.bfloat16), None]},
    }
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def write(folder: Path, names: Sequence[str] = ()) -> None:
    """Write a set into ``folder``, which must not be there yet: of all files, or those of these names."""
    folder.mkdir()
    manifests = folder / "manifests"
    manifests.mkdir()
    sums = []
    with tempfile.TemporaryDirectory() as worktree:
        context = Context(LocalStore(folder), StateDatabase(Path(worktree) / "state"), Workers(), Path(worktree), print)
        for path, content in checkpoints().items():
            if names and path not in names:
                continue
            (Path(worktree) / path).write_bytes(content)
            text = clean_stream(Stream.from_pieces([content]), path, Path(worktree), context)
            for variant, made in _variants(path, text, context).items():
                (manifests / variant).write_bytes(made)
                sums.append(f"{hashlib.sha256(content).hexdigest()}  {variant}\n")
        context.workers.close()
        context.state.close()
    (folder / "SHA256SUMS").write_text("".join(sums))
    shutil.rmtree(folder / "tmp")


def _variants(path: str, text: bytes, context: Context) -> dict[str, bytes]:
    """A manifest as clean writes it; for one of them also what clean can, but does not choose to, write."""
    if path in UPDATED:
        update, make_parts = UPDATED[path]
        return {path: encode_manifest(_as_updates(decode_manifest(text), context, update, make_parts()))}
    if path != "dtypes.safetensors":
        return {path: text}
    manifest = decode_manifest(text)
    return {
        path: text,
        "msgpack.safetensors": encode_manifest(_as_msgpack(manifest, context)),
        "series.safetensors": encode_manifest(_as_series(manifest, context)),
        "unknown-keys.safetensors": encode_manifest(_with_unknown_keys(manifest)),
    }


def _as_msgpack(manifest: Manifest, context: Context) -> Manifest:
    serializer = SERIALIZERS.load_plugin("msgpack")

    def stored(part: Entry) -> Entry:
        blocks = recut_blocks([b"".join(read_values(part, context.store, map))], BLOCK)
        payload = serializer.encode([(Array(1, block),) for block in blocks], map)
        return part._replace(storage=Storage(Coding("dense", "msgpack"), Place(*context.store.put(payload))))

    few = 6  # one part of each kind is enough, and an object of its own for each of them is much
    return manifest._replace(entries=(*map(stored, manifest.entries[:few]), *manifest.entries[few:]))


def _as_updates(manifest: Manifest, context: Context, update: str, parts: Mapping[str, UpdatedPart]) -> Manifest:
    """Each parameter with that update, on a base of its own, as clean stores it where it finds that base."""
    return manifest._replace(
        entries=tuple(_on_base(part, *parts[part.name or ""], context, update) for part in manifest.entries)
    )


def _on_base(
    part: Entry, values: MemoryValues, base: MemoryValues, settings: Mapping[str, Any], context: Context, update: str
) -> Entry:
    """The part with that update on a base that is stored for it."""

    def put(values: MemoryValues, names: tuple[str, ...], base: StoredValues | None = None) -> Storage:
        encoding = encode_values(values, map, Preferences(names), base, settings)
        return Storage(encoding.coding, Place(*context.store.put(encoding.payload)))

    old = part._replace(
        oid=hashlib.sha256(b"".join(base.blocks())).hexdigest(),
        size=base.size,
        storage=put(base, ("dense",)),
        dtype=base.spec.dtype.name,
        shape=base.spec.shape,
    )
    chosen = put(values, (update,), StoredValues(old, context.store))
    assert chosen.coding.update == update, part.name
    return part._replace(storage=chosen)


def _as_series(manifest: Manifest, context: Context) -> Manifest:
    """As if an object had at most a few bytes: the largest parts in several."""

    def stored(part: Entry) -> Entry:
        coding, place, extra = part.storage
        with closing(context.store.get(place.object)) as file:
            file.seek(place.offset)
            objects = series.put_series(context.store, [file.read(place.size)])
        return part._replace(storage=Storage(coding, Place.of_objects(objects), extra))

    few = 3  # of 64, 0 and 32 bytes
    with mock.patch.object(series, "LARGEST_OBJECT", 24):
        return manifest._replace(entries=(*map(stored, manifest.entries[:few]), *manifest.entries[few:]))


def _with_unknown_keys(manifest: Manifest) -> Manifest:
    extra: dict[str, Any] = {"later": {"b": [1, -2, None, True], "a": "größe"}, "x": []}

    def extended(part: Entry) -> Entry:
        return part._replace(extra=extra, storage=part.storage._replace(extra=extra))

    assert manifest.frame is not None
    return manifest._replace(
        frame=extended(manifest.frame), entries=tuple(map(extended, manifest.entries)), extra=extra
    )


if __name__ == "__main__":
    number = 1 + max((int(folder.name) for folder in HERE.iterdir() if folder.name.isdigit()), default=0)
    write(HERE / f"{number:03}", sys.argv[1:])
