"""Files made to harm whoever reads them: nothing runs, memory and time stay bounded, and the answer is a reason."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_reader import MAX_OPCODES, MAX_PICKLE
from git_theta.formats.zip.zip_directory import _MAX_DIRECTORY, _MAX_MEMBERS, UTF8
from tests.formats.sources import names_of
from tests.formats.torch_files import saved, spans_of


def archive(pickled: bytes, **storages: bytes) -> bytes:
    """A torch archive around a pickle of our own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("m/data.pkl", pickled)
        for key, content in storages.items():
            written.writestr(f"m/data/{key}", content)
    return buffer.getvalue()


def text(value: str) -> bytes:
    return (
        b"X" + struct.pack("<I", len(value.encode("utf-8", "surrogatepass"))) + value.encode("utf-8", "surrogatepass")
    )


def tensor(shape: bytes, stride: bytes, offset: bytes = b"K\x00", key: str = "0", elements: bytes = b"K\x04") -> bytes:
    """The opcodes that rebuild a float32 tensor."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + elements + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + stride + b"\x89NtR"


FLAT = tensor(b"K\x04\x85", b"K\x01\x85")


class Command:
    """Unpickling this runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_law_10_a_malicious_checkpoint_runs_nothing_and_its_tensors_are_found(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    data = saved({"before": torch.ones(2), "attack": Command(f"touch '{canary}'"), "after": torch.zeros(3)})
    assert names_of(spans_of(data)) == ["before", "after"]
    assert not canary.exists()
    torch.load(io.BytesIO(data), weights_only=False)
    assert canary.exists(), "the attack itself must work, or this test proves nothing"


@pytest.mark.parametrize("opcodes", [b"cleaves_a_mark\nx\n", b"(ileaves_a_mark\nx\n", b"cleaves_a_mark\nx\n)R}b"])
def test_law_10_a_checkpoint_imports_nothing(opcodes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaves_a_mark.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    data = archive(b"](" + opcodes + FLAT + b"e.", **{"0": bytes(16)})
    assert names_of(spans_of(data)) == ["1"]
    assert "leaves_a_mark" not in sys.modules


def test_a_forged_rebuild_without_arguments_names_nothing() -> None:
    for arguments in (b")", b"(Nt", b"(NNNNNNNt", b"(K\x01K\x02K\x03K\x04t", b"N\x85"):
        for function in ("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor", "_rebuild_parameter"):
            assert spans_of(archive(b"ctorch._utils\n" + function.encode() + b"\n" + arguments + b"R.")) == []
    for function in ("_rebuild_sparse_tensor", "_rebuild_nested_tensor", "_rebuild_parameter_with_state"):
        assert spans_of(archive(b"ctorch._utils\n" + function.encode() + b"\n)R.")) == []
    assert spans_of(archive(b"ctorch._tensor\n_rebuild_from_type_v2\n(NNNNtR.")) == []


@pytest.mark.parametrize(
    "opcodes",
    [
        tensor(b"K\x05\x85", b"K\x01\x85"),
        tensor(b"K\x04\x85", b"K\x02\x85"),
        tensor(b"K\x04\x85", b"K\x01\x85", offset=b"K\x01"),
        tensor(b"K\x04\x85", b"K\x01\x85", offset=b"J\xff\xff\xff\xff"),
        tensor(b"K\x04\x85", b"K\x01\x85", offset=b"\x8a\x10" + b"\x7f" * 16),
        tensor(b"K\x04\x85", b"K\x01\x85", offset=b"G" + bytes(8)),
        tensor(b"K\x04\x85", b")"),
        tensor(b"K\x04\x85", b"K\x01\x85", elements=b"K\x05"),
        tensor(b"K\x04\x85", b"K\x01\x85", elements=b"\x88"),
        tensor(b"K\x04\x85", b"K\x01\x85", key="../../data/0"),
        tensor(b"K\x04\x85", b"K\x01\x85", key="1"),
        tensor(b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", b"K\x00\x85", elements=b"K\x05"),
    ],
)
def test_a_window_that_its_storage_does_not_hold_leaves_the_storage_in_the_frame(opcodes: bytes) -> None:
    assert spans_of(archive(opcodes + b".", **{"0": bytes(16)})) == []
    both = b"](" + FLAT + opcodes + b"e."
    assert names_of(spans_of(archive(both, **{"0": bytes(16)}))) in ([], ["0"])


@pytest.mark.parametrize(
    "opcodes",
    [
        tensor(b"J\xff\xff\xff\xff\x85", b"K\x01\x85"),
        tensor(b"\x8a\x09" + b"\xff" * 8 + b"\x00\x85", b"K\x01\x85"),
        tensor(b"\x88\x85", b"K\x01\x85"),
        tensor(b"(" + b"K\x01" * 65 + b"t", b"(" + b"K\x01" * 65 + b"t"),
        tensor(b"K\x04\x85", b"J\xff\xff\xff\xff\x85"),
        tensor(b"N", b"K\x01\x85"),
        b"}" + text("\ud800") + FLAT + b"s",
        b"}" + text("a\0b") + FLAT + b"s",
    ],
)
def test_shapes_and_names_that_cannot_be_are_refused(opcodes: bytes) -> None:
    with pytest.raises(FormatError):
        spans_of(archive(opcodes + b".", **{"0": bytes(16)}))


def test_a_broadcast_of_any_size_over_one_element_is_a_window() -> None:
    huge = b"\x8a\x08" + b"\xff" * 7 + b"\x7f"
    (span,) = spans_of(archive(tensor(b"(" + huge * 60 + b"t", b"(" + b"K\x00" * 60 + b"t") + b".", **{"0": bytes(16)}))
    assert (span.size, span.views[0].spec.shape) == (16, (2**63 - 1,) * 60)


def with_member(data: bytes, name: str, content: bytes, at: int) -> bytes:
    """An archive with one member more, before the one that was number ``at``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archived, zipfile.ZipFile(buffer, "w") as written:
        members = [(member.filename, archived.read(member)) for member in archived.infolist()]
        for member in [*members[:at], (name, content), *members[at:]]:
            written.writestr(*member)
    return buffer.getvalue()


def test_a_member_that_torch_may_take_for_another_is_refused() -> None:
    """It looks members up without regard to case: the tensor that we would tell of is not the one that it loads."""
    data = saved({"w": torch.ones(4)})
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        names = archived.namelist()
    folder = names[0].partition("/")[0]
    others = [with_member(data, f"{folder}/DATA/0", bytes(16), at) for at in range(1, len(names) + 1)]
    loaded = [torch.load(io.BytesIO(other))["w"] for other in others]
    assert any(torch.equal(tensor, torch.zeros(4)) for tensor in loaded), "or this test proves nothing"
    for other in [*others, *(with_member(data, f"{folder}/{name}", b"", 1) for name in ("DATA.pkl", "byteOrder"))]:
        with pytest.raises(FormatError, match="case"):
            spans_of(other)
    assert names_of(spans_of(with_member(data, f"{folder}/extra/Data/0", bytes(16), 1))) == ["w"]


def test_storages_that_differ_by_case_alone_are_refused() -> None:
    one, other = (tensor(b"K\x04\x85", b"K\x01\x85", key=key) for key in "aA")
    with pytest.raises(FormatError, match="case"):
        spans_of(archive(b"](" + one + other + b"e.", a=bytes(16), A=bytes(16)))


def memo_bomb(levels: int) -> bytes:
    """A list that holds the one before it twice, ``levels`` times over: 2**levels lists when walked."""
    return b"]q\x00" + b"0](h\x00h\x00eq\x00" * levels + b"."


def test_a_memo_bomb_is_walked_once() -> None:
    with_tensors = b"](" + FLAT + b"eq\x00" + memo_bomb(500)[3:]
    assert names_of(spans_of(archive(with_tensors, **{"0": bytes(16)}))) == [".".join(["0"] * 501)]


REFUSED = {
    "deep lists": b"]" * (MAX_OPCODES // 3) + b"a" * (MAX_OPCODES // 3 - 1) + b".",
    "deep memo bomb": memo_bomb(5000),
    "a tensor named a million times": b"(" + FLAT + b"q\x00" + b"h\x00" * (MAX_OPCODES - 50) + b"l.",
    "sparse tensors of sparse tensors": b"N"
    + b"q\x00ctorch._utils\n_rebuild_sparse_tensor\nNh\x00h\x00\x86\x86R" * 80
    + b".",
    "a tensor that is its own attributes": b"ctorch._utils\n_rebuild_sparse_tensor\n)R22\x86b.",
    "long keys at every level": b"(" + text("k" * (1 << 22)) + b"q\x000" + FLAT + b"q\x010"
    b"}(" + b"h\x00h\x01" * 1000 + b"ul.",
    "too many bytes": b"B" + struct.pack("<I", MAX_PICKLE) + bytes(MAX_PICKLE) + b".",
}
TOO_LONG = {
    "lists": b"]" * MAX_OPCODES + b".",
    "marks": b"(" * MAX_OPCODES + b".",
    "memo": b"]" + b"\x94" * MAX_OPCODES + b".",
}
HARMLESS = {
    "empty dicts": b"(" + b"}" * (MAX_OPCODES - 10) + b"l.",
    "dicts": b"(" + b"}KaKas" * ((MAX_OPCODES - 10) // 4) + b"l.",
    "calls": b"cos\nsystem\nq\x000(" + b"h\x00)R" * ((MAX_OPCODES - 10) // 3) + b"l.",
    "short texts": b"(" + b"\x8c\x03a\xc3\xbf" * (MAX_OPCODES - 10) + b"l.",
    "one long text": text("\N{GRINNING FACE}" + "a" * (MAX_PICKLE - 20)) + b".",
    "colliding keys": b"}("
    + b"".join(b"\x8a\x0b" + ((2**61 - 1) * n).to_bytes(11, "little") + b"N" for n in range(99_999))
    + b"u.",
}


def header(body: str) -> bytes:
    return struct.pack("<Q", len(body.encode())) + body.encode()


def many_tensors() -> bytes:
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    return header(json.dumps(dict.fromkeys(map(str, range(270_000)), empty), separators=(",", ":")))


def empty_members(names: Iterable[str]) -> bytes:
    """Members without bytes, and a pickle."""
    local, central, count = bytearray(), bytearray(), 0
    for name in map(str.encode, itertools.chain(["m/data.pkl"], names)):
        content = b"N." if name.endswith(b"pkl") else b""
        sizes = struct.pack("<2LH", len(content), len(content), len(name))
        utf8 = struct.pack("<H", UTF8)
        central += b"PK\1\2" + bytes(4) + utf8 + bytes(10) + sizes + bytes(12) + struct.pack("<L", len(local)) + name
        local += b"PK\3\4" + bytes(2) + utf8 + bytes(10) + sizes + bytes(2) + name + content
        count += 1
    end64 = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 0, 0, 0, 0, count, count, len(central), len(local))
    locator = b"PK\6\7" + struct.pack("<LQL", 0, len(local) + len(central), 1)
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return bytes(local + central) + end64 + locator + end


MEGABYTES = 15 << 20
HEADERS: dict[str, Callable[[], bytes]] = {
    "many tensors": many_tensors,
    "a list of lists": lambda: header('{"a":[' + "[]," * (MEGABYTES // 3) + "[]]}"),
    "deep lists": lambda: header('{"a":' + "[" * MEGABYTES),
    "much metadata": lambda: header('{"__metadata__":{' + '"a":"",' * (MEGABYTES // 7) + '"b":""}}'),
    "wide text": lambda: header('{"__metadata__":{"\N{GRINNING FACE}":"' + "a" * MEGABYTES + '"}}'),
}

MEASURE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # seconds
from pathlib import Path
from git_theta.errors import FormatError
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from git_theta.formats.torch.torch_format import TorchZipFormat
from tests.formats.sources import FileSource
reader = SafetensorsFormat() if sys.argv[2] == "safetensors" else TorchZipFormat()
try:
    print(len(reader.spans(FileSource(Path(sys.argv[1])))))
except FormatError as error:
    print("refused:", error.message)
status = Path("/proc/self/status")
if status.exists():
    # Not ru_maxrss: on Linux that begins with the peak of the process that forked this one.
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) >> 10)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20)
print({"torch", "numpy", "safetensors"} & set(sys.modules) or "")
"""


def measured(path: Path, data: bytes, reader: str) -> tuple[str, int]:
    """What the reader says about ``data``, in a process of its own, and that process's peak memory in MiB."""
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), reader], capture_output=True, text=True, check=True
    )
    answer, peak, imported = done.stdout.split("\n")[:3]
    assert imported == "", "reading a file imports no framework"
    return answer, int(peak)


@pytest.mark.parametrize("kind", REFUSED)
def test_pickles_beyond_measure_are_refused_in_bounded_memory_and_time(kind: str, tmp_path: Path) -> None:
    answer, peak = measured(tmp_path / "m.pt", archive(REFUSED[kind], **{"0": bytes(16)}), "torch")
    assert answer.startswith("refused: ")
    assert peak < 300


def test_what_is_tied_without_end_is_refused_soon() -> None:
    """80 steps of which each doubles the way that it goes: four kilobytes of pickle."""
    bomb = archive(REFUSED["sparse tensors of sparse tensors"])
    began = time.process_time()
    with pytest.raises(FormatError, match="the same tensors too often"):
        spans_of(bomb)
    assert time.process_time() - began < 4


def test_a_tensor_that_many_places_hold_is_named_at_each() -> None:
    tied = archive(b"(" + FLAT + b"q\x00" + b"h\x00" * 30_000 + b"l.", **{"0": bytes(16)})
    assert len(names_of(spans_of(tied))) == 30_001


@pytest.mark.parametrize("kind", TOO_LONG)
def test_pickles_of_too_many_opcodes_are_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    answer, peak = measured(tmp_path / "m.pt", archive(TOO_LONG[kind], **{"0": bytes(16)}), "torch")
    assert answer.startswith("refused: ")
    assert "not read" in answer
    assert peak < 300


@pytest.mark.parametrize("kind", HARMLESS)
def test_pickles_full_of_nothing_take_bounded_memory_and_time(kind: str, tmp_path: Path) -> None:
    answer, peak = measured(tmp_path / "m.pt", archive(HARMLESS[kind]), "torch")
    assert answer == "0"
    assert peak < 300


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_beyond_measure_take_bounded_memory_and_time(kind: str, tmp_path: Path) -> None:
    _, peak = measured(tmp_path / "m.safetensors", HEADERS[kind](), "safetensors")
    assert peak < 300


SMILE = "\N{GRINNING FACE}"
NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "as many as are read": lambda: map("m/{}".format, range(_MAX_MEMBERS - 1)),
    "as long as can be": lambda: (f"m/{number:05d}{'n' * 65_500}" for number in range(_MAX_DIRECTORY // 65_600)),
    "long and wide": lambda: (f"m/{SMILE}{number:05d}{'n' * 65_500}" for number in range(_MAX_DIRECTORY // 65_600)),
    "many and wide": lambda: (
        f"m/{SMILE}{number}{'n' * (_MAX_DIRECTORY // _MAX_MEMBERS - 60)}" for number in range(_MAX_MEMBERS - 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_archives_of_any_names_take_bounded_memory_and_time(kind: str, tmp_path: Path) -> None:
    answer, peak = measured(tmp_path / "m.pt", empty_members(NAMES[kind]()), "torch")
    assert answer == "0"
    assert peak < 300, peak


def test_the_real_pickle_reads_what_we_call_a_memo_bomb() -> None:
    assert pickle.loads(memo_bomb(3)) == [[[[], []], [[], []]], [[[], []], [[], []]]]
