"""Other people's tools, as far as they run without a network. Each is imported when it is used."""

from __future__ import annotations

import filecmp
import io
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from benchmarks.storage.costs import Cost, VersionPair, time_call
from benchmarks.storage.plain_ways import store_tensors
from git_theta.tensors.values import MemoryValues

_ZIPNN_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def store_xet(pair: VersionPair, folder: Path) -> Cost:
    """By hf-xet into a folder that has the base: chunks that are new, compressed, and what lists them."""
    os.environ["HF_XET_CACHE"] = str(folder / "cache")
    import hf_xet

    session, endpoint, restored = hf_xet.XetSession(), f"local://{folder / 'store'}", folder / "restored"

    def upload(file: Path) -> Any:
        with session.new_upload_commit(endpoint=endpoint) as commit:
            handle = commit.start_upload_file(str(file))
        return handle.result().xet_info

    def download() -> None:
        with session.new_file_download_group(endpoint=endpoint) as group:
            group.start_download_file(info, str(restored))

    upload(pair.base)
    before = _stored_by_xet(folder)
    info, encoding = time_call(lambda: upload(pair.tuned))
    _, decoding = time_call(download)
    size = _stored_by_xet(folder) - before
    return Cost(size, encoding, decoding, filecmp.cmp(restored, pair.tuned, shallow=False))


def _stored_by_xet(folder: Path) -> int:
    files = (file for kind in ("xorbs", "shards") for file in (folder / "store" / "xet" / "xorbs" / kind).iterdir())
    return sum(file.stat().st_size for file in files if file.suffix != ".tagset")


def store_zipnn(pair: VersionPair, folder: Path) -> Cost:  # noqa: ARG001
    """By ZipNN tensor by tensor, with its delta where there is a base."""
    return store_tensors(_pack_zipnn, _unpack_zipnn, pair)


def _pack_zipnn(new: MemoryValues, old: MemoryValues | None) -> Sequence[bytes]:
    if new.spec.dtype.name not in _ZIPNN_DTYPES:
        return [b"".join(new.blocks())]
    coder, beside = _zipnn_coder(new, old)
    return [bytes(coder.compress(bytearray(b"".join(new.blocks())), **beside))]  # type: ignore[attr-defined]


def _unpack_zipnn(packed: Sequence[bytes], new: MemoryValues, old: MemoryValues | None) -> bytes:
    if new.spec.dtype.name not in _ZIPNN_DTYPES:
        return packed[0]
    coder, beside = _zipnn_coder(new, old)
    return bytes(coder.decompress(bytearray(packed[0]), **beside))  # type: ignore[attr-defined]


def _zipnn_coder(new: MemoryValues, old: MemoryValues | None) -> tuple[object, dict[str, bytearray]]:
    from zipnn.zipnn import ZipNN

    dtype = _ZIPNN_DTYPES[new.spec.dtype.name]
    if old is None:
        return ZipNN(input_format="byte", bytearray_dtype=dtype, threads=1), {}
    coder = ZipNN(input_format="byte", bytearray_dtype=dtype, threads=1, delta_compressed_type="byte")
    return coder, {"delta_second_data": bytearray(b"".join(old.blocks()))}


def store_moonclip(pair: VersionPair, folder: Path) -> Cost:
    """By moonclip, as the snapshot after that of the base."""
    import moonclip
    from safetensors.torch import load_file

    manager = moonclip.MoonclipManager(str(folder), async_save=False)
    manager.save_tensors(0, load_file(pair.base))
    manager.flush()
    before, tensors = _bytes_below(folder), load_file(pair.tuned)
    snapshot, encoding = time_call(lambda: manager.save_tensors(1, tensors))
    manager.flush()
    size = _bytes_below(folder) - before
    restored, decoding = time_call(lambda: manager.load(snapshot))
    _, new = pair.read()
    is_exact = all(bytes(restored[name]) == b"".join(values.blocks()) for name, values in new.items())
    return Cost(size, encoding, decoding, is_exact)


def store_deltatensors(pair: VersionPair, folder: Path) -> Cost:
    """By deltatensors, "sparse", told to leave nothing out."""
    import deltatensors
    import torch
    from safetensors.torch import load_file

    file, base, tuned = folder / "delta", load_file(pair.base), load_file(pair.tuned)
    with redirect_stdout(io.StringIO()):  # it prints
        _, encoding = time_call(lambda: deltatensors.save_delta(file, tuned, base, strategy="sparse", sparsity=0.0))
        restored, decoding = time_call(lambda: deltatensors.load_delta(file, base))
    is_exact = all(torch.equal(torch.as_tensor(restored[name]), value) for name, value in tuned.items())
    return Cost(file.stat().st_size, encoding, decoding, is_exact)


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
