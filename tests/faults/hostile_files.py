"""Files that mean harm, or were harmed: safetensors and torch archives that lie, and pickles that would do things."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.sandbox import model

_COMMAND = "touch {}"


def safetensors(header: object, data: bytes = bytes(64)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(begin: int = 0, end: int = 64, shape: Iterable[object] = (16,), dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def archive(
    pickled: bytes, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED, folder: str = "archive"
) -> bytes:
    """A torch archive of a pickle and storages, by ``zipfile``."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as out:
        out.writestr(f"{folder}/data.pkl", pickled)
        for key, content in ({"0": bytes(64)} if storages is None else storages).items():
            out.writestr(f"{folder}/data/{key}", content)
        out.writestr(f"{folder}/version", b"3\n")
    return file.getvalue()


def patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """The bytes with ``value`` at ``offset`` behind the last ``signature``."""
    at = content.rindex(signature) + offset
    return content[:at] + value + content[at + len(value) :]


class Reduced:
    """Pickled, it calls ``function`` when it is loaded."""

    def __init__(self, function: Callable[..., Any], *args: object) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


def state_dict(numel: int = 16) -> bytes:
    """The pickle of a state dict of one fp32 tensor."""
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ"
        + struct.pack("<i", numel)
        + b"tQK\x00J"
        + struct.pack("<i", numel)
        + b"\x85K\x01\x85\x89"
        b"ccollections\nOrderedDict\n)RtRs."
    )


def laughs(levels: int = 60) -> bytes:
    """A pickle of a list of two lists, each of the same two lists, and so on."""
    doubling = b"".join(b"]" + b"q%c" % n + b"(h%ch%ce" % (n - 1, n - 1) for n in range(1, levels))
    return b"\x80\x02]q\x00" + doubling + b"."


def cyclic() -> bytes:
    holder: list[object] = []
    holder.append({"self": holder})
    return pickle.dumps(holder, protocol=2)


def commanding(marker: Path) -> bytes:
    import os

    return pickle.dumps({"w": Reduced(os.system, _COMMAND.format(marker))}, protocol=2)


def importing(module: str) -> bytes:
    """A pickle that imports ``module`` and calls its ``run``."""
    return b"\x80\x02}X\x01\x00\x00\x00wc" + module.encode() + b"\nrun\n)Rs."


_GOOD = model(5)
_TORCH = archive(state_dict())

HARMED: dict[str, bytes] = {
    "empty.safetensors": b"",
    "one-byte.safetensors": b"{",
    "length-alone.safetensors": (100).to_bytes(8, "little"),
    "truncated-header.safetensors": _GOOD[:40],
    "truncated-data.safetensors": _GOOD[:-10],
    "bytes-after-the-data.safetensors": _GOOD + bytes(100),
    "header-beyond-the-file.safetensors": (10_000).to_bytes(8, "little") + _GOOD[8:200],
    "header-of-2**63.safetensors": (1 << 63).to_bytes(8, "little") + b"{}",
    "header-of-2**64-1.safetensors": b"\xff" * 8 + b"{}",
    "overlapping.safetensors": safetensors({"a": entry(), "b": entry(32, 64, [8])}),
    "the-same-span.safetensors": safetensors({"a": entry(), "b": entry()}),
    "backwards.safetensors": safetensors({"a": entry(64, 0)}),
    "beyond-the-end.safetensors": safetensors({"a": entry(0, 1 << 40, [1 << 38])}),
    "huge-shape.safetensors": safetensors({"a": entry(shape=[1 << 62, 1 << 62])}),
    "huge-times-zero.safetensors": safetensors({"a": entry(0, 0, [1 << 62, 1 << 62, 0])}),
    "many-dimensions.safetensors": safetensors({"a": entry(shape=[1] * 2000 + [16])}),
    "negative-shape.safetensors": safetensors({"a": entry(shape=[-4, -4])}),
    "fractional-shape.safetensors": safetensors({"a": entry(shape=[16.0])}),
    "integer-of-4000-digits.safetensors": safetensors(b'{"a":{"dtype":"F32","shape":[' + b"9" * 4000 + b"]}}"),
    "nul-name.safetensors": safetensors({"a\0b": entry()}),
    "empty-name.safetensors": safetensors({"": entry()}),
    "surrogate-name.safetensors": safetensors(b'{"\\ud800":' + json.dumps(entry()).encode() + b"}"),
    "escape-name.safetensors": safetensors({"\x1b]0;owned\x07": entry()}),
    "path-name.safetensors": safetensors({"../../../etc/passwd": entry()}),
    "duplicate-name.safetensors": safetensors(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2)),
    "unknown-dtype.safetensors": safetensors({"a": entry(dtype="os.system")}),
    "not-utf-8.safetensors": safetensors(b'{"\xff\xfe":{}}'),
    "nan.safetensors": safetensors(b'{"a":NaN}'),
    "list.safetensors": safetensors(b"[1,2]"),
    "deep.safetensors": safetensors(b'{"a":' + b"[" * 200_000),
    "wide.safetensors": safetensors(b'{"a":[' + b"[]," * (4 << 20) + b"[]]}"),
    "many-names.safetensors": safetensors(
        b"{" + b",".join(b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % n for n in range(20_000)) + b"}"
    ),
    "truncated.pt": _TORCH[: len(_TORCH) // 2],
    "headless.pt": _TORCH[10:],
    "end-alone.pt": b"PK\5\6" + bytes(18),
    "bytes-before.pt": bytes(100) + _TORCH,
    "deflated.pt": archive(state_dict(), method=zipfile.ZIP_DEFLATED),
    "directory-elsewhere.pt": patched(_TORCH, b"PK\5\6", 16, b"\xff\xff\xff\x7f"),
    "directory-of-2-gigabytes.pt": patched(_TORCH, b"PK\5\6", 12, b"\xff\xff\xff\x7f"),
    "many-members.pt": patched(_TORCH, b"PK\5\6", 8, b"\xfe\xff\xfe\xff"),
    "member-that-lies-about-its-size.pt": patched(_TORCH, b"PK\1\2", 20, b"\xff\xff\xff\x7f" * 2),
    "member-that-lies-about-its-place.pt": patched(_TORCH, b"PK\1\2", 42, b"\xff\xff\xff\x7f"),
    "members-in-one-place.pt": patched(_TORCH, b"PK\1\2", 42, bytes(4)),
    "member-that-is-a-path.pt": archive(state_dict(), folder="../../../outside"),
    "storage-of-another-size.pt": archive(state_dict(1 << 30)),
    "storage-of-negative-size.pt": archive(state_dict(-16)),
    "pickle-that-stops.pt": archive(state_dict()[:40]),
    "pickle-of-nothing.pt": archive(b""),
    "pickle-of-rubbish.pt": archive(bytes(range(256)) * 40),
    "billion-laughs.pt": archive(laughs()),
    "cyclic.pt": archive(cyclic()),
    "nested-without-end.pt": archive(b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b"."),
    "tuples-without-end.pt": archive(b"\x80\x02)" + b"\x85" * 100_000 + b"."),
    "memo-of-2**31.pt": archive(b"\x80\x02]r\xff\xff\xff\x7f."),
    "string-of-2-gigabytes.pt": archive(b"\x80\x02X\xff\xff\xff\x7fabc."),
    "many-opcodes.pt": archive(b"\x80\x02" + b"]0" * (4 << 20) + b"]."),
    "many-objects.pt": archive(b"\x80\x02](" + b"}" * (4 << 20) + b"e."),
}
BOMBS: dict[str, Callable[[], bytes]] = {
    "bomb-of-a-storage.pt": lambda: archive(state_dict(), {"0": bytes(400 << 20)}, zipfile.ZIP_DEFLATED),
    "bomb-of-a-pickle.pt": lambda: archive(state_dict() + bytes(400 << 20), method=zipfile.ZIP_DEFLATED),
}
"""They take a second to make, which only their test is to wait for."""


def harmed(name: str) -> bytes:
    """The file of HARMED or BOMBS."""
    return BOMBS[name]() if name in BOMBS else HARMED[name]
