"""The zip directory: it agrees with ``zipfile`` on honest archives, and refuses the others."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import NamedTuple

import pytest

from git_theta.errors import FormatError
from git_theta.formats.zip.zip_directory import read_directory
from tests.formats.sources import BytesSource

CONTENTS = {"m/data.pkl": b"pickle", "m/data/0": b"0123456789", "m/data/1": b"", "m/ünï": b"name"}


def archive(contents: dict[str, bytes] = CONTENTS, comment: bytes = b"", method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for name, content in contents.items():
            written.writestr(name, content)
        written.comment = comment
    return buffer.getvalue()


def contents_of(data: bytes) -> dict[str, bytes]:
    return {name: data[m.offset : m.offset + m.size] for name, m in read_directory(BytesSource(data)).items()}


def patched(data: bytes, signature: bytes, offset: int, layout: str, *values: int, occurrence: int = 0) -> bytes:
    """``data`` with fields of the record that starts with ``signature`` overwritten."""
    at = -1
    for _ in range(occurrence + 1):
        at = data.index(signature, at + 1)
    changed = bytearray(data)
    struct.pack_into(layout, changed, at + offset, *values)
    return bytes(changed)


LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def test_members_and_their_bytes() -> None:
    assert contents_of(archive()) == CONTENTS


def test_an_empty_archive() -> None:
    assert contents_of(archive({})) == {}


@pytest.mark.parametrize("comment", [b"a comment", b"x" * 0xFFFF, b"PK\5\6" * 30])
def test_comments(comment: bytes) -> None:
    assert contents_of(archive(comment=comment)) == CONTENTS


def test_what_is_compressed_is_not_stored() -> None:
    members = read_directory(BytesSource(archive({"a": bytes(1000)}, method=zipfile.ZIP_DEFLATED)))
    assert not members["a"].stored
    assert members["a"].size < 1000


def test_what_is_encrypted_is_not_stored() -> None:
    data = patched(patched(archive(), LOCAL, 6, "<H", 1), CENTRAL, 8, "<H", 1)
    members = read_directory(BytesSource(data))
    assert [member.stored for member in members.values()] == [False, True, True, True]


class Pipe(io.BytesIO):
    """Cannot seek, so that sizes are written after the data."""

    def tell(self) -> int:
        raise OSError("a pipe has no place")


def test_sizes_may_follow_the_data() -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as written:
        for name, content in CONTENTS.items():
            with written.open(name, "w") as member:
                member.write(content)
    data = pipe.getvalue()
    assert struct.unpack_from("<H", data, 6)[0] & 8
    assert contents_of(data) == CONTENTS


def test_zip64_sizes_offsets_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 4)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    data = archive()
    assert b"PK\6\6" in data
    assert b"PK\6\7" in data
    assert contents_of(data) == CONTENTS


def test_more_members_than_16_bits_count() -> None:
    contents = {f"m/{index}": b"" for index in range(65_536)}
    assert list(contents_of(archive(contents))) == list(contents)


HONEST = archive()
DIRECTORY = HONEST.index(CENTRAL)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no end"),
        (b"PK\5\6", "no end"),
        (HONEST[:-1], "no end"),
        (HONEST[: len(HONEST) // 2], "no end"),
        (HONEST + b"trailing", "no end"),
        (HONEST[1:], "damaged|disagree|outside"),
        (b"x" + HONEST, "damaged"),
        (patched(HONEST, END, 10, "<H", 3), "more in it"),
        (patched(HONEST, END, 10, "<H", 5), "truncated"),
        (patched(HONEST, END, 12, "<L", 2**31), "outside"),
        (patched(HONEST, END, 16, "<L", 2**31), "outside"),
        (patched(HONEST, END, 16, "<L", 2**32 - 1), "outside"),
        (patched(HONEST, CENTRAL, 0, "<L", 0), "damaged"),
        (patched(HONEST, CENTRAL, 28, "<H", 0xFFFF), "damaged"),
        (patched(HONEST, CENTRAL, 32, "<H", 0xFFFF), "damaged"),
        (patched(HONEST, CENTRAL, 24, "<L", 7), "disagree"),
        (patched(HONEST, CENTRAL, 20, "<2L", 7, 7), "disagree"),
        (patched(HONEST, LOCAL, 18, "<2L", 5, 5), "disagree"),
        (patched(HONEST, LOCAL, 8, "<H", 8), "disagree"),
        (patched(HONEST, LOCAL, 26, "<H", 9), "disagree"),
        (patched(HONEST, LOCAL, 30, "<B", 0), "disagree"),
        (patched(HONEST, LOCAL, 0, "<L", 0), "disagree"),
        (patched(HONEST, LOCAL, 28, "<H", 0xFFFF), "overlap|reaches"),
        (patched(HONEST, CENTRAL, 42, "<L", 2**31), "outside"),
        (patched(HONEST, CENTRAL, 42, "<L", 2**32 - 1), "outside"),
        (patched(HONEST, CENTRAL, 42, "<L", 0, occurrence=1), "overlap|disagree"),
        (patched(HONEST, CENTRAL, 8, "<H", 0x800, occurrence=0).replace(b"m/data.pkl", b"m/dat\xff.pkl"), "no text"),
        (HONEST.replace(b"m/data/1", b"m/data/0"), "same name"),
    ],
)
def test_archives_that_lie_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        read_directory(BytesSource(data))


def test_a_member_that_reaches_into_the_next_one_is_refused() -> None:
    follows = patched(patched(HONEST, LOCAL, 6, "<H", 8, occurrence=1), LOCAL, 18, "<2L", 0, 0, occurrence=1)
    longer = patched(follows, CENTRAL, 20, "<2L", 30, 30, occurrence=1)
    with pytest.raises(FormatError, match="overlap"):
        read_directory(BytesSource(longer))


def test_a_member_that_reaches_into_the_directory_is_refused() -> None:
    follows = patched(patched(HONEST, LOCAL, 6, "<H", 8, occurrence=3), LOCAL, 18, "<2L", 0, 0, occurrence=3)
    longer = patched(follows, CENTRAL, 20, "<2L", 30, 30, occurrence=3)
    with pytest.raises(FormatError, match="directory"):
        read_directory(BytesSource(longer))


def test_a_zip64_end_that_lies_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    data = archive()
    for lie in (
        patched(data, b"PK\6\7", 8, "<Q", 2**63),
        patched(data, b"PK\6\7", 8, "<Q", 0),
        patched(data, b"PK\6\6", 32, "<Q", 2**40),
        patched(data, b"PK\6\6", 40, "<Q", 2**63),
        patched(data, b"PK\6\6", 48, "<Q", 2**63),
    ):
        # Only a saturated field sends a reader to the zip64 end.
        with pytest.raises(FormatError):
            read_directory(BytesSource(patched(lie, END, 10, "<H", 0xFFFF)))


def test_every_truncation_is_refused() -> None:
    for length in range(len(HONEST)):
        with pytest.raises(FormatError):
            read_directory(BytesSource(HONEST[:length]))


def shifted(gap: bytes) -> bytes:
    """The archive with bytes before its second member that nothing in it speaks of."""
    at = HONEST.index(LOCAL, 1)
    data = patched(HONEST[:at] + gap + HONEST[at:], END, 16, "<L", DIRECTORY + len(gap))
    for member in range(1, len(CONTENTS)):
        start = [found.start() for found in re.finditer(re.escape(LOCAL), data)][member]
        data = patched(data, CENTRAL, 42, "<L", start, occurrence=member)
    return data


OTHER = archive({"other/data.pkl": b"another", "other/data/0": b"value"})


def appended(data: bytes) -> bytes:
    """Another archive after ``data``, whose directory counts from the start of the file."""
    buffer = io.BytesIO()
    buffer.write(data)
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("late", b"late")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        HONEST + OTHER,
        OTHER + HONEST + OTHER,
        b"#!/bin/sh\n" + HONEST,
        appended(HONEST),
        appended(b"x" * 100),
        HONEST[:DIRECTORY] + b"between" + HONEST[DIRECTORY:],
        shifted(b"between the members"),
        HONEST[: HONEST.index(END)] + HONEST[DIRECTORY : HONEST.index(END)] + HONEST[HONEST.index(END) :],
    ],
    ids=["two", "three", "a script before", "one appended", "data before", "unsaid", "between", "two directories"],
)
def test_what_is_not_one_archive_is_refused(data: bytes) -> None:
    """Python's own reader takes most of them, for the last archive alone: whoever rebuilt that would lose the rest."""
    with pytest.raises(FormatError):
        read_directory(BytesSource(data))


def test_what_python_appends_to_an_archive_is_one_archive() -> None:
    buffer = io.BytesIO(HONEST)
    with zipfile.ZipFile(buffer, "a") as written:
        written.writestr("late", b"late")
    assert contents_of(buffer.getvalue()) == {**CONTENTS, "late": b"late"}


# Several in one, and stories that differ -----------------------------------------------------------------------------


def piped(contents: dict[str, bytes] = CONTENTS) -> bytes:
    """An archive whose sizes follow the data."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as written:
        for name, content in contents.items():
            with written.open(name, "w") as member:
                member.write(content)
    return pipe.getvalue()


@pytest.mark.parametrize("field", [4, 8, 12])
def test_a_data_descriptor_that_contradicts_the_directory_is_refused(field: int) -> None:
    """Readers that stream go by the one, all others by the other: neither story is the file's."""
    data = piped()
    with pytest.raises(FormatError, match="data descriptor disagree"):
        read_directory(BytesSource(patched(data, b"PK\7\x08", field, "<L", 7)))
    with pytest.raises(FormatError, match="data descriptor disagree"):
        read_directory(BytesSource(patched(data, b"PK\7\x08", 0, "<L", 7)))


@pytest.mark.parametrize(("field", "layout"), [(10, "<H"), (12, "<L"), (16, "<L")])
def test_two_directories_are_refused(monkeypatch: pytest.MonkeyPatch, field: int, layout: str) -> None:
    """The plain end names one, the zip64 end another: each is honoured by some readers."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 4)
    data = archive()
    assert contents_of(data) == CONTENTS
    with pytest.raises(FormatError, match="two ends disagree"):
        read_directory(BytesSource(patched(data, END, field, layout, 1)))


@pytest.mark.parametrize(
    "data",
    [archive() + archive(), archive() * 3, piped() * 2, b"before it" + archive(), archive()[:40] + archive()],
    ids=["two", "three", "two with descriptors", "data before it", "a member's start before it"],
)
def test_several_archives_in_a_row_are_none(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_directory(BytesSource(data))


# Written by hand ----------------------------------------------------------------------------------------------------


class Written(NamedTuple):
    """A member as it is written: ``offset`` of its local header where the directory lies about it."""

    name: bytes
    content: bytes
    descriptor: bytes = b""
    offset: int | None = None


def written(*members: Written) -> bytes:
    """An archive of stored members; those with a descriptor have their sizes in that and in the directory alone."""
    local, central = bytearray(), bytearray()
    for name, content, descriptor, offset in members:
        said = struct.pack("<3L", zlib.crc32(content), len(content), len(content))
        flags, own = (8, bytes(12)) if descriptor else (0, said)
        place = len(local) if offset is None else offset
        local += LOCAL + struct.pack("<5H", 20, flags, 0, 0, 0) + own + struct.pack("<2H", len(name), 0) + name
        local += content + descriptor
        central += CENTRAL + struct.pack("<6H", 20, 20, flags, 0, 0, 0) + said
        central += struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, place) + name
    end = struct.pack("<4H2LH", 0, 0, len(members), len(members), len(central), len(local), 0)
    return bytes(local + central) + END + end


ABC = b"abc"
DESCRIPTORS = {
    "32 bits": struct.pack("<3L", zlib.crc32(ABC), 3, 3),
    "32 bits, signed": struct.pack("<4s3L", b"PK\7\x08", zlib.crc32(ABC), 3, 3),
    "64 bits": struct.pack("<L2Q", zlib.crc32(ABC), 3, 3),
    "64 bits, signed": struct.pack("<4sL2Q", b"PK\7\x08", zlib.crc32(ABC), 3, 3),
}


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_every_form_of_a_data_descriptor(descriptor: bytes) -> None:
    data = written(Written(b"one", ABC, descriptor), Written(b"two", b"two"), Written(b"three", ABC, descriptor))
    assert contents_of(data) == {"one": ABC, "two": b"two", "three": ABC}


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_a_data_descriptor_that_is_cut_or_that_no_member_has_is_refused(descriptor: bytes) -> None:
    for damaged in (descriptor[:-1], descriptor + b"x", descriptor[1:], descriptor * 2, bytes(len(descriptor))):
        with pytest.raises(FormatError):
            read_directory(BytesSource(written(Written(b"one", ABC, damaged), Written(b"two", b"two"))))
    for unsaid in (Written(b"one", ABC + descriptor), Written(b"one", ABC)):
        archived = written(unsaid, Written(b"two", b"two"))
        honest = patched(archived, CENTRAL, 20, "<2L", 3, 3)
        if len(unsaid.content) > 3:
            with pytest.raises(FormatError):
                read_directory(BytesSource(patched(honest, LOCAL, 18, "<2L", 3, 3)))
        else:
            assert contents_of(honest) == {"one": ABC, "two": b"two"}


def test_a_member_within_a_data_descriptor_is_refused() -> None:
    """The directory puts a second member where a reader that streams finds the end of the first one."""
    inner = written(Written(b"two", b"two"))
    inner = inner[: inner.index(CENTRAL)]
    for descriptor in DESCRIPTORS.values():
        data = written(Written(b"one", ABC, descriptor + inner), Written(b"two", b"two", b"", 33 + len(ABC) + 4))
        with pytest.raises(FormatError):
            read_directory(BytesSource(data))


def nested(depth: int) -> bytes:
    """Members within members: each one's data are all that follow it, as bombs of overlapping members have it."""
    data, places = b"kernel", []
    for number in reversed(range(depth)):
        name = b"%06d" % number
        said = struct.pack("<3L", zlib.crc32(data), len(data), len(data))
        data = LOCAL + struct.pack("<5H", 20, 0, 0, 0, 0) + said + struct.pack("<2H", len(name), 0) + name + data
        places.append((name, said, len(data)))
    central = b"".join(
        CENTRAL + struct.pack("<6H", 20, 20, 0, 0, 0, 0) + said
        + struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, len(data) - left) + name
        for name, said, left in places
    )  # fmt: skip
    return data + central + END + struct.pack("<4H2LH", 0, 0, depth, depth, len(central), len(data), 0)


@pytest.mark.parametrize("depth", [2, 3, 1000])
def test_members_within_members_are_refused(depth: int) -> None:
    data = nested(depth)
    if depth < 1000:  # an archive for others
        assert len(zipfile.ZipFile(io.BytesIO(data)).infolist()) == depth
    with pytest.raises(FormatError, match="overlap"):
        read_directory(BytesSource(data))


@pytest.mark.parametrize("name", [b"n" * 0xFFFF, "\N{GRINNING FACE}".encode() * 16_000, b"m/" * 30_000, b"../" * 9])
def test_names_of_any_length_are_names(name: bytes) -> None:
    data = archive({name.decode(): b"one", "m/two": b"two"})
    assert contents_of(data) == {name.decode(): b"one", "m/two": b"two"}


def test_names_that_differ_by_case_are_two() -> None:
    contents = {"m/W": b"one", "m/w": b"two", "M/w": b"three", "m/ß": b"four", "m/SS": b"five"}
    assert contents_of(archive(contents)) == contents
