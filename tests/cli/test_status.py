"""``git theta status``: which tracked files are there, and which are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.sandbox import Sandbox, changed, model

BIG = model(0, weight=(600, 600), bias=30)


def states(sandbox: Sandbox, *pathspecs: str) -> dict[str, str]:
    return {file["path"]: file["state"] for file in report(sandbox, *pathspecs)["files"]}


def report(sandbox: Sandbox, *pathspecs: str) -> Any:
    return json.loads(sandbox.theta("status", "--json", *pathspecs).stdout)


def leave_manifest(sandbox: Sandbox, path: str) -> None:
    """As a checkout that was killed before it wrote the file leaves the worktree."""
    (sandbox.root / path).unlink()
    sandbox.git("checkout", "--", path, env={"GIT_THETA_SKIP_SMUDGE": "1"})
    assert sandbox.read(path).startswith(b"git-theta manifest 1\n")


def test_every_state_has_its_name(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    for name in ("absent", "here", "manifest", "lost"):
        sandbox.write(f"{name}.safetensors", BIG if name != "lost" else model(7, weight=(600, 600)))
    sandbox.commit()
    assert set(states(sandbox).values()) == {"materialised"}
    (sandbox.root / "absent.safetensors").unlink()
    leave_manifest(sandbox, "manifest.safetensors")
    leave_manifest(sandbox, "lost.safetensors")
    lost = sandbox.root / ".git/theta/objects"
    needed = {line.split('"object":"')[1][:64] for line in sandbox.read("lost.safetensors").decode().splitlines()[1:]}
    for oid in needed:
        (lost / oid[:2] / oid[2:4] / oid).unlink()
    sandbox.write("raw.safetensors", model())
    sandbox.git("update-index", "--add", "--cacheinfo", f"100644,{hashed(sandbox, model())},raw.safetensors")
    assert states(sandbox) == {
        "absent.safetensors": "absent",
        "here.safetensors": "materialised",
        "lost.safetensors": "missing objects",
        "manifest.safetensors": "manifest",
        "raw.safetensors": "raw",
    }
    lines = sandbox.theta("status").stdout.splitlines()
    assert f"lost.safetensors\tmissing objects\t1.4 MB\t0 of {len(needed)} objects here" in lines
    assert "raw.safetensors\traw\ta raw safetensors checkpoint, committed without git-theta" in lines
    assert "manifest: `git theta checkout` puts the file in its place" in lines


def hashed(sandbox: Sandbox, content: bytes) -> str:
    file = sandbox.write(".git/content", content)
    return sandbox.git("hash-object", "-w", "--no-filters", file).stdout.strip()


def test_a_materialised_file_whose_objects_are_gone_is_counted(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", BIG)
    sandbox.commit()
    shutil.rmtree(sandbox.root / ".git/theta/objects")
    [file] = report(sandbox)["files"]
    assert (file["state"], file["missing"]) == ("materialised", file["objects"])
    assert file["objects"] == 2
    assert "materialised\t1.4 MB\t0 of 2 objects here" in sandbox.theta("status").stdout


def test_conflicts(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", BIG)
    sandbox.commit()
    sandbox.git("switch", "-qc", "side")
    sandbox.write("a.safetensors", changed(BIG, "bias"))
    sandbox.commit()
    sandbox.git("switch", "-q", "main")
    sandbox.write("a.safetensors", changed(BIG, "bias", at=4))
    sandbox.commit()
    assert sandbox.git("-c", "merge.theta.driver=false", "merge", "-q", "side", check=False).returncode == 1
    assert states(sandbox) == {"a.safetensors": "conflict"}
    assert sandbox.theta("ls-files").stdout.endswith("\tin conflict\n")


def test_totals_count_shared_objects_once(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", BIG)
    sandbox.write("b.safetensors", BIG)
    sandbox.commit()
    objects = [path for path in (sandbox.root / ".git/theta/objects").rglob("*") if path.is_file()]
    total = report(sandbox)["total"]
    assert total == {"files": 2, "size": 2 * len(BIG), "stored": sum(path.stat().st_size for path in objects)}
    assert sandbox.theta("status").stdout.splitlines()[-1].startswith("2 files, 2.9 MB, stored in ")


def test_pathspecs_folders_and_nul(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", BIG)
    sandbox.write("sub/new\nline.safetensors", BIG)
    sandbox.commit()
    below = Sandbox(sandbox.root / "sub")
    assert below.theta("status", "-z").stdout == (
        "materialised\t../a.safetensors\0materialised\tnew\nline.safetensors\0"
    )
    assert list(states(below, ".")) == ["sub/new\nline.safetensors"]
    assert below.theta("status", "-z", "--json", check=False).returncode == 2


def test_a_file_behind_a_symbolic_link_is_absent(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("sub/a.safetensors", BIG)
    sandbox.commit()
    shutil.move(sandbox.root / "sub", tmp_path / "elsewhere")
    (sandbox.root / "sub").symlink_to(tmp_path / "elsewhere")
    assert states(sandbox) == {"sub/a.safetensors": "absent"}


def test_a_partial_clone_fetches_nothing_for_it(sandbox: Sandbox, tmp_path: Path, home: Path) -> None:
    """The blobs of a sparse checkout's other files stay where they are."""
    sandbox.theta("install", "--global")
    sandbox.theta("track", "*.safetensors")
    sandbox.write("in/a.safetensors", BIG)
    sandbox.write("out/b.safetensors", model(5))
    sandbox.commit()
    sandbox.git("config", "uploadpack.allowFilter", "true")
    clone = Sandbox.clone(f"file://{sandbox.root}", tmp_path / "clone", "--filter=blob:none", "--sparse")
    clone.git("sparse-checkout", "set", "in")
    found = {file["path"]: (file["state"], file["raw"]) for file in report(clone)["files"]}
    assert found == {
        "in/a.safetensors": ("materialised", None),
        "out/b.safetensors": ("absent", "not fetched: this is a partial clone"),
    }
    clone.theta("fsck")
    absent = clone.git("rev-list", "--objects", "--all", "--missing=print").stdout
    assert sum(line.startswith("?") for line in absent.splitlines()) == 1
