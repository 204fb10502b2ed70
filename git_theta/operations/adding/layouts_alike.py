"""Versions of a file in different layouts, made alike: laid out anew from their stored bytes, by the formats of now.

A file that was added before its format was known is kept whole on one branch, and by parameters on another. Compared or
merged as they are, all of it would differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress

from git_theta.errors import CorruptObject, ManifestError, MissingObject
from git_theta.formats.base import FORMATS
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.split import split_source
from git_theta.operations.adding.spool import spool_pieces
from git_theta.operations.context import NOT_SHOWN, Context
from git_theta.operations.restoring.restore import (
    describe_inflation,
    is_inflated,
    missing_objects,
    require_objects,
    restore_pieces,
)
from git_theta.registry import PluginId


def has_several_layouts(versions: Iterable[Manifest | None]) -> bool:
    """Whether versions of a file are of several formats."""
    return len({version.format for version in versions if version}) > 1


def unify_layouts(versions: Sequence[Manifest | None], path: str, context: Context) -> list[Manifest | None]:
    """The versions of a file in the richest layout that there is for them, all that they name being stored.

    As they are where one format has them, where no installed format reads them all, and, after a word about it, where
    one cannot be had. Those that are kept whole are laid out first, and the others only where that does not do.
    """
    kept = list(versions)
    if not has_several_layouts(kept):
        return kept
    try:
        found = [_lay_out_anew(one, path, context) if one and one.is_opaque else one for one in kept]
        if has_several_layouts(found):
            found = [one and _lay_out_anew(one, path, context) for one in kept]
    except (MissingObject, CorruptObject) as error:
        context.warn(f"{path}: its versions are laid out differently, and cannot be made alike: {error}")
        return kept
    return kept if has_several_layouts(found) or any(one and one.is_opaque for one in found) else found


def _lay_out_anew(manifest: Manifest, path: str, context: Context) -> Manifest:
    """The same file by what the installed formats find in it; remembered, as it takes reading all of it."""
    key = _key_of(manifest, path)
    with suppress(ManifestError):
        known = decode_manifest((context.state.computed_of(key) or "").encode())
        if not missing_objects(known, context):
            return known
    if is_inflated(manifest, context):
        context.warn(f"{path}: {describe_inflation(manifest)}")
        return manifest
    require_objects(manifest, context)
    anew = context._replace(staged_manifest=lambda _: None, pins_layout=lambda: False, progress=NOT_SHOWN)
    with spool_pieces(restore_pieces(manifest, anew), context.scratch) as spool:
        text = split_source(spool, path, anew, keep=True).text
    context.state.remember_computed({key: text.decode()})
    return decode_manifest(text)


def _key_of(manifest: Manifest, path: str) -> str:
    """What tells a layout from others: the file, its name, and the formats that may read it."""
    formats = [[name, *PluginId("formats", name).find_package()] for name in sorted(FORMATS.list_names())]
    text = hashlib.sha256(encode_manifest(manifest)).hexdigest()
    return hashlib.sha256(json.dumps(["layout", text, path, formats]).encode()).hexdigest()
