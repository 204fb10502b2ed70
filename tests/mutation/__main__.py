"""Change one place of a file after another, run the tests of its room, and name the changes that none notices.

Those that need no test are told why in explained.py. An explanation that is out of date is a failure, too.

python -m tests.mutation [--most 5] [--seed 0] [FILE ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tests.mutation.copies import ProjectCopy
from tests.mutation.explained import EXPLANATIONS, Explanation, find_explanation, first_line, stale_explanations
from tests.mutation.mutants import Mutant, mutants_of

ROOMS = {
    "git_theta/store/local.py": ["tests/store", "tests/faults/test_refused.py"],
    "git_theta/transport/directory.py": ["tests/transport", "tests/cli/test_pre_push.py"],
    "git_theta/parameters/value_decoding.py": [
        "tests/parameters/test_parameters.py",
        "tests/parameters/test_chains.py",
        "tests/faults/test_corrupt_objects.py",
    ],
    "git_theta/parameters/value_encoding.py": [
        "tests/parameters/test_parameters.py",
        "tests/parameters/test_chains.py",
        "tests/faults/test_corrupt_objects.py",
    ],
    "git_theta/manifest/text.py": ["tests/manifest", "tests/spec"],
    "git_theta/manifest/common_lines.py": ["tests/manifest", "tests/spec"],
    "git_theta/manifest/exact_lines.py": ["tests/manifest", "tests/spec"],
    "git_theta/manifest/entry_json.py": ["tests/manifest", "tests/spec"],
    "git_theta/formats/layout.py": ["tests/formats"],
    "git_theta/formats/zip/zip_directory.py": ["tests/formats"],
    "git_theta/formats/zip/zip_ends.py": ["tests/formats"],
    "git_theta/formats/zip/zip_records.py": ["tests/formats"],
    "git_theta/operations/restoring/deferred.py": [
        "tests/operations/restoring/test_deferred.py",
        "tests/faults/test_written_meanwhile.py",
        "tests/faults/test_refused.py",
    ],
    "git_theta/operations/restoring/materialise.py": [
        "tests/operations/restoring/test_materialise.py",
        "tests/faults/test_refused.py",
    ],
    "git_theta/operations/restoring/restore.py": ["tests/operations/restoring"],
    "git_theta/operations/adding/clean_cache.py": ["tests/operations/adding/test_clean_cache.py", "tests/properties"],
    "git_theta/operations/adding/known_parts.py": ["tests/operations/adding/test_known_parts.py", "tests/properties"],
    "git_theta/manifest/new_parts.py": ["tests/manifest/test_new_parts.py"],
    "git_theta/operations/keeping/hashed_object.py": ["tests/operations/keeping/test_hashed_object.py"],
    "git_theta/operations/keeping/inventory.py": ["tests/operations/keeping", "tests/cli/test_fsck.py"],
    "git_theta/operations/keeping/object_parts.py": ["tests/operations/keeping/test_object_parts.py"],
    "git_theta/operations/keeping/verify.py": ["tests/operations/keeping/test_verify.py", "tests/cli/test_fsck.py"],
    "git_theta/tensors/casts.py": ["tests/tensors/test_casts.py"],
    "git_theta/serializers/frames.py": ["tests/serializers/test_frames.py"],
    "git_theta/updates/delta/block_coding.py": ["tests/updates/test_delta.py"],
    "git_theta/updates/delta/delta_update.py": ["tests/updates/test_delta.py"],
    "git_theta/updates/delta/residual_blocks.py": ["tests/updates/test_delta.py"],
    "git_theta/updates/low_rank/low_rank_prediction.py": ["tests/updates/test_low_rank.py"],
    "git_theta/merging/planning/decisions.py": ["tests/merging"],
    "git_theta/merging/planning/plan.py": ["tests/merging"],
}
"""The files that hold the laws, and the tests that hold them to it, quickest first."""
_PATIENCE = 3
"""How many times as long as on the right program the tests may take on a wrong one."""


class FileReport(NamedTuple):
    """What came of a file.

    Attributes:
        tried: how many changes.
        unnoticed: those that no test noticed, and nobody explained.
        explained: explanations of the others that no test noticed.
        stale: explanations that are out of date: no such change can be made any more, or a test noticed it.
    """

    tried: int
    unnoticed: list[Mutant]
    explained: list[Explanation]
    stale: list[Explanation]


def main() -> int:
    """Report the survivors of each file; 1 where there is any, or an explanation that is out of date."""
    options = _parse_arguments()
    reports = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = ProjectCopy(Path(folder))
        for file in options.files or list(ROOMS):
            reports.append(_try_file(file, copy, options.most, options.seed))
            _print_report(file, reports[-1])
    unnoticed, stale = sum(len(report.unnoticed) for report in reports), sum(len(report.stale) for report in reports)
    print(f"{unnoticed} changes went unnoticed, {stale} explanations are out of date")
    return int(bool(unnoticed or stale))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="one of those in ROOMS")
    parser.add_argument("--most", type=int, default=5, help="changes to try in each file")
    parser.add_argument("--seed", type=int, default=0, help="which changes are tried first")
    return parser.parse_args()


def _try_file(file: str, copy: ProjectCopy, most: int, seed: int) -> FileReport:
    started = time.monotonic()
    if not copy.run_tests(ROOMS[file], 3600):
        sys.exit(f"{file}: its tests fail as it is")
    patience = _PATIENCE * (time.monotonic() - started) + 10
    right = (copy.root / file).read_text()
    tried = list(islice(mutants_of(right, seed), most))
    try:
        survivors = [mutant for mutant in tried if _survives(mutant, copy, file, patience)]
    finally:
        (copy.root / file).write_text(right)
    return report_file(file, right, tried, survivors)


def report_file(
    file: str,
    source: str,
    tried: Sequence[Mutant],
    survivors: Sequence[Mutant],
    explanations: Sequence[Explanation] = EXPLANATIONS,
) -> FileReport:
    """What was tried on a file with the text ``source``, and what has to be said of it."""
    reasons = {mutant: find_explanation(file, source, mutant, explanations) for mutant in tried}
    noticed = [reason for mutant, reason in reasons.items() if reason and mutant not in survivors]
    return FileReport(
        len(tried),
        [mutant for mutant in survivors if not reasons[mutant]],
        [reason for mutant in survivors if (reason := reasons[mutant])],
        [*stale_explanations(file, source, explanations), *noticed],
    )


def _print_report(file: str, report: FileReport) -> None:
    noticed = report.tried - len(report.unnoticed) - len(report.explained)
    print(f"{file}: {noticed} of {report.tried} noticed, {len(report.explained)} explained", flush=True)
    for mutant in report.unnoticed:
        print(f"  line {mutant.line}: {first_line(mutant.before)}  ->  {first_line(mutant.after)}", flush=True)
    for stale in report.stale:
        print(f"  explained, but noticed or not there: {stale.line}  ->  {stale.after}", flush=True)


def _survives(mutant: Mutant, copy: ProjectCopy, file: str, patience: float) -> bool:
    (copy.root / file).write_text(mutant.source)
    return copy.run_tests(ROOMS[file], patience)


if __name__ == "__main__":
    sys.exit(main())
