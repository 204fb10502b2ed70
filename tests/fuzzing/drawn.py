"""One target, damage drawn at random (hypothesis), where there is no atheris: ``python -m tests.fuzzing.drawn``.

It takes what ``tests.fuzzing.guided`` takes, and leaves what it finds at the same place.
"""

from __future__ import annotations

import hashlib
import sys
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.damage import damaged
from tests.fuzzing.targets import LONGEST, TARGETS, require_own_errors

_EXAMPLES = 500
"""Of one round: between rounds the time is looked at."""


def main(name: str, folder: Path, seconds: int) -> None:
    """Draw until the time is over. Whatever breaks the contract is raised, once its bytes are written down."""
    warnings.simplefilter("ignore")
    seeds, read, runs = TARGETS[name].make_seeds(), TARGETS[name].read, 0
    smallest = b""

    @settings(max_examples=_EXAMPLES, deadline=LONGEST * 1000, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds).flatmap(damaged))
    def draw_once(data: bytes) -> None:
        nonlocal runs, smallest
        runs, smallest = runs + 1, data
        require_own_errors(read, data)

    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            draw_once()
    except BaseException:  # hypothesis raises last what its smallest example raised
        found = folder / "found"
        found.mkdir(parents=True, exist_ok=True)
        (found / f"drawn-{hashlib.sha256(smallest).hexdigest()[:16]}").write_bytes(smallest)
        raise
    print(f"stat::number_of_executed_units: {runs}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
