"""L2: whatever is added is checked out again, also where no manifest could hold it by parameters."""

from __future__ import annotations

import json

import pytest

from tests.sandbox import Sandbox

MODEL = "model.safetensors"
LONGEST = 16_777_100
"""Letters of a name that a header of 16 MiB has room for, and a line of a manifest, which says more of it, has not."""


def named(size: int) -> bytes:
    """A checkpoint of one parameter with a name of so many letters."""
    header = json.dumps({"n" * size: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"1234"


@pytest.mark.parametrize("size", [5_000_000, LONGEST], ids=["by parameters", "kept whole"])
def test_l2_a_parameter_with_a_name_of_megabytes_comes_back(sandbox: Sandbox, size: int) -> None:
    """It was committed as a manifest that no reader took: exit 0, and the file gone at the next checkout."""
    content = named(size)
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, content)
    done = sandbox.git("add", "--all")
    fits = size < LONGEST
    assert ("kept whole, not by parameters: no manifest can hold its" in done.stderr) == (not fits)
    assert len(done.stderr) < 2000
    sandbox.git("commit", "--quiet", "-m", "a long name")
    assert ('{"name":"nnn' in sandbox.git("show", f"HEAD:{MODEL}").stdout) == fits
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == content
    assert sandbox.git("status", "--porcelain").stdout == ""
    sandbox.theta("fsck")
