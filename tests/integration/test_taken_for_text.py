"""A manifest that something took for common text: never a new model, never a settled merge, never an empty file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.checkpoint_history import assert_clean, staged
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.two_branches import BASE, MODEL, contested, fork, objects_of

LARGE = model(1, **{"layer.weight": (2200, 1000)})  # 8.8 MB: written when Git has hung up
DEEP = model(2, **{f"layer{number}.weight": (300, 300) for number in range(10)})
CONVERTED = ["* text=auto eol=crlf", "* text eol=crlf", "* -text working-tree-encoding=UTF-16"]
Change = Callable[[bytes], bytes]
NEAR: dict[str, Change] = {
    "line_ends": lambda text: text.replace(b"\n", b"\r\n"),
    "old_line_ends": lambda text: text.replace(b"\n", b"\r"),
    "mark": lambda text: b"\xef\xbb\xbf" + text,
    "mark_and_line_ends": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    "utf_16": lambda text: text.decode().encode("utf-16"),
    "utf_16_le": lambda text: text.decode().encode("utf-16-le"),
    "utf_16_be": lambda text: text.decode().encode("utf-16-be"),
    "utf_32": lambda text: text.decode().encode("utf-32"),
}
BROKEN: dict[str, Change] = {
    "truncated": lambda text: text[:-10],
    "markers": lambda text: b"<<<<<<< HEAD\n" + text + b"=======\n" + text + b">>>>>>> side\n",
    "markers_inside": lambda text: text + b"<<<<<<< a\n{}\n=======\n>>>>>>> b\n",
    "markers_converted": lambda text: (text + b"<<<<<<< a\n{}\n=======\n>>>>>>> b\n").replace(b"\n", b"\r\n"),
    "mark_and_truncated": lambda text: b"\xef\xbb\xbf" + text[:-10],
    "half_a_letter": lambda text: text.decode().encode("utf-16")[:-1],
}


@pytest.mark.parametrize("content", [model(), LARGE], ids=["small", "large"])
@pytest.mark.parametrize("attributes", CONVERTED)
def test_attributes_that_convert_a_manifest_do_not_reach_the_file(
    sandbox: Sandbox, attributes: str, content: bytes
) -> None:
    """As where a folder's own .gitattributes, or one line of info/attributes, wins over ours."""
    track_and_commit(sandbox, {"sub/m.safetensors": content})
    (sandbox.root / ".git/info").mkdir(exist_ok=True)
    (sandbox.root / ".git/info/attributes").write_text(f"{attributes}\n")
    (sandbox.root / "sub/m.safetensors").unlink()
    done = sandbox.git("checkout", "--", "sub/m.safetensors")
    assert sandbox.read("sub/m.safetensors") == content
    assert "Git has converted its manifest, which was put right. See: git theta doctor" in done.stderr
    if "encoding" not in attributes:
        assert_clean(sandbox)


@pytest.mark.parametrize("convert", NEAR.values(), ids=NEAR)
def test_a_converted_manifest_in_the_worktree_is_the_manifest(sandbox: Sandbox, convert: Change) -> None:
    track_and_commit(sandbox, {MODEL: BASE})
    text = staged(sandbox, MODEL)
    sandbox.write(MODEL, convert(text))
    assert f"{MODEL}\tmanifest" in sandbox.theta("status").stdout
    sandbox.git("add", "--all")
    assert staged(sandbox, MODEL) == text
    assert sandbox.theta("checkout").stdout.startswith("1 file checked out")
    assert sandbox.read(MODEL) == BASE
    assert_clean(sandbox)


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("command", [("add", "."), ("commit", "-qam", "all"), ("stash",)], ids=" ".join)
def test_what_was_a_manifest_is_recorded_by_nobody(sandbox: Sandbox, spoil: Change, command: tuple[str, ...]) -> None:
    track_and_commit(sandbox, {MODEL: BASE})
    before = staged(sandbox, MODEL)
    sandbox.write(MODEL, spoil(before))
    done = sandbox.git(*command, check=False)
    assert done.returncode
    assert f"theta: error: {MODEL}: " in done.stderr
    assert "hint: " in done.stderr
    assert staged(sandbox, MODEL) == before


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_what_only_looks_still_works_and_the_file_can_be_had_back(sandbox: Sandbox, spoil: Change) -> None:
    track_and_commit(sandbox, {MODEL: BASE})
    sandbox.write(MODEL, spoil(staged(sandbox, MODEL)))
    assert sandbox.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    sandbox.git("switch", "-qc", "side")
    refused = sandbox.theta("checkout", check=False)
    assert refused.returncode == 5
    assert f"theta: error: {MODEL}: " in refused.stderr
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == BASE


def test_what_was_committed_like_that_stays_until_it_is_mended(sandbox: Sandbox) -> None:
    """By a forge's conflict editor, which runs no filter."""
    track_and_commit(sandbox, {MODEL: BASE})
    text = BROKEN["markers"](staged(sandbox, MODEL))
    oid = sandbox.git("hash-object", "-w", "--no-filters", "--stdin", input=text.decode()).stdout.strip()
    sandbox.git("update-index", "--cacheinfo", f"100644,{oid},{MODEL}")
    sandbox.git("commit", "-qm", "in the browser")
    done = sandbox.git("checkout", "--", MODEL)
    assert "conflict markers stand in its manifest; checked out as it is" in done.stderr
    assert_clean(sandbox)
    sandbox.git("add", "--renormalize", ".")
    assert_clean(sandbox)
    assert "conflict markers" in sandbox.theta("status").stdout
    sandbox.git("checkout", "-q", "HEAD~", "--", MODEL)
    assert sandbox.read(MODEL) == BASE


def test_a_merge_by_text_leaves_its_conflict_and_the_way_out_works(sandbox: Sandbox) -> None:
    contested(sandbox)
    assert sandbox.git("merge", "-q", "-s", "resolve", "side", check=False).returncode
    refused = sandbox.git("commit", "-qam", "merged", check=False)
    assert refused.returncode
    assert f"theta: error: {MODEL}: conflict markers stand in its manifest" in refused.stderr
    assert "git checkout --merge -- FILE" in refused.stderr
    sandbox.git("checkout", "--merge", "--", MODEL, check=False)
    sandbox.theta("resolve", "--theirs")
    sandbox.git("commit", "-qam", "merged")
    assert is_manifest(staged(sandbox, MODEL))
    assert b"<<<<<<<" not in staged(sandbox, MODEL)


@pytest.mark.parametrize("strategy", ["resolve", "octopus"])
def test_a_merge_by_text_that_went_well_says_that_a_manifest_stands_there(sandbox: Sandbox, strategy: str) -> None:
    fork(sandbox, {MODEL: BASE}, {MODEL: changed(BASE, "embed.weight")}, {MODEL: changed(BASE, "layer.bias")})
    heads = ["side"]
    if strategy == "octopus":
        sandbox.git("switch", "-qc", "third", "base")
        sandbox.write("other.txt", b"other")
        sandbox.commit()
        sandbox.git("switch", "-q", "main")
        heads.append("third")
    done = sandbox.git("merge", "-q", "-m", "by text", "-s", strategy, *heads)
    assert is_manifest(sandbox.read(MODEL))
    assert f"theta: warning: {MODEL}: its manifest is recorded, which stands in its place" in done.stderr
    sandbox.theta("checkout")
    assert sandbox.read(MODEL) == changed(changed(BASE, "embed.weight"), "layer.bias")
    assert_clean(sandbox)


def test_manifests_on_purpose_are_no_news(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {MODEL: BASE})
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL, env={"GIT_THETA_SKIP_SMUDGE": "1"})
    sandbox.write(MODEL, sandbox.read(MODEL))
    assert "warning" not in sandbox.git("add", ".").stderr


@pytest.mark.parametrize("damage", ["missing", "rotten"])
@pytest.mark.parametrize("command", ["apply", "am", "apply --index"])
def test_a_patch_whose_weights_are_not_here(sandbox: Sandbox, tmp_path: Path, command: str, damage: str) -> None:
    track_and_commit(sandbox, {MODEL: DEEP})
    sandbox.write(MODEL, changed(DEEP, "layer9.weight"))
    sandbox.commit()
    patch = tmp_path / "0001.patch"
    patch.write_text(sandbox.git("format-patch", "--stdout", "--no-ext-diff", "-1").stdout)
    [gone, *_] = objects_of(sandbox, "HEAD", "layer9.weight")
    sandbox.git("reset", "-q", "--hard", "HEAD~")
    gone.chmod(0o644)
    if damage == "missing":
        gone.unlink()
    else:
        gone.write_bytes(bytes([gone.read_bytes()[0] ^ 1]) + gone.read_bytes()[1:])
    trained = DEEP
    if command == "apply":
        trained = changed(DEEP, "layer0.weight")
        sandbox.write(MODEL, trained)
    done = sandbox.git(*command.split(), str(patch), check=False)
    assert done.returncode == 0
    assert f"theta: warning: {MODEL} could not be restored, and its manifest stands in its place" in done.stderr
    text = sandbox.read(MODEL)
    assert is_manifest(text)
    # What was trained and not yet added is in the store, and the manifest names it.
    entry = next(one for one in map(json.loads, text.splitlines()[2:]) if one["name"] == "layer0.weight")
    assert entry["oid"] in staged_oids(sandbox, trained, tmp_path)


def staged_oids(sandbox: Sandbox, content: bytes, tmp_path: Path) -> str:
    """The manifest that a file has."""
    file = tmp_path / "elsewhere"
    file.write_bytes(content)
    oid = sandbox.git("hash-object", "-w", f"--path={MODEL}", str(file)).stdout.strip()
    return sandbox.git("cat-file", "blob", oid).stdout


def test_a_patch_whose_weights_are_here_gives_the_file(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {MODEL: BASE})
    patch = sandbox.root.parent / "one.patch"
    sandbox.write(MODEL, changed(BASE, "layer.bias"))
    patch.write_text(sandbox.git("diff", "--no-ext-diff").stdout)
    sandbox.git("checkout", "-q", "--", MODEL)
    assert "warning" not in sandbox.git("apply", str(patch)).stderr
    assert sandbox.read(MODEL) == changed(BASE, "layer.bias")


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16LE", "UTF-32", "SHIFT-JIS", "ISO-8859-1"])
def test_a_manifest_is_not_recorded_in_another_encoding(sandbox: Sandbox, encoding: str) -> None:
    """Git takes what clean answers for a text in the worktree's encoding, and pushes know no such manifest."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write("sub/.gitattributes", f"m.* working-tree-encoding={encoding}\n".encode())
    sandbox.write("sub/m.safetensors", BASE)
    done = sandbox.git("add", "--all", check=False)
    assert done.returncode
    error = f"sub/m.safetensors: working-tree-encoding={encoding} (sub/.gitattributes) has Git recode its manifest"
    assert f"theta: error: {error}" in done.stderr
    with (sandbox.root / "sub/.gitattributes").open("a") as file:
        file.write("m.* !working-tree-encoding\n")
    sandbox.commit()
    assert is_manifest(staged(sandbox, "sub/m.safetensors"))
