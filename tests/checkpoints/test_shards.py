"""Which files make one checkpoint."""

from __future__ import annotations

import json

import pytest

from git_theta.checkpoints.index_file import is_index, whole_path_of
from git_theta.checkpoints.shards import Shard, group_checkpoints, shard_number
from git_theta.manifest.model import Manifest


def files(*paths: str) -> list[Shard]:
    return [Shard(path, Manifest("safetensors", 0, ())) for path in paths]


def paths(
    before: list[Shard], after: list[Shard], indexes: dict[str, bytes] | None = None
) -> dict[str, tuple[list[str], list[str]]]:
    return {
        path: ([shard.path for shard in then], [shard.path for shard in now])
        for path, then, now in group_checkpoints(before, after, indexes or {})
    }


def shards(count: int, stem: str = "model", ending: str = ".safetensors") -> list[str]:
    return [f"{stem}-{number:05}-of-{count:05}{ending}" for number in range(1, count + 1)]


def test_a_file_is_a_checkpoint_by_itself() -> None:
    assert paths(files("a.pt", "b.pt"), files("b.pt", "c.pt")) == {
        "a.pt": (["a.pt"], []),
        "b.pt": (["b.pt"], ["b.pt"]),
        "c.pt": ([], ["c.pt"]),
    }


def test_shards_are_one_checkpoint_called_after_their_index_in_the_order_of_their_numbers() -> None:
    before, after = files(*shards(2)), files(*reversed(shards(3)))
    assert paths(before, after) == {"model.safetensors.index.json": (shards(2), shards(3))}


def test_folders_and_stems_keep_them_apart() -> None:
    stems = ("a/model", "b/model", "a/other")
    assert list(paths([], files(*(path for stem in stems for path in shards(2, stem, ".bin"))))) == [
        "a/model.bin.index.json",
        "a/other.bin.index.json",
        "b/model.bin.index.json",
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_file_that_became_shards_is_the_same_checkpoint(reverse: bool) -> None:
    before, after = (["model.bin"], shards(2, "model", ".bin"))[:: -1 if reverse else 1]
    name = "model.bin" if reverse else "model.bin.index.json"
    assert paths(files(*before), files(*after)) == {name: (before, after)}


def test_a_file_beside_shards_of_its_name_is_another_checkpoint() -> None:
    both = files("model.bin", *shards(2, "model", ".bin"))
    assert list(paths(both, both)) == ["model.bin", "model.bin.index.json"]
    assert list(paths(both, files(*shards(2, "model", ".bin")))) == ["model.bin", "model.bin.index.json"]


def test_a_renamed_file_is_one_checkpoint() -> None:
    ((path, before, after),) = group_checkpoints(files("old.pt"), files("new.pt"), renames={"old.pt": "new.pt"})
    assert (path, before[0].path, after[0].path) == ("new.pt", "old.pt", "new.pt")


def test_an_index_names_files_of_any_name() -> None:
    index = json.dumps({"weight_map": {"w": "first.safetensors", "v": "second.safetensors"}}).encode()
    present = files("m/first.safetensors", "m/second.safetensors", "second.safetensors")
    assert paths([], present, indexes={"m/any.index.json": index}) == {
        "m/any.index.json": ([], ["m/first.safetensors", "m/second.safetensors"]),
        "second.safetensors": ([], ["second.safetensors"]),
    }


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"weight_map": [1]}', b'{"weight_map": {"w": 1}}'])
def test_what_is_no_index_is_ignored(content: bytes) -> None:
    assert list(paths([], files("a.bin"), indexes={"x.index.json": content})) == ["a.bin"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m/model-00002-of-00010.safetensors", "00002"),
        ("model-2-of-10.safetensors", ""),
        ("model.safetensors", ""),
        ("-00001-of-00002.bin", ""),
    ],
)
def test_a_shard_knows_its_number(path: str, expected: str) -> None:
    assert shard_number(path) == expected


VARIANT = "model.safetensors.index.fp16.json"


@pytest.mark.parametrize("variant", ["fp16", "zz"])
def test_shards_of_a_variant_are_called_after_its_index(variant: str) -> None:
    """As transformers writes them; at the version before, there was no index, or one file."""
    names, index = shards(2, f"model.{variant}"), f"model.safetensors.index.{variant}.json"
    text = {index: json.dumps({"weight_map": {"a": names[0], "b": names[1]}}).encode()}
    whole = f"model.{variant}.safetensors"
    assert paths(files(whole), files(*names), text) == {index: ([whole], names)}
    assert paths(files(*names), files(whole), text) == {whole: (names, [whole])}
    three = shards(3, f"model.{variant}")
    assert paths(files(*three), files(*names), text) == {index: (three, names)}
    beside = files("model.safetensors", *shards(2), whole, *names)
    assert list(paths([], beside, text)) == sorted([index, "model.safetensors", "model.safetensors.index.json", whole])


def test_indexes_are_told_by_their_names() -> None:
    assert [path for path in ("a/model.bin.index.json", VARIANT, ".index.json", "a/.index.json", "index.json",
                              "a.index.b/c.json", "a.index.b.c.json", "model.safetensors.index.fp16.jsonl")
            if is_index(path)] == ["a/model.bin.index.json", VARIANT]  # fmt: skip
    assert whole_path_of(VARIANT) == "model.fp16.safetensors"
    assert whole_path_of("a.b/model.bin.index.json") == "a.b/model.bin"
