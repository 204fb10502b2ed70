"""L10: what a forged manifest says is refused or passed through, with a word; it reaches no file but its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import CorruptObject, PluginError
from tests.faults.harness import MODEL, assert_comes_back, attempt, large, small
from tests.sandbox import Sandbox

Lines = list[dict[str, Any]]
"""The JSON lines of a manifest: the header, then a line per part."""
Forge = Callable[[Lines], object]
OTHER = "0" * 64


def forged(text: str, forge: Forge) -> str:
    """A manifest with its lines changed."""
    name, *lines = text.splitlines()
    parsed = [json.loads(line) for line in lines]
    forge(parsed)
    return "".join(
        [f"{name}\n", *(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in parsed)]
    )


def setting(*path: str | int, to: object) -> Forge:
    def forge(lines: Lines) -> None:
        place: Any = lines
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return forge


def swap_storages(lines: Lines) -> None:
    lines[1]["storage"], lines[2]["storage"] = lines[2]["storage"], lines[1]["storage"]


def frame_in_another_object(lines: Lines) -> None:
    lines[0]["frame"]["storage"] = lines[1]["storage"]


def a_longer_object(lines: Lines) -> None:
    lines[1]["storage"]["bytes"] += 1


def beyond_its_object(lines: Lines) -> None:
    lines[1]["storage"]["range"] = [1, lines[1]["storage"]["bytes"]]


def part_of_its_object(lines: Lines) -> None:
    lines[1]["storage"]["range"] = [0, lines[1]["storage"]["bytes"] // 2]


def a_smaller_file(lines: Lines) -> None:
    lines[0]["size"] -= 1


def a_bomb(lines: Lines) -> None:
    lines += [{key: line[key] for key in ("size", "oid", "storage")} for line in lines[1:2] * 1000]


def the_same_name_twice(lines: Lines) -> None:
    lines[2]["name"] = lines[1]["name"]


def a_cycle(lines: Lines) -> None:
    storage = lines[1]["storage"]
    storage["update"] = "delta"
    storage["base"] = {"oid": lines[1]["oid"], "storage": dict(storage)}


def nested(depth: int) -> Forge:
    def forge(lines: Lines) -> None:
        inner: dict[str, Any] = {}
        for _ in range(depth):
            inner = {"x": inner}
        lines[1]["y"] = inner

    return forge


def chained(**changes: object) -> Forge:
    """The first parameter on the second as its update base, by an update that is not there."""

    def forge(lines: Lines) -> None:
        part, base = lines[1], lines[2]
        link = {key: base[key] for key in ("dtype", "shape", "size", "oid")} | base["storage"]
        part["storage"] |= {"update": "rot13", "chain": [link | changes]}

    return forge


def a_long_chain(lines: Lines) -> None:
    chained()(lines)
    (link,) = lines[1]["storage"]["chain"]
    lines[1]["storage"]["chain"] = [link] + [link | {"oid": f"{n:064}", "update": "rot13"} for n in range(16)]


def a_chain_that_comes_back(lines: Lines) -> None:
    chained(oid=lines[1]["oid"])(lines)


def in_several(*objects: object, **more: object) -> Forge:
    """The first parameter's payload in these objects; None is the one that it is in."""

    def forge(lines: Lines) -> None:
        storage = lines[1]["storage"]
        own = [storage.pop("object"), storage.pop("bytes")]
        storage.pop("range", None)
        lines[1]["storage"] = storage | {"objects": [one or own for one in objects]} | more

    return forge


def a_base_that_nothing_builds_on(lines: Lines) -> None:
    chained()(lines)
    lines[1]["storage"]["update"] = "dense"


REFUSED: dict[str, Forge] = {
    "an update base that is here": chained(),
    "an update base that is not here": chained(object=OTHER),
    "an update base of a forged size": chained(size=1 << 60, shape=[1 << 58]),
    "swapped storages": swap_storages,
    "a frame in another object": frame_in_another_object,
    "a huge frame": setting(0, "frame", "size", to=1 << 50),
    "an object that is longer than it is": a_longer_object,
    "a part of its object": part_of_its_object,
    "an unknown object": setting(1, "storage", "object", to=OTHER),
    "several objects that are not its own": in_several(None, None),
    "several objects of which one is not here": in_several(None, [OTHER, 9]),
    "several objects of petabytes": in_several([OTHER, 1 << 60], [OTHER, 1 << 60], [OTHER, 1 << 60]),
    "another oid": setting(1, "oid", to=OTHER),
    "a larger parameter": setting(1, "size", to=1 << 60),
    "a smaller parameter": setting(1, "size", to=0),
    "an unknown update": setting(1, "storage", "update", to="rot13"),
    "an unknown serializer": setting(1, "storage", "serializer", to="rot13"),
    "a serializer that is a path": setting(1, "storage", "serializer", to="../../evil"),
    "a serializer that is code": setting(1, "storage", "serializer", to="os:system"),
    "a serializer of another kind": setting(1, "storage", "serializer", to="dense"),
}
CONTRADICTS_ITSELF: dict[str, Forge] = {
    "no frame": lambda lines: lines[0].pop("frame"),
    "a larger file": setting(0, "size", to=1 << 62),
    "a smaller file": a_smaller_file,
    "a bomb": a_bomb,
    "one parameter fewer": lambda lines: lines.pop(),
}
PASSED: dict[str, Forge] = {
    "an object that is a path": setting(1, "storage", "object", to="../../../../etc/passwd"),
    "an oid that is a path": setting(1, "oid", to="../../../../etc/passwd"),
    "an object in capitals": setting(1, "storage", "object", to="A" * 64),
    "an object with a newline": setting(1, "storage", "object", to="a" * 63 + "\n"),
    "a short object": setting(1, "storage", "object", to="ab"),
    "several objects of which there is none": in_several(),
    "several objects of which there is one": in_several(None),
    "several objects without end": in_several(*[None] * 100_000),
    "several objects whose sizes overflow": in_several([OTHER, (1 << 63) - 1], [OTHER[1:] + "1", 1]),
    "several objects that are a path": in_several(["../../../../etc/passwd", 9], None),
    "several objects and a range": in_several(None, None, range=[0, 9]),
    "several objects and one": in_several(None, None, object=OTHER, bytes=9),
    "an update that builds on itself": a_cycle,
    "a chain that is too long": a_long_chain,
    "a chain that comes back": a_chain_that_comes_back,
    "a base that nothing builds on": a_base_that_nothing_builds_on,
    "a base whose object is a path": chained(object="../../../../etc/passwd"),
    "nesting without end": nested(400),
    "beyond its object": beyond_its_object,
    "a negative range": setting(1, "storage", "range", to=[-1, 10]),
    "a range of one": setting(1, "storage", "range", to=[0]),
    "a negative size": setting(1, "size", to=-1),
    "a size that is text": setting(0, "size", to="12"),
    "a size that is a fraction": setting(0, "size", to=1.5),
    "a size beyond 64 bits": setting(0, "size", to=1 << 64),
    "the same name twice": the_same_name_twice,
    "a name with NUL": setting(1, "name", to="a\0b"),
    "no storage": lambda lines: lines[1].pop("storage"),
    "a list for an entry": setting(1, to=[]),
    "nothing for an entry": setting(1, to=None),
}
GROUPS = 3
"""Texts of a group go through one filter: what one of them leaves behind is the next one's to bear."""
RESTORED: dict[str, Forge] = {
    "an unknown format": setting(0, "format", to="../../evil"),
    "a new key": setting(1, "zzz", to={"a": [1, "b", None]}),
    "a key with some depth": nested(10),
    "a name with an escape sequence": setting(1, "name", to="\x1b[31mred"),
    "a name that is a path": setting(1, "name", to="../../etc/passwd"),
    "a shape that lies": setting(1, "shape", to=[1 << 62, 1 << 62]),
}


def commit(sandbox: Sandbox, *texts: str, paths: Sequence[str] = (MODEL,)) -> None:
    """A commit of manifests that git-theta did not write; nothing is checked out."""
    for path, text in zip(paths, texts, strict=True):
        oid = sandbox.git("hash-object", "-w", "--stdin", input=text).stdout.strip()
        sandbox.git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
        (sandbox.root / path).unlink(missing_ok=True)
    sandbox.git("commit", "--quiet", "-m", "forged")


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "repository" not in path.relative_to(folder).parts}


def manifest(sandbox: Sandbox) -> str:
    return sandbox.git("show", f"v1:{MODEL}").stdout


@pytest.fixture(autouse=True)
def _stored_in_full(sandbox: Sandbox) -> None:
    """What is forged is where a tensor is; forged chains are in tests/manifest/test_refused.py."""
    sandbox.git("config", "theta.updates", "dense")


@pytest.mark.parametrize(
    "forge", [*REFUSED.values(), *CONTRADICTS_ITSELF.values()], ids=[*REFUSED, *CONTRADICTS_ITSELF]
)
def test_refused(forge: Forge, with_small: Sandbox) -> None:
    before = everything(with_small.root.parent)
    text = forged(manifest(with_small), forge)
    commit(with_small, text)
    done = attempt(with_small, "checkout", "--", MODEL)
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: " in done.stderr
    assert not (with_small.root / MODEL).exists()
    (with_small.root / MODEL).write_text(text)
    assert attempt(with_small, "theta", "checkout").returncode != 0
    assert (with_small.root / MODEL).read_text() == text
    if forge not in CONTRADICTS_ITSELF.values():  # fsck is about objects, which are well there
        assert attempt(with_small, "theta", "fsck").returncode != 0
    assert everything(with_small.root.parent) == before


@pytest.mark.parametrize("number", range(GROUPS))
def test_passed_through(number: int, with_small: Sandbox) -> None:
    before = everything(with_small.root.parent)
    texts = {f"{name}.pt": forged(manifest(with_small), PASSED[name]) for name in list(PASSED)[number::GROUPS]}
    commit(with_small, *texts.values(), paths=list(texts))
    done = attempt(with_small, "checkout", "--", *texts)
    assert done.returncode == 0
    assert_passed(with_small, texts, done.stderr)
    attempt(with_small, "theta", "checkout")
    attempt(with_small, "theta", "ls-files", "--parameters")
    assert_passed(with_small, texts, attempt(with_small, "theta", "fsck").stderr)
    assert everything(with_small.root.parent) == before


def assert_passed(sandbox: Sandbox, texts: Mapping[str, str], said: str) -> None:
    """Each stands in the worktree as it is, and it was said that it is no manifest."""
    for path, text in texts.items():
        assert f"theta: warning: {path}: not a valid manifest" in said
        assert sandbox.read(path).decode() == text


@pytest.mark.parametrize("forge", RESTORED.values(), ids=RESTORED)
def test_harmless(forge: Forge, with_small: Sandbox) -> None:
    commit(with_small, forged(manifest(with_small), forge))
    assert attempt(with_small, "checkout", "--", MODEL).returncode == 0
    assert with_small.read(MODEL) == small(1)
    with_small.theta("fsck")
    attempt(with_small, "theta", "ls-files", "--parameters")


@pytest.mark.parametrize("forge", [swap_storages, frame_in_another_object])
def test_a_large_one_is_refused_when_git_has_ended(forge: Forge, with_large: Sandbox) -> None:
    text = forged(manifest(with_large), forge)
    commit(with_large, text)
    done = attempt(with_large, "checkout", "--", MODEL)
    assert f"theta: error: {MODEL}: " in done.stderr
    assert with_large.read(MODEL).decode() == text
    assert attempt(with_large, "theta", "checkout").returncode == CorruptObject.exit_code


@pytest.mark.parametrize("forge", CONTRADICTS_ITSELF.values(), ids=CONTRADICTS_ITSELF)
def test_a_large_one_that_contradicts_itself_is_refused_at_once(forge: Forge, with_large: Sandbox) -> None:
    commit(with_large, forged(manifest(with_large), forge))
    done = attempt(with_large, "checkout", "--", MODEL)
    assert done.returncode != 0
    assert not (with_large.root / MODEL).exists()


def point_elsewhere(lines: Lines) -> None:
    """The first parameter's storage becomes the second's: the oid is right, and its bytes are not there."""
    lines[1]["storage"] = lines[2]["storage"]


@pytest.mark.parametrize("forget", [False, True], ids=["remembering", "having-forgotten"])
def test_a_forged_manifest_in_the_index_does_not_cost_the_good_file(forget: bool, with_small: Sandbox) -> None:
    commit(with_small, forged(manifest(with_small), point_elsewhere))
    assert attempt(with_small, "checkout", "--", MODEL).returncode != 0
    if forget:
        for file in (with_small.root / ".git/theta").glob("state.sqlite*"):
            file.unlink()
    with_small.write(MODEL, small(1))
    with_small.commit("the good file")
    assert_comes_back(with_small, small(1))
    with_small.write(MODEL, small(0))
    with_small.commit("another")
    assert_comes_back(with_small, small(0))


def test_a_forged_manifest_elsewhere_does_not_cost_the_good_file(with_small: Sandbox) -> None:
    commit(with_small, forged(manifest(with_small), point_elsewhere))
    assert attempt(with_small, "checkout", "--", MODEL).returncode != 0
    with_small.write("copy.safetensors", small(1))
    with_small.git("add", "copy.safetensors")
    assert_comes_back(with_small, small(1), "copy.safetensors")


def test_a_file_that_was_cleaned_before_the_forged_manifest_came(with_small: Sandbox) -> None:
    os.utime(with_small.root / MODEL, (1, 1))
    with_small.git("add", "--renormalize", MODEL)  # into the clean cache
    text = forged(manifest(with_small), point_elsewhere)
    oid = with_small.git("hash-object", "-w", "--stdin", input=text).stdout.strip()
    with_small.git("update-index", "--cacheinfo", f"100644,{oid},{MODEL}")
    with_small.git("add", MODEL)
    assert_comes_back(with_small, small(1))


def test_nothing_is_written_through_a_link(with_small: Sandbox) -> None:
    outside = with_small.root.parent / "outside"
    outside.mkdir()
    text = manifest(with_small)
    (with_small.root / "folder").mkdir()
    with_small.git("mv", MODEL, "folder/")
    with_small.commit("move")
    (with_small.root / "folder" / MODEL).unlink()
    (with_small.root / "folder").rmdir()
    (with_small.root / "folder").symlink_to(outside)
    (outside / MODEL).write_text(text)
    attempt(with_small, "theta", "checkout")
    assert (outside / MODEL).read_text() == text
    attempt(with_small, "checkout", "--", "folder")
    assert (outside / MODEL).read_text() == text
    assert with_small.read(f"folder/{MODEL}") == small(1)


def test_a_large_file_is_not_deferred_through_a_link(with_large: Sandbox) -> None:
    outside = with_large.root.parent / "outside"
    outside.mkdir()
    text = manifest(with_large)
    (outside / "target").write_text(text)
    (with_large.root / MODEL).unlink()
    (with_large.root / MODEL).symlink_to(outside / "target")
    attempt(with_large, "theta", "checkout")
    assert (outside / "target").read_text() == text
    with_large.git("checkout", "--", MODEL)
    assert (outside / "target").read_text() == text
    assert with_large.read(MODEL) == large(1)


def test_exit_codes_tell_what_was_refused(with_small: Sandbox) -> None:
    text = manifest(with_small)
    for forge, error in [(swap_storages, CorruptObject), (REFUSED["an unknown serializer"], PluginError)]:
        (with_small.root / MODEL).write_text(forged(text, forge))
        assert attempt(with_small, "theta", "checkout").returncode == error.exit_code
