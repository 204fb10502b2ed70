"""One target, led by which lines are reached (atheris): ``python -m tests.fuzzing.guided TARGET FOLDER SECONDS``.

A process of its own: atheris never gives one back. Its inputs stay in FOLDER, so that the next run goes on from there;
what breaks the contract is written into FOLDER/found.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import atheris

_INSTRUMENTED = ["git_theta", "git_theta_gguf", "git_theta_numpy"]

with atheris.instrument_imports(include=_INSTRUMENTED):
    from tests.fuzzing.targets import LONGEST, TARGETS, require_own_errors

_LONGEST_INPUT = 16_384
"""Bytes. Larger seeds are cut there: what a parser must bear is in its first kilobytes, and short inputs are fast."""


def main(name: str, folder: Path, seconds: int) -> None:
    """Run until the time is over, or something is found: the process then ends with libFuzzer's code."""
    warnings.simplefilter("ignore")
    seeds, corpus, found = folder / "seeds", folder / "corpus", folder / "found"
    for made in (seeds, corpus, found):
        made.mkdir(parents=True, exist_ok=True)
    read = TARGETS[name].read
    with atheris.instrument_imports(include=_INSTRUMENTED):  # plug-ins are imported where they are first used
        for number, seed in enumerate(TARGETS[name].make_seeds()):
            (seeds / str(number)).write_bytes(seed)
            require_own_errors(read, seed)
    options = {
        "max_total_time": seconds,
        "timeout": LONGEST,
        "rss_limit_mb": 2048,  # of the whole process: what one input may take is for the target to say
        "max_len": _LONGEST_INPUT,
        "artifact_prefix": f"{found}/",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus), str(seeds)],
        lambda data: require_own_errors(read, data),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
