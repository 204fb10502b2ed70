"""The pickle reader: it agrees with the real one on data, and runs nothing where the real one would."""

from __future__ import annotations

import collections
import pickle
import pickletools
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_theta.errors import FormatError
from git_theta.formats.pickle import pickle_reader
from git_theta.formats.pickle.pickle_reader import MAX_PICKLE, read_pickle
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId, PickledDict


def plain(value: object) -> object:
    """Our records as Python's own values, for data that holds no calls but of dict-like classes."""
    if isinstance(value, PickledDict):
        return {plain(key): plain(item) for key, item in value.pairs or ()}
    if isinstance(value, Call):
        return (value.function, plain(value.arguments), plain(PickledDict(value.pairs)), plain(value.state))
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


DATA: list[object] = [
    None,
    True,
    False,
    0,
    255,
    -1,
    65535,
    -(2**31),
    2**31,
    2**80,
    -(2**3000),
    1.5,
    float("inf"),
    "",
    "text",
    "ünï\ncode 层",
    "x" * 300,
    [],
    [1, [2, [3]]],
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    {},
    {"a": 1},
    {"a": {"b": (1, [2])}, 3: None},
    [[], {}, ()],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", DATA, ids=lambda value: str(value)[:20])
def test_data_reads_as_pickle_reads_it(value: object, protocol: int) -> None:
    assert plain(read_pickle(pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("value", [b"", b"bytes\0", b"x" * 300])
def test_bytes(value: bytes, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol)) == value


def test_bytearrays_and_out_of_band_buffers() -> None:
    assert read_pickle(pickle.dumps(bytearray(b"abc"), 5)) == bytearray(b"abc")
    buffered = pickle.dumps([pickle.PickleBuffer(b"abc")], 5, buffer_callback=lambda _: None)
    assert read_pickle(buffered) == [None]


@pytest.mark.parametrize("protocol", [4, 5])
def test_sets_are_lists(protocol: int) -> None:
    assert sorted(read_pickle(pickle.dumps({1, 2, 3}, protocol))) == [1, 2, 3]  # type: ignore[call-overload]
    assert sorted(read_pickle(pickle.dumps(frozenset({1, 2}), protocol))) == [1, 2]  # type: ignore[call-overload]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_shared_and_cyclic_objects_stay_one_object(protocol: int) -> None:
    shared: list[object] = [1]
    value = [shared, shared, {"again": shared}]
    value.append(value)
    found = read_pickle(pickle.dumps(value, protocol))
    assert isinstance(found, list)
    assert found[0] is found[1]
    assert isinstance(found[2], PickledDict)
    assert found[2].pairs == [("again", found[0])]
    assert found[3] is found


@dataclass
class Point:
    x: int
    y: int


class Sealed:
    __slots__ = ("a",)

    def __init__(self) -> None:
        self.a = 1


class Keyword:
    def __new__(cls, *, size: int) -> Keyword:
        return super().__new__(cls)

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        return (), {"size": 3}


HERE = Point.__module__


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_are_inert_records_with_their_state(protocol: int) -> None:
    found = read_pickle(pickle.dumps(Point(1, 2), protocol))
    assert isinstance(found, Call)
    assert plain(found.state) == {"x": 1, "y": 2}
    classes = [found.function, *found.arguments]
    assert Global(HERE, "Point") in classes


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_with_classes_keep_their_pairs_items_and_attributes(protocol: int) -> None:
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.note = 3  # type: ignore[attr-defined]
    found = read_pickle(pickle.dumps(ordered, protocol))
    assert isinstance(found, Call)
    assert found.function == Global("collections", "OrderedDict")
    assert plain(found.state) == {"note": 3}
    assert found.pairs == [("a", 1), ("b", 2)]
    queue = read_pickle(pickle.dumps(collections.deque([1, 2]), protocol))
    assert isinstance(queue, Call)
    assert queue.items == [1, 2]


def test_slots_and_keyword_arguments() -> None:
    sealed = read_pickle(pickle.dumps(Sealed(), 2))
    assert isinstance(sealed, Call)
    assert plain(sealed.state) == (None, {"a": 1})
    keyword = read_pickle(pickle.dumps(Keyword(size=3), 4))
    assert isinstance(keyword, Call)
    assert keyword.function == Global(HERE, "Keyword")
    assert plain(keyword.arguments) == ({"size": 3},)


def test_persistent_ids() -> None:
    assert read_pickle(b"P123\n.") == PersistentId("123")
    assert read_pickle(b"X\x01\x00\x00\x00kK\x01\x86Q.") == PersistentId(("k", 1))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x82\x01.", Global("copyreg", "1")),
        (b"\x84\x01\x00\x00\x00.", Global("copyreg", "1")),
        (b"K\x012.", 1),
        (b"K\x01K\x020.", 1),
        (b"K\x01(K\x02K\x031.", 1),
        (b"K\x01(0.", 1),
        (b"(I1\nI01\nl.", [1, True]),
        (b"S'text'\n.", "text"),
        (b"T\x02\x00\x00\x00\xe9a.", "\xe9a"),
    ],
)
def test_rare_opcodes(data: bytes, expected: object) -> None:
    assert read_pickle(data) == expected


def test_old_instances() -> None:
    for data in (b"(K\x01iposix\nsystem\n.", b"(cposix\nsystem\nK\x01o."):
        found = read_pickle(data)
        assert isinstance(found, Call)
        assert (found.function, found.arguments) == (Global("posix", "system"), (1,))


def test_every_opcode_has_its_operation() -> None:
    handled = {*pickle_reader._LITERALS, *pickle_reader._CONSTANTS, *pickle_reader._OPERATIONS, "STOP"}
    assert handled == {opcode.name for opcode in pickletools.opcodes}


class Attack:
    """Unpickling this touches a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch '{self.canary}'",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_law_10_no_pickle_is_executed(protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    attack = pickle.dumps({"weight": Attack(canary)}, protocol)
    found = read_pickle(attack)
    assert not canary.exists()
    assert isinstance(found, PickledDict)
    pickle.loads(attack)
    assert canary.exists(), "the attack itself must work, or this test proves nothing"


@pytest.mark.parametrize("data", [b"cthis_module_leaves_a_mark\nx\n.", b"(ithis_module_leaves_a_mark\nx\n."])
def test_nothing_is_imported(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "this_module_leaves_a_mark.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    read_pickle(data)
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"K",
        b"K\x01",
        b"\xff.",
        b"not a pickle",
        b"h\x07.",
        b"t.",
        b"0.",
        b"2.",
        b"q\x00.",
        b"R.",
        b"(K\x01d.",
        b"K\x01K\x02a.",
        b"K\x01K\x02K\x03s.",
        b"K\x01}b.",
        b"cos\nsystem\nK\x01R.",
        b"K\x01K\x02\x93.",
        b"(o.",
        b"X\xff\xff\xff\xff.",
        b"\x8d" + struct.pack("<Q", 2**63) + b".",
        b"X\x01\x00\x00\x00\xff.",
        b"I12x\n.",
        b"I" + b"9" * 5000 + b"\n.",
        b"Fx\n.",
        b"S'open\n.",
    ],
)
def test_damaged_pickles_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_pickle(data)


def test_every_truncation_is_refused() -> None:
    data = pickle.dumps({"a": [1, 2.5, "text", (None, Point(1, 2))], "b": 2**80}, 2)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            read_pickle(data[:length])


def test_a_pickle_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(FormatError, match="not read"):
        read_pickle(b"B" + struct.pack("<I", MAX_PICKLE) + bytes(MAX_PICKLE) + b".")


def test_deep_nesting_costs_no_stack() -> None:
    depth = 300_000
    value = read_pickle(b"]" * depth + b"a" * (depth - 1) + b".")
    for _ in range(depth - 1):
        assert isinstance(value, list)
        (value,) = value
    assert value == []
