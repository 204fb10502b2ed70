"""The clean cache: a file that was cleaned before costs a comparison, and a cache that lies costs nothing worse."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.adding.clean_cache import recall_split
from git_theta.operations.adding.split import SplitFile
from git_theta.operations.context import Context
from git_theta.operations.streams import HEAD_SIZE, FileSource, Stream
from git_theta.parameters.value_decoding import read_values
from git_theta.testing.blocks import noise_bytes
from tests.operations.stored_checkpoints import checkpoint as checkpoint_bytes

CONTENT = noise_bytes(HEAD_SIZE + 50_000)
CHECKPOINT = checkpoint_bytes({"bias": noise_bytes(500), "weight": noise_bytes(HEAD_SIZE + 50_000)})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file that is long enough to be remembered, and has rested."""
    file = tmp_path / "model.bin"
    file.write_bytes(CONTENT)
    time.sleep(0.15)
    return file


def cleaned(content: bytes, checkpoint: Path, context: Context) -> bytes:
    return clean_stream(Stream.from_pieces([content]), checkpoint.name, checkpoint.parent, context)


def test_the_same_file_gives_the_same_text(checkpoint: Path, context: Context) -> None:
    first = cleaned(CONTENT, checkpoint, context)
    assert context.state.manifest_of(checkpoint, checkpoint.stat()) == first
    assert cleaned(CONTENT, checkpoint, context) == first


def test_the_same_file_is_not_split_again(checkpoint: Path, context: Context) -> None:
    """What its manifest names is here: then nothing is hashed or stored anew."""
    with closing(FileSource(checkpoint)) as source:
        assert recall_split(checkpoint.name, source, context) is None
        first = cleaned(CONTENT, checkpoint, context)
        assert recall_split(checkpoint.name, source, context) == SplitFile(first)


def test_l2_what_is_recalled_has_the_storage_that_the_index_has(checkpoint: Path, context: Context) -> None:
    """Another clone stored the same bytes otherwise, and its manifest was pulled since."""
    checkpoint.write_bytes(CHECKPOINT)
    time.sleep(0.15)
    ours = cleaned(CHECKPOINT, checkpoint, context)
    theirs = _stored_raw(decode_manifest(ours), context)
    assert theirs.frame and encode_manifest(theirs) != ours
    with closing(FileSource(checkpoint)) as source:
        assert recall_split(checkpoint.name, source, context) == SplitFile(ours)
        pulled = context._replace(staged_manifest=lambda _: theirs)
        assert recall_split(checkpoint.name, source, pulled) == SplitFile(encode_manifest(theirs))


def _stored_raw(manifest: Manifest, context: Context) -> Manifest:
    """The same file, each part in an object of its own, as its bytes are."""

    def store_part(part: Entry) -> Entry:
        content = b"".join(read_values(part, context.store, map))
        return part._replace(storage=Storage(Coding("dense", "raw"), Place(*context.store.put([content]))))

    frame = manifest.frame and store_part(manifest.frame)
    return manifest._replace(frame=frame, entries=tuple(map(store_part, manifest.entries)))


@pytest.mark.parametrize("at", [0, HEAD_SIZE, len(CONTENT) - 1])
def test_other_bytes_than_the_files_are_never_taken_for_them(checkpoint: Path, context: Context, at: int) -> None:
    """``git hash-object --stdin --path`` cleans what it likes under the name of a file that did not change."""
    first = cleaned(CONTENT, checkpoint, context)
    other = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
    assert cleaned(other, checkpoint, context) != first
    assert decode_manifest(cleaned(other[:-1], checkpoint, context)).size == len(CONTENT) - 1
    assert decode_manifest(cleaned(CONTENT + b"!", checkpoint, context)).size == len(CONTENT) + 1
    assert cleaned(CONTENT, checkpoint, context) == first


@pytest.mark.parametrize("other", [CONTENT[:-1] + b"!", CONTENT[:-1], CONTENT + b"!"], ids=["altered", "cut", "longer"])
def test_other_bytes_than_the_files_are_not_remembered_as_its_own(
    checkpoint: Path, context: Context, other: bytes
) -> None:
    """``merge.renormalize`` cleans blobs under the path of a file that has other bytes and has rested."""
    cleaned(other, checkpoint, context)
    assert context.state.manifest_of(checkpoint, checkpoint.stat()) is None
    assert decode_manifest(cleaned(CONTENT, checkpoint, context)).size == len(CONTENT)
    assert context.state.manifest_of(checkpoint, checkpoint.stat()) is not None


@pytest.mark.parametrize("text", [b"", b"nonsense", b"git-theta manifest 1\n{}\n", b"git-theta manifest 9\n"])
def test_a_damaged_memory_is_no_memory(checkpoint: Path, context: Context, text: bytes) -> None:
    stat = checkpoint.stat()
    context.state.remember_clean(checkpoint, stat, time.time() + 1, text)
    assert context.state.manifest_of(checkpoint, stat) == text
    assert decode_manifest(cleaned(CONTENT, checkpoint, context)).size == len(CONTENT)


def test_a_memory_whose_objects_are_gone_is_no_memory(checkpoint: Path, context: Context) -> None:
    first = cleaned(CONTENT, checkpoint, context)
    empty = context._replace(store=type(context.store)())
    assert cleaned(CONTENT, checkpoint, empty) == first
    assert set(empty.store.oids()) == set(context.store.oids())


def test_a_file_that_is_touched_is_looked_at_again(checkpoint: Path, context: Context) -> None:
    first = cleaned(CONTENT, checkpoint, context)
    os.utime(checkpoint)
    assert context.state.manifest_of(checkpoint, checkpoint.stat()) is None
    assert cleaned(CONTENT, checkpoint, context) == first
