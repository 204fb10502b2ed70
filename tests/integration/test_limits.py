"""L2: whatever is added is checked out again, also where no manifest could hold it by parameters."""

from __future__ import annotations

import json

import pytest

from tests.sandbox import Sandbox, changed, model
from tests.two_branches import fork, stages, tensors

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


ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
SHARP, KELVIN = "\N{LATIN SMALL LETTER SHARP S}", "\N{KELVIN SIGN}"
ALIKE = ["W", "w", "w ", "K", "k", KELVIN, "SS", SHARP, *ACUTE, "a.b", "a/b", "N" * 60_000, "n" * 60_000]
"""Names that are one to a file system, or to whoever compares without regard to case, accents or length."""


def test_names_that_are_nearly_alike_are_parameters_of_their_own(sandbox: Sandbox) -> None:
    base = ours = theirs = model(0, **dict.fromkeys(ALIKE, 3))
    for number, name in enumerate(ALIKE):
        ours, theirs = (changed(ours, name), theirs) if number % 2 else (ours, changed(theirs, name))
    fork(sandbox, {MODEL: base}, {MODEL: ours}, {MODEL: theirs})
    told = json.loads(sandbox.theta("diff", "--json", "base", "ours").stdout)
    rows = [row for checkpoint in told["checkpoints"] for row in checkpoint["parameters"]]
    assert sorted(row["name"] for row in rows) == sorted(ALIKE[1::2])
    sandbox.git("merge", "-q", "--no-edit", "side")
    assert stages(sandbox, MODEL) == [0]
    sides = tensors(theirs), tensors(ours)
    merged = sandbox.read(MODEL)
    assert tensors(merged) == {name: sides[number % 2][name] for number, name in enumerate(ALIKE)}
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == merged
