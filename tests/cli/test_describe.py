"""``git theta describe``: a file found anywhere, and the commit that it is from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox, changed, model, safetensors_bytes, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, sharded
from tests.templates import built_once

FILE = "model.safetensors"


def describe(sandbox: Sandbox, *arguments: str | Path, code: int = 0) -> Any:
    done = sandbox.theta("describe", *arguments, "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def stored_objects(sandbox: Sandbox) -> set[Path]:
    return {path for path in (sandbox.root / ".git/theta/objects").rglob("*") if path.is_file()}


@pytest.fixture
def history(sandbox: Sandbox) -> dict[str, str]:
    """Three versions on main, the last called otherwise; one on a branch."""
    _record_history(sandbox)
    names = {"first": "v1.0", "second": "main~1", "topic": "topic", "third": "main"}
    return dict(zip(names, sandbox.git("rev-parse", *names.values()).stdout.split(), strict=True))


@built_once
def _record_history(sandbox: Sandbox) -> None:
    base = model()
    track_and_commit(sandbox, {FILE: base})
    sandbox.git("tag", "v1.0")
    sandbox.write(FILE, changed(base, "layer.bias"))
    sandbox.commit("second")
    sandbox.git("switch", "-q", "-c", "topic")
    sandbox.write(FILE, changed(changed(base, "layer.bias"), "layer.weight"))
    sandbox.commit("topic")
    sandbox.git("switch", "-q", "main")
    sandbox.git("mv", FILE, "best.safetensors")
    sandbox.write("best.safetensors", changed(base, "embed.weight"))
    sandbox.commit("third")


def test_a_file_of_the_same_bytes_is_found_on_any_branch(
    sandbox: Sandbox, history: dict[str, str], tmp_path: Path
) -> None:
    contents = {
        "first": model(),
        "second": changed(model(), "layer.bias"),
        "topic": changed(changed(model(), "layer.bias"), "layer.weight"),
        "third": changed(model(), "embed.weight"),
    }
    before = stored_objects(sandbox)
    for name, content in contents.items():
        (tmp_path / "some-name").write_bytes(content)
        found = describe(sandbox, tmp_path / "some-name")
        assert (found["match"], found["commit"]["commit"]) == ("bytes", history[name]), name
        assert found["path"] == ("best.safetensors" if name == "third" else FILE)
        assert (found["lacking"], found["further"]) == ([], 0)
        assert len(found["shared"]) == 3
        assert found["shared_size"] == found["size"]
    assert stored_objects(sandbox) == before
    assert describe(sandbox, tmp_path / "some-name")["name"] == "main"


def test_what_is_printed_names_commit_and_tag(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "downloaded.safetensors").write_bytes(model())
    done = sandbox.git("theta", "describe", tmp_path / "downloaded.safetensors")
    assert done.stdout.startswith(
        f"{tmp_path}/downloaded.safetensors: the same bytes as {FILE} of {history['first'][:12]} (v1.0)\n"
    )
    assert f"commit {history['first']}" in done.stdout


def test_colors_are_those_of_git(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    assert history
    sandbox.git("config", "color.ui", "always")
    file = next(sandbox.root.glob("*.safetensors"))
    assert "\n\x1b[33mcommit " in sandbox.theta("describe", file).stdout


def test_other_metadata_leaves_the_same_tensors(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    content = changed(model(), "layer.bias")
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    tensors = {
        name: (one["dtype"], tuple(one["shape"]), data[slice(*one["data_offsets"])]) for name, one in header.items()
    }
    (tmp_path / "again.safetensors").write_bytes(safetensors_bytes(tensors, {"format": "pt", "note": "re-saved"}))
    found = describe(sandbox, tmp_path / "again.safetensors")
    assert (found["match"], found["commit"]["commit"]) == ("tensors", history["second"])
    printed = sandbox.theta("describe", tmp_path / "again.safetensors").stdout
    assert "the same tensors, with something else around them, as model.safetensors" in printed


def test_a_part_is_told_with_what_it_lacks(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    """The embedding is the third version's alone, and most of the bytes; the bias is nobody's."""
    (tmp_path / "mine.safetensors").write_bytes(changed(changed(model(), "embed.weight"), "layer.bias", at=8))
    found = describe(sandbox, tmp_path / "mine.safetensors")
    assert (found["match"], found["commit"]["commit"]) == ("part", history["third"])
    assert (set(found["shared"]), found["lacking"]) == ({"embed.weight", "layer.weight"}, ["layer.bias"])
    assert found["further"] == 1
    assert 0 < found["shared_size"] < found["size"]
    printed = sandbox.theta("describe", tmp_path / "mine.safetensors").stdout
    assert "  in common:      2 of 3 parameters, 12.3 kB of 12.4 kB\n" in printed
    assert "  only in FILE:   layer.bias\n" in printed
    assert "  only in commit: 1 parameter\n" in printed


def test_tensors_of_other_names_count(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    content = model()
    length = int.from_bytes(content[:8], "little")
    header = {f"base.{name}": one for name, one in json.loads(content[8 : 8 + length]).items()}
    data = content[8 + length :]
    tensors = {
        name: (one["dtype"], tuple(one["shape"]), data[slice(*one["data_offsets"])]) for name, one in header.items()
    }
    (tmp_path / "renamed.safetensors").write_bytes(safetensors_bytes(tensors))
    found = describe(sandbox, tmp_path / "renamed.safetensors")
    assert (found["match"], found["commit"]["commit"], found["lacking"]) == ("part", history["first"], [])


def test_only_the_revisions_that_are_named_count(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "topic").write_bytes(changed(changed(model(), "layer.bias"), "layer.weight"))
    assert describe(sandbox, tmp_path / "topic", "main")["match"] == "part"
    assert describe(sandbox, tmp_path / "topic", "topic")["match"] == "bytes"
    assert describe(sandbox, tmp_path / "topic", "v1.0..topic")["match"] == "bytes"


def test_tags_of_trees_are_no_versions(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(model())
    sandbox.git("tag", "tree", "v1.0^{tree}")
    sandbox.git("tag", "blob", f"v1.0:{FILE}")
    assert describe(sandbox, tmp_path / "first")["commit"]["commit"] == history["first"]
    assert describe(sandbox, tmp_path / "first", "tree", "main")["commit"]["commit"] == history["first"]
    refused = sandbox.theta("describe", tmp_path / "first", "tree", check=False)
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (2, "theta: error: 'tree': no commit")


def test_links_are_followed(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(model())
    (tmp_path / "link").symlink_to("blob")
    (tmp_path / "loop").symlink_to("loop")
    assert describe(sandbox, tmp_path / "link")["commit"]["commit"] == history["first"]
    assert "is no file" in sandbox.theta("describe", tmp_path / "loop", check=False).stderr


def test_what_nobody_has_is_told(sandbox: Sandbox, history: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "alien.safetensors").write_bytes(model(9))
    found = describe(sandbox, tmp_path / "alien.safetensors", code=1)
    assert (found["match"], found["commit"]) == ("none", None)
    done = sandbox.theta("describe", tmp_path / "alien.safetensors", check=False)
    assert done.stdout.endswith("no version here shares a tensor with it\n")


def test_before_the_first_commit_there_is_nothing_to_compare(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "alien.safetensors").write_bytes(model(9))
    assert describe(sandbox, tmp_path / "alien.safetensors", code=1)["match"] == "none"


def test_a_manifest_that_stands_for_the_file_is_as_good(
    sandbox: Sandbox, history: dict[str, str], tmp_path: Path
) -> None:
    text = sandbox.git("cat-file", "blob", f"{history['second']}:{FILE}").stdout
    (tmp_path / "manifest").write_text(text)
    found = describe(sandbox, tmp_path / "manifest")
    assert (found["match"], found["commit"]["commit"]) == ("bytes", history["second"])


def test_files_that_git_holds_as_they_are_count_by_their_bytes(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.write("raw.safetensors", model(3))
    raw = sandbox.commit("before anything was tracked")
    (tmp_path / "found").write_bytes(model(3))
    found = describe(sandbox, tmp_path / "found")
    assert (found["match"], found["commit"]["commit"], found["path"]) == ("bytes", raw, "raw.safetensors")


def test_files_of_no_format_are_told_by_their_pieces(sandbox: Sandbox, tmp_path: Path) -> None:
    import random

    data = random.Random(1).randbytes(3 << 20)
    sandbox.theta("track", "*.weights")
    sandbox.write("a.weights", data)
    first = sandbox.commit()
    (tmp_path / "found").write_bytes(data)
    assert describe(sandbox, tmp_path / "found")["match"] == "bytes"
    (tmp_path / "found").write_bytes(data[:-1] + b"x")
    found = describe(sandbox, tmp_path / "found")
    assert (found["match"], found["commit"]["commit"], found["shared"]) == ("part", first, [])
    assert 0 < found["shared_size"] < found["size"]


def test_a_folder_of_shards_is_one_checkpoint_however_it_is_cut(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.theta("track", "*.safetensors")
    commits = []
    for number, shards in enumerate([("ab", "cd"), ("ab", "cd"), ("ab", "cd")]):
        replace_files(sandbox, sharded(*shards, c=float(number)), f"step {number}")
        commits.append(sandbox.git("rev-parse", "HEAD").stdout.strip())
    for cut, match in ((("ab", "cd"), "bytes"), (("a", "bc", "d"), "tensors"), (("abcd",), "tensors")):
        folder = tmp_path / "".join(cut) / str(len(cut))
        folder.mkdir(parents=True)
        for name, content in sharded(*cut, c=1.0).items():
            (folder / name).write_bytes(content or b"")
        place = folder if len(cut) > 1 else folder / FILE
        found = describe(sandbox, place)
        assert (found["match"], found["commit"]["commit"], found["path"]) == (match, commits[1], INDEX)
        assert len(found["files"]) == len(cut)
        if len(cut) > 1:
            assert describe(sandbox, folder / INDEX)["commit"] == found["commit"]
    only = describe(sandbox, tmp_path / "abcd" / "2" / "model-00002-of-00002.safetensors")
    assert (only["match"], only["commit"]["commit"], only["further"]) == ("part", commits[1], 2)


@pytest.mark.parametrize(("place", "said"), [("nothing", "is no file"), ("folder", "has no index of shards")])
def test_what_is_no_checkpoint_is_told(sandbox: Sandbox, tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    done = sandbox.theta("describe", tmp_path / place, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_partial_clone_says_what_it_did_not_look_at(
    sandbox: Sandbox, history: dict[str, str], tmp_path: Path
) -> None:
    sandbox.git("config", "uploadpack.allowFilter", "true")
    clone = Sandbox.clone(f"file://{sandbox.root}", tmp_path / "clone", "--filter=blob:none", "--no-checkout")
    (tmp_path / "found").write_bytes(model())
    done = clone.theta("describe", tmp_path / "found", check=False)
    assert "of the history are not here, and were not looked at" in done.stderr
    clone.git("fetch", "--quiet", "--refetch", "--no-filter")  # as the hint says
    assert describe(clone, tmp_path / "found")["match"] == "bytes"
