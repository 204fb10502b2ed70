"""What a checkpoint is, whatever it is called, wherever it is stored: the text that results belong to.

A manifest names storage, so that ``git theta repack`` or a delta makes another one of the same bytes. This text names
values alone: a line for each parameter and for each file, sorted (docs/spec/identity.md). Of two checkpoints with the
same text every file has the same bytes, but for which of them is called how.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from git_theta.manifest.model import Entry, Manifest, View

FIRST_LINE = "git-theta identity 1"


def write_identity(manifests: Iterable[Manifest]) -> bytes:
    """The identity text of a checkpoint, given by the manifests of its files, in any order."""
    lines = sorted(line for manifest in manifests for line in _lines_of(manifest))
    return "".join(f"{line}\n" for line in (FIRST_LINE, *lines)).encode()


def _lines_of(manifest: Manifest) -> Iterator[str]:
    for entry in manifest.parameters():
        yield _parameter_line(entry)
        yield from (_view_line(view, entry.oid) for view in entry.views)
    # The runs of a file stand in its order: sorted one by one they would be those of another file, too.
    runs = [entry.oid for entry in manifest.entries if entry.name is None]
    frame = manifest.frame.oid if manifest.frame else "-"
    yield " ".join(["file", str(manifest.size), frame, *runs])


def _parameter_line(entry: Entry) -> str:
    return f"parameter {json.dumps(entry.name)} {entry.dtype} {_spell_shape(entry.shape)} {entry.oid}"


def _view_line(view: View, oid: str) -> str:
    stride = "-" if view.stride is None else _spell_shape(view.stride)
    return f"view {json.dumps(view.name)} {view.dtype} {_spell_shape(view.shape)} {stride} {view.offset} {oid}"


def _spell_shape(numbers: Iterable[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"
