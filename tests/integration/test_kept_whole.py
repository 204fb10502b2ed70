"""Files that no format reads, through every command: what is said of them is true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.sandbox import Sandbox

FILE = "weights.blob"


def content(seed: int, size: int = 3 << 20) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@pytest.fixture
def versions(tmp_path: Path) -> Sandbox:
    """A file in pieces whose first byte changes, then beside it a short one."""
    sandbox = Sandbox.create(tmp_path / "repository")
    sandbox.theta("track", "*.blob")
    first = content(0)
    for number, data in enumerate([first, bytes([first[0] ^ 1]) + first[1:]]):
        sandbox.write(FILE, data)
        sandbox.commit(f"v{number}")
        sandbox.git("tag", f"v{number}")
    sandbox.write("short.blob", b"a short one")
    sandbox.commit("v2")
    return sandbox


def pieces(sandbox: Sandbox) -> int:
    """How many pieces the file is kept in."""
    return len(sandbox.git("cat-file", "blob", f"HEAD:{FILE}").stdout.splitlines()) - 2


def test_diff_tells_which_pieces_differ(versions: Sandbox) -> None:
    said = versions.theta("diff", "v0", "v1").stdout
    assert f"kept whole: 1 of {pieces(versions)} pieces differs (" in said
    assert "not compared by parameter" in said
    assert "0 parameters" not in said
    assert "metadata" not in said
    found = json.loads(versions.theta("diff", "--json", "v0", "v1").stdout)["checkpoints"][0]
    assert found["verdict"]["look"] == "kept-whole"
    assert found["pieces"] == {"total": pieces(versions), "differing": 1}
    assert 256 << 10 <= found["stored"] <= 4 << 20
    assert f"kept whole, 1 of {pieces(versions)} pieces differs" in versions.theta("diff", "--stat", "v0", "v1").stdout


def test_diff_tells_of_a_file_that_comes_and_goes(versions: Sandbox) -> None:
    came = versions.git("diff", "v1", "HEAD", "--", "short.blob").stdout
    assert "new file" in came
    assert "kept whole: 1 piece; not compared by parameter" in came
    assert "deleted file" in versions.git("diff", "HEAD", "v1", "--", "short.blob").stdout


def test_log_counts_what_was_really_stored(versions: Sandbox) -> None:
    entries = json.loads(versions.theta("log", "--json").stdout)
    assert [one["subject"] for one in entries] == ["v2", "v1", "v0"]
    short, second, first = (one["checkpoints"][0] for one in entries)
    assert first["stored"] >= 3 << 20
    assert 256 << 10 <= second["stored"] <= 4 << 20
    assert second["pieces"] == {"total": pieces(versions), "differing": 1}
    assert 0 < short["stored"] < 100
    assert f"kept whole: 1 of {pieces(versions)} pieces differs" in versions.theta("log").stdout


def test_show_tells_what_is_stored(versions: Sandbox) -> None:
    said = versions.theta("show", FILE).stdout
    assert "none: no format reads the file, so it is kept whole" in said
    assert "stored      3.1 MB in" in said
    assert "(all)" not in said


def test_blame_and_map_refuse(versions: Sandbox) -> None:
    blame = versions.theta("blame", FILE, check=False)
    assert blame.returncode != 0
    assert "kept whole: it has no parameters" in blame.stderr
    charted = versions.theta("map", "v0", "v1", "--", FILE, check=False)
    assert charted.returncode != 0
    assert charted.stdout == ""
    assert "kept whole" in charted.stderr


def test_add_says_once_that_it_keeps_a_file_whole(tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "repository")
    sandbox.theta("track", "*.blob")
    sandbox.write(FILE, b"no format")
    assert "kept whole" in sandbox.git("add", FILE).stderr
    sandbox.write(FILE, b"no format either")
    assert "kept whole" not in sandbox.git("status").stderr
    assert "kept whole" not in sandbox.git("add", FILE).stderr


def test_a_conflict_says_that_it_is_one_of_a_whole_file(versions: Sandbox) -> None:
    versions.git("switch", "--quiet", "--create", "side", "v0")
    versions.write(FILE, content(1))
    versions.commit("side")
    versions.git("switch", "--quiet", "--detach", "v1")
    said = versions.git("merge", "side", check=False).stderr
    assert "both sides changed it, and it is kept whole" in said
    assert "pickled" not in said
