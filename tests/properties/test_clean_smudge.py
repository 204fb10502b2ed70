"""Laws that hold for any bytes: what is cleaned comes back (L1), in one manifest (L2), however it arrives."""

from __future__ import annotations

import io
import json
import os
import random
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_theta.errors import ChangedFile, ManifestError, ThetaError
from git_theta.manifest.text import decode_manifest, encode_manifest, is_manifest
from git_theta.operations import foreign
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.adding.encoding import EncodedPart, PartEncoder
from git_theta.operations.adding.encoding_hint import EncodingHint
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.context import Context
from git_theta.operations.restoring.smudge import smudge_stream
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.streams import HEAD_SIZE, Stream
from git_theta.operations.workers import Workers
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.values import Values
from git_theta.testing.blocks import noise_bytes
from tests.effort import choose_tries
from tests.fuzzing.damage import damaged
from tests.sandbox import model

quick = settings(
    max_examples=choose_tries(few=40, many=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
slow = settings(quick, max_examples=choose_tries(few=8, many=25))

Shapes = dict[str, int | tuple[int, ...]]
SMALL = model(1, **Shapes({"a.weight": (8, 8), "b.bias": 5}))
# Above what a stream looks at before anything is decided, with a header in its head and tensors behind it.
LARGE = model(2, **Shapes({"a.weight": (500, 700), "b.weight": (90, 200), "c.bias": 3}))
PATH = "model.safetensors"


@contextmanager
def make_context(folder: Path, warned: list[str] | None = None) -> Iterator[Context]:
    workers, state = Workers(), StateDatabase(folder / "state.sqlite")
    try:
        yield Context(MemoryStore(), state, workers, folder / "scratch", (warned if warned is not None else []).append)
    finally:
        workers.close()
        state.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """One for all examples: equal parts of other examples must not change a manifest either."""
    with make_context(tmp_path_factory.mktemp("context")) as context:
        yield context


@pytest.fixture(scope="module")
def worktree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worktree")


@lru_cache
def archives() -> tuple[bytes, ...]:
    """Zip files: torch's, and others."""
    import torch

    file = io.BytesIO()
    weight = torch.arange(300.0)
    torch.save({"w": weight, "tied": weight, "view": weight[10:20], "half": weight.half()}, file)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", b"abcd" * 10, zipfile.ZIP_DEFLATED)
    return file.getvalue(), other.getvalue()


@st.composite
def safetensors_headers(draw: st.DrawFn) -> bytes:
    """A file that claims anything in a header of the right shape, before some data."""
    numbers = st.one_of(st.integers(-2, 70), st.integers(), st.booleans(), st.none(), st.floats(), st.text(max_size=2))
    entry = st.fixed_dictionaries(
        {
            "dtype": st.one_of(st.sampled_from(["F32", "BF16", "F4", "BOOL", "U8", "C64", "nothing"]), numbers),
            "shape": st.one_of(st.lists(numbers, max_size=3), numbers),
            "data_offsets": st.one_of(st.lists(numbers, max_size=3), numbers),
        }
    )
    header = draw(st.dictionaries(st.one_of(st.text(max_size=3), st.just("__metadata__")), entry, max_size=4))
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    length = len(text) + draw(st.sampled_from([0, 0, 0, 1, -1, 1 << 40]))
    return max(0, length).to_bytes(8, "little") + text + draw(st.binary(max_size=80))


anything = st.one_of(
    st.binary(max_size=300),
    damaged(SMALL),
    safetensors_headers(),
    st.integers(0, 1).flatmap(lambda number: damaged(archives()[number])),
)
paths = st.sampled_from([PATH, "model.pt", "model.bin", "data"])


def cleaned(content: bytes, context: Context, path: str = PATH, worktree: Path | None = None) -> bytes:
    return clean_stream(Stream.from_pieces([content]), path, worktree, context)


def smudged(text: bytes, context: Context, path: str = PATH) -> bytes:
    return b"".join(map(bytes, smudge_stream(Stream.from_pieces([text]), path, context).pieces))


def passes_through(content: bytes) -> bool:
    return content == b"" or is_manifest(content) or foreign.detect_pointer(content) is not None


@quick
@given(anything, paths)
def test_l1_any_bytes_come_back(context: Context, content: bytes, path: str) -> None:
    text = cleaned(content, context, path)
    assert is_manifest(text) or passes_through(content)
    assert smudged(text, context, path) == content


@quick
@given(anything, paths)
def test_l2_the_same_bytes_give_the_same_manifest(context: Context, content: bytes, path: str) -> None:
    assert cleaned(content, context, path) == cleaned(content, context, path)


@quick
@given(anything, paths)
def test_a_manifest_is_cleaned_to_itself(context: Context, content: bytes, path: str) -> None:
    text = cleaned(content, context, path)
    assert cleaned(text, context, path) == text


def in_pieces(content: bytes, sizes: list[int]) -> Stream:
    """A stream that gives these many bytes at a time, over and over."""
    at = turn = 0

    def readinto(view: memoryview) -> int:
        nonlocal at, turn
        piece = content[at : at + min(len(view), sizes[turn % len(sizes)])]
        view[: len(piece)] = piece
        at, turn = at + len(piece), turn + 1
        return len(piece)

    return Stream(readinto)


@slow
@given(st.one_of(anything, st.just(LARGE)), st.lists(st.integers(1, 65_516), min_size=1, max_size=5))
def test_l2_however_the_stream_is_cut(context: Context, content: bytes, sizes: list[int]) -> None:
    if len(content) > HEAD_SIZE:
        sizes = [size + 5_000 for size in sizes]
    assert clean_stream(in_pieces(content, sizes), PATH, None, context) == cleaned(content, context)


def rewritten(file: Path, content: bytes) -> None:
    """Replace a file, and let it look as if it had rested for an hour: so that it may be remembered."""
    file.write_bytes(content)
    os.utime(file, (file.stat().st_mtime - 3600,) * 2)


@slow
@given(st.sampled_from([LARGE, noise_bytes(HEAD_SIZE + 5000)]).flatmap(damaged), st.data())
def test_l2_whatever_lies_in_the_worktree(
    context: Context, worktree: Path, content: bytes, data: st.DataObject
) -> None:
    """The file there is absent, the same, or stale in any way; twice each, so that the clean cache takes part."""
    expected = cleaned(content, context)
    assert smudged(expected, context) == content
    stale = data.draw(damaged(content), label="stale")
    for lies_there in (None, content, stale, LARGE, b""):
        (worktree / PATH).unlink(missing_ok=True)
        if lies_there is not None:
            rewritten(worktree / PATH, lies_there)
        for _ in range(2):
            assert cleaned(content, context, worktree=worktree) == expected


@slow
@given(damaged(LARGE))
def test_l2_whatever_the_index_has(context: Context, content: bytes) -> None:
    """The manifest of another version in the index brings no other storage than was chosen before."""
    prior = decode_manifest(cleaned(LARGE, context))
    assert cleaned(content, context._replace(staged_manifest=lambda _: prior)) == cleaned(content, context)


@slow
@given(damaged(LARGE), st.data())
def test_l2_parts_that_are_streamed(
    context: Context, worktree: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, data: st.DataObject
) -> None:
    """Too large to be held, and expected to be what the index has: the same manifest, or an error that says why not."""
    expected = cleaned(content, context)
    prior = decode_manifest(cleaned(LARGE, context))
    stale = data.draw(damaged(content), label="stale")
    with monkeypatch.context() as patch:
        for module in ("adding.part_writer", "restoring.restore"):
            patch.setattr(f"git_theta.operations.{module}.WHOLE_LIMIT", BLOCK)
        for lies_there in (content, LARGE, stale):
            rewritten(worktree / PATH, lies_there)
            try:
                assert (
                    cleaned(content, context._replace(staged_manifest=lambda _: prior), worktree=worktree) == expected
                )
            except ChangedFile:
                assert lies_there != content
        assert smudged(expected, context) == content


@contextmanager
def large_parts(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Payloads of hundreds of bytes count as large, and those of thousands take several objects."""
    with patch.context() as patch:
        patch.setattr("git_theta.operations.adding.encoding.SMALL_PAYLOAD", 100)
        patch.setattr("git_theta.store.series.LARGEST_OBJECT", 70_001)
        yield


@slow
@given(damaged(LARGE).filter(len), st.sampled_from([LARGE, b"".join([LARGE[:1_000_000], bytes(300_000)])]))
def test_l1_l2_l6_parts_in_several_objects(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, content: bytes, other: bytes
) -> None:
    """They come back; alike in two clones, one of which had another version before and knows parts of it."""
    with large_parts(monkeypatch), make_context(tmp_path_factory.mktemp("one")) as one:
        text = cleaned(content, one)
        assert smudged(text, one) == content
        sizes = {size for part in decode_manifest(text).parts() for _, size in part.storage.objects().items()}
        assert max(sizes) <= 70_001
        assert len(content) < 1 << 20 or any(part.storage.place.rest for part in decode_manifest(text).parts())
        with make_context(tmp_path_factory.mktemp("two")) as two:
            assert cleaned(content, two) == text
            before = decode_manifest(cleaned(other, two))
            assert cleaned(content, two._replace(staged_manifest=lambda _: before)) == text
            assert smudged(text, two) == content


@pytest.mark.parametrize("count", [1, 2, 7])
def test_l2_objects_are_the_same_whoever_is_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Where bundles and large payloads are cut depends on the order and the sizes of payloads alone."""
    sizes = {f"w{number:02}": 17_000 + 997 * (number * 7 % 31) for number in range(40)}  # in fp32: for the workers
    content = model(5, **Shapes({**sizes, "large": 700_000, "last": (300, 300)}))
    monkeypatch.setattr("git_theta.operations.adding.stored_parts.FULL_BUNDLE", 500_000)
    monkeypatch.setattr("git_theta.store.series.LARGEST_OBJECT", 900_001)
    with make_context(tmp_path) as context:
        alone = cleaned(content, context)
    encode, generator = PartEncoder.encode_whole, random.Random(count)

    def encode_late(self: PartEncoder, values: Values, label: PartLabel, hint: EncodingHint) -> EncodedPart:
        time.sleep(generator.random() / 50)
        return encode(self, values, label, hint)

    monkeypatch.setattr(PartEncoder, "encode_whole", encode_late)
    (tmp_path / "late").mkdir()
    with make_context(tmp_path / "late") as context:
        context.workers.count = count
        assert cleaned(content, context) == alone
    places = [part.storage.place for part in decode_manifest(alone).parts()]
    assert len({place.object for place in places if place.range}) > 5
    assert max(place.bytes for place in places if place.range) < 500_000 + (1 << 20)
    assert sum(len(place.rest) for place in places) == 2


def test_l2_what_is_stored_keeps_its_storage_whatever_the_largest_object_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_context(tmp_path) as context:
        with large_parts(monkeypatch):
            several = cleaned(LARGE, context)
        assert any(part.storage.place.rest for part in decode_manifest(several).parts())
        assert cleaned(LARGE, context) == several


def test_l2_a_worktree_file_that_is_a_link_a_folder_or_a_pipe(context: Context, tmp_path: Path) -> None:
    expected = cleaned(LARGE, context)
    (tmp_path / "target").write_bytes(SMALL)
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in ("link", "folder", "pipe", "folder/absent"):
        assert cleaned(LARGE, context, path, tmp_path) == expected


def test_l2_state_that_is_lost_changes_nothing_that_the_index_has(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with make_context(tmp_path / "one") as first:
        text = cleaned(LARGE, first)
        with_another_state = first._replace(
            state=StateDatabase(tmp_path / "state.sqlite"), staged_manifest=lambda _: decode_manifest(text)
        )
        assert cleaned(LARGE, with_another_state) == text
        with_another_state.state.close()


manifests = st.sampled_from([SMALL, LARGE, b"opaque", *archives()])


@quick
@given(manifests, st.data())
def test_a_mutated_manifest_is_read_or_refused(context: Context, content: bytes, data: st.DataObject) -> None:
    text = data.draw(damaged(cleaned(content, context)))
    try:
        manifest = decode_manifest(text)
    except ManifestError as error:
        assert error.message
    else:
        assert encode_manifest(manifest) == text


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just("a" * 64)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)
KEYS = ["format", "size", "frame", "name", "dtype", "shape", "oid", "storage", "views", "stride", "offset", "update",
        "serializer", "object", "bytes", "range", "objects", "options", "chain"]  # fmt: skip


@quick
@given(manifests, st.sampled_from(KEYS), json_values, st.data())
def test_a_manifest_with_any_value_for_a_key_is_read_or_refused(
    context: Context, content: bytes, key: str, value: object, data: st.DataObject
) -> None:
    first, *lines = cleaned(content, context).splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    parsed = [json.loads(line) for line in lines]
    line = parsed[number]
    places = [line, line.get("storage", line), *line.get("views", [])]
    data.draw(st.sampled_from(places))[key] = value
    rest = [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in parsed]
    text = first + b"\n" + "".join(f"{one}\n" for one in rest).encode("utf-8", "surrogatepass")
    try:
        manifest = decode_manifest(text)
    except ManifestError:
        return
    assert encode_manifest(manifest) == text


@quick
@given(manifests, st.data())
def test_smudging_a_mutated_manifest_never_invents_bytes(context: Context, content: bytes, data: st.DataObject) -> None:
    """The content, the text itself, or an error: nothing else leaves a smudge whole."""
    text = data.draw(damaged(cleaned(content, context)))
    try:
        answer = smudged(text, context)
    except ThetaError as error:
        assert error.message
    else:
        assert answer == text or len(answer) == decode_manifest(text).size
