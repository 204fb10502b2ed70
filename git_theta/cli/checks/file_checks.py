"""Whether tracked files are stored, laid out and checked out as they should be, and converted by nobody."""

from __future__ import annotations

import shlex

from git_theta.cli.checks.checked_setup import MAX_NAMED, CheckResult, Setup
from git_theta.cli.listing import display_path
from git_theta.operations.keeping.file_states import FileState
from git_theta.repository.comparing.index_checks import FAULT_HINT, faults_of_index
from git_theta.repository.index.chosen_formats import find_unlike_layouts
from git_theta.repository.index.tracked_files import find_case_misses, find_untracked_manifests
from git_theta.vcs.attribute_files.attribute_conversions import find_conversions
from git_theta.vcs.attribute_files.nearby_attributes import ENCODING
from git_theta.words import list_some


def check_worktree(setup: Setup) -> CheckResult:
    """Whether the worktree has the files, and not their manifests."""
    paths = setup.list_paths([file.path for file in setup.files_in(FileState.MANIFEST, FileState.MISSING)])
    return ("problem", f"manifests stand in the worktree: {paths}", "Run `git theta checkout`.") if paths else None


def check_index(setup: Setup) -> CheckResult:
    """Whether the index has manifests of tracked files."""
    files = setup.files_in(FileState.RAW)
    if not files or setup.repository is None or setup.repository.worktree is None:
        return None
    top = setup.repository.worktree
    text = f"tracked, but not committed by git-theta: {setup.list_paths([file.path for file in files])}"
    paths = " ".join(shlex.quote(display_path(file.path, top)) for file in files if not file.hint)
    again = f"To store them by parameters, and then commit: git add --renormalize -- {paths}"
    return "problem", text, "\n".join(dict.fromkeys(file.hint or again for file in files))


def check_patterns(setup: Setup) -> CheckResult:
    """Whether patterns track what they should, upper and lower case."""
    paths = find_untracked_manifests(setup.repository) if setup.repository else []
    text = f"manifests in the index that no pattern tracks: {setup.list_paths(paths)}"
    hint = "Commit the .gitattributes that tracks them, or write it: git theta track. Then: git theta checkout"
    if paths:
        return "problem", text, hint
    missed = find_case_misses(setup.repository) if setup.repository and setup.repository.worktree else []
    text = f"not tracked, as patterns tell upper from lower case: {setup.list_paths(missed)}"
    return ("note", text, "Track their ending, too: git theta track") if missed else None


def check_layouts(setup: Setup) -> CheckResult:
    """Whether files are laid out by the formats that attributes choose for them."""
    unlike = find_unlike_layouts(setup.files, setup.repository) if setup.repository else []
    if not unlike:
        return None
    again = f"git theta relayout {setup.list_paths([one.path for one in unlike])}"
    hints = dict.fromkeys(
        one.hint or f"They stay as they are until somebody lays them out anew: {again}" for one in unlike
    )
    return "note", "; ".join(list_some([one.describe() for one in unlike], MAX_NAMED)), "\n".join(hints)


def check_shards(setup: Setup) -> CheckResult:
    """Whether index files of sharded checkpoints and their shards agree."""
    faults = faults_of_index(setup.repository) if setup.repository else []
    return ("problem", "; ".join(list_some(faults)), FAULT_HINT) if faults else None


def check_conversions(setup: Setup) -> CheckResult:
    """Whether Git converts line ends, encodings or `$Id$` of tracked files, which is to say, of manifests."""
    if setup.repository is None or setup.repository.worktree is None:
        return None
    found = find_conversions([file.path for file in setup.files], setup.repository)
    if not found:
        return None
    by_rule: dict[str, list[str]] = {}
    for one in found:
        place = one.file or ("the configuration" if one.attribute.startswith("core.") else "attributes of your own")
        by_rule.setdefault(f"{one.attribute} ({place})", []).append(one.path)
    text = "; ".join(f"{rule}: {setup.list_paths(paths)}" for rule, paths in by_rule.items())
    hint = f"Append to that file, for these paths: PATTERN -text -ident !{ENCODING}"
    return "problem", f"Git converts tracked files: {text}", hint
