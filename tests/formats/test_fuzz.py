"""Any damage to a valid file gives spans or a FormatError: no other exception, no hang, no span outside the file."""

from __future__ import annotations

import collections

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from git_theta.errors import FormatError
from git_theta.formats.base import Format
from git_theta.formats.pickle.pickle_reader import read_pickle
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from git_theta.formats.torch.torch_format import TorchZipFormat
from git_theta.formats.torch.torch_names import name_tensors
from git_theta.formats.unique_names import UniqueNames
from git_theta.formats.zip.zip_directory import read_directory
from tests.effort import choose_tries
from tests.formats.sources import BytesSource, spans_or_refusal
from tests.formats.torch_files import saved

# pickletools warns about odd escapes in text opcodes; a warning is no way to fail.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BASE = torch.arange(6.0)
STATE = collections.OrderedDict(
    w=torch.nn.Parameter(torch.ones(2, 3)), v=BASE[1:], t=BASE.reshape(2, 3).t(), n=3, s="x"
)
FILES: dict[str, tuple[Format, bytes]] = {
    "safetensors": (SafetensorsFormat(), save({"a": torch.ones(2, 3), "b.c": torch.zeros(0)}, {"format": "pt"})),
    "torch": (TorchZipFormat(), saved({"model": STATE, "u": torch.ones(2, dtype=torch.uint16)})),
}
_ARCHIVE = FILES["torch"][1]
_PICKLE = next(member for name, member in read_directory(BytesSource(_ARCHIVE)).items() if name.endswith("data.pkl"))
PICKLE = _ARCHIVE[_PICKLE.offset : _PICKLE.offset + _PICKLE.size]

Edit = tuple[int, int, bytes]


def edits(size: int) -> st.SearchStrategy[list[Edit]]:
    """Places in a file, each with a number of bytes to take away and bytes to put there."""
    odd = st.sampled_from(
        [b"\0", b"\xff", b"\xff" * 4, b"\xff" * 8, b"(", b"[", b"{", b'"', b"PK\5\6", b"PK\3\4", b"."]
    )
    edit = st.tuples(st.integers(0, size), st.integers(0, 8), st.one_of(odd, st.binary(max_size=8)))
    return st.lists(edit, min_size=1, max_size=6)


def edited(data: bytes, changes: list[Edit], keep_size: bool) -> bytes:
    for at, removed, added in changes:
        data = data[:at] + added + data[at + (len(added) if keep_size else removed) :]
    return data


@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=choose_tries(few=150, many=600),
    deadline=2000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(draw=st.data())
def test_a_damaged_file_is_read_or_refused(name: str, draw: st.DataObject) -> None:
    reader, data = FILES[name]
    # Directories and headers are a small part of the file: half of the damage goes there.
    start = draw.draw(st.sampled_from([0, max(0, len(data) - 900)]))
    changes = [(start + at, removed, added) for at, removed, added in draw.draw(edits(900))]
    spans_or_refusal(reader, edited(data, changes, draw.draw(st.booleans())))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=choose_tries(few=50, many=150), deadline=2000)
@given(draw=st.data())
def test_a_truncated_file_is_read_or_refused(name: str, draw: st.DataObject) -> None:
    reader, data = FILES[name]
    length = draw.draw(st.integers(0, len(data) - 1))
    assert spans_or_refusal(reader, data[:length]) is None


@settings(max_examples=choose_tries(few=400, many=1500), deadline=2000)
@given(changes=edits(len(PICKLE)), keep_size=st.booleans())
def test_a_damaged_pickle_is_read_or_refused(changes: list[Edit], keep_size: bool) -> None:
    try:
        list(name_tensors(read_pickle(edited(PICKLE, changes, keep_size)), UniqueNames()))
    except FormatError as error:
        assert error.message


@settings(max_examples=choose_tries(few=250, many=1000), deadline=2000)
@given(data=st.binary(max_size=200))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    for reader, _ in FILES.values():
        spans_or_refusal(reader, data)
    try:
        list(name_tensors(read_pickle(data), UniqueNames()))
    except FormatError as error:
        assert error.message


@pytest.mark.parametrize("name", FILES)
def test_the_undamaged_files_have_spans(name: str) -> None:
    reader, data = FILES[name]
    assert spans_or_refusal(reader, data)
