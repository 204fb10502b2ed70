"""Where to compute: what a person may ask for, and whether it is there."""

from __future__ import annotations

import re
import sys

from git_theta.errors import UsageError

CPU = "cpu"
_SPELLED = re.compile(r"auto|cpu|cuda(:(?P<index>\d{1,3}))?")


def device(asked: str) -> str:
    """The device as torch spells it; ``auto`` is the first CUDA device where there is one, else the CPU.

    Which it is changes no byte of a result (L9). Imports torch unless the CPU is asked for. Raises UsageError for what
    is no device, or is not there.
    """
    match = _SPELLED.fullmatch(asked)
    if match is None:
        raise UsageError(f"{asked!r} is no device", hint="Write auto, cpu, cuda or cuda:N.")
    if asked == CPU:
        return CPU
    count = _cuda_devices()
    if asked == "auto":
        return "cuda" if count else CPU
    if count is None:
        raise UsageError(
            f"{asked} needs torch, which is not installed here",
            hint=f"Leave --device out, or install it: {sys.executable} -m pip install torch",
        )
    if int(match["index"] or 0) >= count:
        raise UsageError(f"there is no device {asked} here: CUDA devices found: {count}", hint="Leave --device out.")
    return asked


def one_thread_each() -> None:
    """Have torch compute in the thread that asks: where several merge side by side, more would wait for each other.

    For the whole process, so only for programs of our own.
    """
    import torch

    torch.set_num_threads(1)


def _cuda_devices() -> int | None:
    """How many there are; None without torch."""
    try:
        import torch
    except ImportError:
        return None
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
