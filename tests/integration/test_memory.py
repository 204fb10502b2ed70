"""Memory is bounded by neither the file nor the tensor (L6): in our process, and in Git's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.results import MB, MEMORY, OURS
from benchmarks.timing import Probe, probe_command
from tests.sandbox import Sandbox, track_and_commit

pytestmark = pytest.mark.genuine  # what is measured is a process as Git starts it

LARGE = 300 * MB
"""As much as ours may use: a file that is held whole is one too many."""
HUGE = 2300 * MB
"""Its large tensor has more than 2 GiB: sizes and offsets that 31 bits do not hold."""
TENSOR = 4 << 20
INTERVAL = 0.05
"""Seconds between two looks at processes that grow, if they do, for longer than that."""
NAME = "model.bin"
BLOCK = 64 << 20


def blocks(size: int) -> Iterator[memoryview]:
    """``size`` bytes of normally distributed fp32, cheap to make and yet without two equal mebibytes."""
    block = memoryview(bytearray(np.random.default_rng(0).standard_normal(BLOCK // 4, np.float32).tobytes()))
    for start in range(0, size, BLOCK):
        for stamp in range(0, BLOCK, 1 << 20):
            block[stamp : stamp + 8] = (start + stamp).to_bytes(8, "little")
        yield block[: size - start]


def write_safetensors(file: Path, sizes: list[int]) -> None:
    """fp32 tensors of so many bytes each."""
    ends = np.cumsum(sizes).tolist()
    header = {
        f"layer.{number}.weight": {"dtype": "F32", "shape": [size // 4], "data_offsets": [end - size, end]}
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True))
    }
    text = json.dumps(header).encode()
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        out.writelines(blocks(ends[-1]))


def single(file: Path, size: int) -> None:
    write_safetensors(file, [size])


def many(file: Path, size: int) -> None:
    write_safetensors(file, [TENSOR] * (size // TENSOR))


def single_and_many(file: Path, size: int) -> None:
    """A twentieth of it in small tensors behind a large one."""
    count = size // 20 // TENSOR
    write_safetensors(file, [size - count * TENSOR, *[TENSOR] * count])


def torch_zip(file: Path, size: int) -> None:
    """A large storage and many small ones."""
    values = torch.from_numpy(np.concatenate([np.frombuffer(block, np.float32) for block in blocks(size)]))
    half, step = len(values) // 2, TENSOR // 4
    # A slice would be saved with all of the storage that it is a view of.
    small = {f"layer.{start}": values[start : start + step].clone() for start in range(half, len(values), step)}
    torch.save({"embed": values[:half].clone(), **small}, file)


def opaque(file: Path, size: int) -> None:
    with file.open("wb") as out:
        out.writelines(blocks(size))


def within_budget(probe: Probe) -> None:
    """Both programs ran, and neither needed more than it may."""
    assert probe.peaks[OURS] < MEMORY[OURS], f"{probe.peaks[OURS] / MB:.0f} MB in git-theta"
    assert probe.peaks["git"] < MEMORY["git"], f"{probe.peaks['git'] / MB:.0f} MB in git"


@pytest.fixture
def tracked(sandbox: Sandbox) -> Sandbox:
    """A repository in which git-theta has the file, once it is there."""
    return track_and_commit(sandbox, {}, NAME)


@pytest.fixture
def committed(tracked: Sandbox) -> Sandbox:
    """A repository with one large tensor in a commit."""
    single(tracked.root / NAME, LARGE)
    tracked.commit()
    return tracked


def round_trip(sandbox: Sandbox, write: Callable[[Path, int], None], size: int) -> None:
    """Add a file, check it out, and hold the peaks of both against the budget."""
    if shutil.disk_usage(sandbox.root).free < 4 * size:
        pytest.skip(f"a file of {size / 1e9:g} GB, its objects and a copy need {4 * size / 1e9:g} GB of disk")
    file, original = sandbox.root / NAME, sandbox.root.parent / "original"
    write(file, size)
    within_budget(probe_command(["git", "add", NAME], sandbox.root, INTERVAL))
    sandbox.git("commit", "--quiet", "-m", "a checkpoint")
    file.rename(original)
    within_budget(probe_command(["git", "checkout", "--", NAME], sandbox.root, INTERVAL))
    sandbox.run("cmp", file, original)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[None]:
    """Gives the disk back at once: pytest keeps the folders of its last three runs."""
    yield
    shutil.rmtree(tmp_path)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("write", [single, many, torch_zip, opaque])
def test_l6_a_large_file_is_never_held(tracked: Sandbox, write: Callable[[Path, int], None]) -> None:
    round_trip(tracked, write, LARGE)


@pytest.mark.slow
@pytest.mark.usefixtures("room")
def test_l6_a_huge_file_is_never_held(tracked: Sandbox) -> None:
    round_trip(tracked, single_and_many, HUGE)


@pytest.mark.usefixtures("room")
def test_l6_a_tensor_that_differs_at_its_end_alone_is_never_held(committed: Sandbox) -> None:
    """It is taken for the known one until the last byte, and then read a second time."""
    with (committed.root / NAME).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    within_budget(probe_command(["git", "add", NAME], committed.root, INTERVAL))
    assert committed.git("diff", "--cached", "--name-only").stdout == f"{NAME}\n"


@pytest.mark.usefixtures("room")
def test_l6_what_git_must_hold_is_held_by_git_alone(committed: Sandbox) -> None:
    """``cat-file --filters`` gets the file while it waits, and keeps all of it before it writes any."""
    probe = probe_command(["git", "cat-file", "--filters", f"HEAD:{NAME}"], committed.root, INTERVAL)
    assert probe.peaks[OURS] < MEMORY[OURS] / 2
    assert probe.peaks["git"] > LARGE
