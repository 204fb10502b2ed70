"""Change one place of a file after another, run the tests of its room, and name the changes that none notices.

python -m tests.mutation [--most 5] [--seed 0] [FILE ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from tests.mutation.copies import ROOT, ProjectCopy
from tests.mutation.mutants import Mutant, mutants_of

ROOMS = {
    "git_theta/store/local.py": ["tests/store", "tests/faults/test_refused.py"],
    "git_theta/transport/directory.py": ["tests/transport", "tests/cli/test_pre_push.py"],
    "git_theta/parameters.py": ["tests/test_parameters.py", "tests/faults/test_corrupt_objects.py"],
    "git_theta/manifest/text.py": ["tests/manifest", "tests/spec"],
    "git_theta/formats/layout.py": ["tests/formats"],
    "git_theta/formats/zip/zip_directory.py": ["tests/formats"],
    "git_theta/operations/restoring/deferred.py": ["tests/operations", "tests/integration/test_never_lost.py"],
    "git_theta/operations/restoring/materialise.py": ["tests/operations", "tests/faults/test_refused.py"],
    "git_theta/operations/restoring/restore.py": ["tests/operations"],
    "git_theta/operations/adding/clean_cache.py": ["tests/operations", "tests/properties"],
    "git_theta/operations/adding/known_parts.py": ["tests/operations", "tests/properties"],
    "git_theta/operations/keeping/verify.py": ["tests/operations", "tests/cli/test_fsck.py"],
    "git_theta/merging/decisions.py": ["tests/merging"],
    "git_theta/merging/plan.py": ["tests/merging"],
}
"""The files that hold the laws, and the tests that hold them to it, quickest first."""
_PATIENCE = 3
"""How many times as long as on the right program the tests may take on a wrong one."""


def main() -> int:
    """Report the survivors of each file; 1 where there is any."""
    options = _parse_arguments()
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = ProjectCopy(Path(folder))
        for file in options.files or list(ROOMS):
            survivors += _report_survivors(file, copy, options.most, options.seed)
    print(f"{survivors} changes went unnoticed")
    return int(survivors > 0)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="one of those in ROOMS")
    parser.add_argument("--most", type=int, default=5, help="changes to try in each file")
    parser.add_argument("--seed", type=int, default=0, help="which changes are tried first")
    return parser.parse_args()


def _report_survivors(file: str, copy: ProjectCopy, most: int, seed: int) -> int:
    tests = [test for test in ROOMS[file] if (ROOT / test).exists()]
    started = time.monotonic()
    if not copy.run_tests(tests, 3600):
        sys.exit(f"{file}: its tests fail as it is")
    patience = _PATIENCE * (time.monotonic() - started) + 10
    right = (copy.root / file).read_text()
    tried = list(islice(mutants_of(right, seed), most))
    try:
        survivors = [mutant for mutant in tried if _survives(mutant, copy, file, tests, patience)]
    finally:
        (copy.root / file).write_text(right)
    print(f"{file}: {len(tried) - len(survivors)} of {len(tried)} noticed", flush=True)
    for mutant in survivors:
        print(f"  line {mutant.line}: {_first_line(mutant.before)}  ->  {_first_line(mutant.after)}", flush=True)
    return len(survivors)


def _survives(mutant: Mutant, copy: ProjectCopy, file: str, tests: list[str], patience: float) -> bool:
    (copy.root / file).write_text(mutant.source)
    return copy.run_tests(tests, patience)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
