"""Which files are meant, where nobody says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from git_theta.errors import UsageError
from git_theta.repository.migrating.blob_facts import read_blob_facts
from git_theta.repository.migrating.history_survey import survey_attributes
from git_theta.repository.migrating.lfs_objects import LONGEST_POINTER
from git_theta.vcs.attribute_files.attribute_lines import ATTRIBUTES
from git_theta.vcs.attribute_files.attribute_rewriting import anchor_pattern, list_filtered
from git_theta.vcs.attribute_files.attributes import tracked_patterns
from git_theta.vcs.blob_walks import range_blobs
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.discovery import Repository

SUFFIXES = (
    ".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pt2", ".distcp", ".nemo", ".pkl", ".onnx", ".h5", ".keras",
    ".msgpack",
)  # fmt: skip
"""How checkpoints are called."""
LARGE_FILE = 1_000_000
"""Bytes from which on a file of such a name is taken for one."""
LARGEST_ATTRIBUTES = 16 << 20
"""Bytes of an attributes file that is looked at; Git itself ignores those above 100 MB."""


def choose_import_patterns(repository: Repository, tips: Sequence[str]) -> list[bytes]:
    """What is tracked here now; else the usual suffixes under which something large was ever committed.

    Raises UsageError where there is neither.
    """
    tracked = tracked_patterns(repository) if repository.worktree else []
    found = [anchor_pattern(folder_of(os.fsencode(one.file)), os.fsencode(one.pattern)) for one in tracked]
    found = found or [b"*" + suffix.encode() for suffix in SUFFIXES if suffix in _find_large_suffixes(tips)]
    if not found:
        raise UsageError(
            f"no pattern is tracked, and no file of 1 MB or more is called *{' or *'.join(SUFFIXES)}",
            hint="Say which files are meant, however small: git theta migrate import --include '*.gguf'",
        )
    return list(dict.fromkeys(found))


def choose_export_patterns(tips: Sequence[str]) -> list[bytes]:
    """Every pattern that was ever tracked. Raises UsageError where there is none."""
    files = survey_attributes(tips)
    contents = read_wanted_blobs((blob.decode() for _, blob in files), lambda _: True, LARGEST_ATTRIBUTES)
    found = {
        anchor_pattern(folder_of(path), pattern): None
        for path, blob in sorted(files)
        for pattern in list_filtered(contents.get(blob.decode(), b""), ATTRIBUTES[0])
    }
    if not found:
        raise UsageError(
            "no commit tracks anything with git-theta", hint="Name branches, or take all of them: --everything"
        )
    return list(found)


def folder_of(attributes_file: bytes) -> bytes:
    """The folder to which the patterns of an attributes file are relative; b"" for the top."""
    return b"" if attributes_file == b"info/attributes" else attributes_file.rpartition(b"/")[0]


def _find_large_suffixes(tips: Iterable[str]) -> set[str]:
    found, short = set(), []
    for blob in range_blobs(tips):
        suffix = PurePosixPath(blob.path).suffix
        if suffix not in SUFFIXES or suffix in found:
            continue
        if blob.size >= LARGE_FILE:
            found.add(suffix)
        elif blob.size <= LONGEST_POINTER:  # a pointer to something large, it may be
            short.append(blob)
    facts = read_blob_facts((blob.oid for blob in short), LONGEST_POINTER)
    return found | {PurePosixPath(blob.path).suffix for blob in short if facts[blob.oid].size >= LARGE_FILE}
