"""Files that heads renamed, beside what other heads have under the old name: as Git's merges of two heads do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

VersionT = TypeVar("VersionT")


class MergeFile(NamedTuple, Generic[VersionT]):
    """A file in a merge.

    Attributes:
        path: what the merged file is called.
        versions: at the base and at each head; None where there is no such file.
        was: what the base calls it, where a head renamed it; else "".
        clash: why heads contradict each other about its name, in words; "" where they do not.
    """

    path: str
    versions: tuple[VersionT | None, ...]
    was: str = ""
    clash: str = ""


def follow_renames(
    versions: Mapping[str, tuple[VersionT | None, ...]], renames: Sequence[Mapping[str, str]], labels: Sequence[str]
) -> Iterator[MergeFile[VersionT]]:
    """Each file once: what heads renamed with what the others have under the old name, then the rest.

    A file that heads give different names, that one renamed and another removed, or whose new name another head uses
    for another file, is told by its old name, with the clash.

    Args:
        versions: by path, at the base and at each head.
        renames: of each head, the base's name of a file to its own.
        labels: what people call the heads.
    """
    rest = dict(versions)
    for old in sorted({old for names in renames for old in names}):
        to = {head: names[old] for head, names in enumerate(renames) if old in names}
        yield _follow_file(old, to, versions, labels)
        for path in (old, *to.values()):
            rest.pop(path, None)
    for path, files in rest.items():
        yield MergeFile(path, files)


def _follow_file(
    old: str, to: Mapping[int, str], versions: Mapping[str, tuple[VersionT | None, ...]], labels: Sequence[str]
) -> MergeFile[VersionT]:
    base, *heads = versions[old]
    files = (base, *(versions[to[head]][1 + head] if head in to else file for head, file in enumerate(heads)))
    new = next(iter(to.values()))
    clash = _describe_clash(to, files[1:], versions[new][1:], labels)
    return MergeFile(old if clash else new, files, old, clash)


def _describe_clash(
    to: Mapping[int, str], heads: Sequence[VersionT | None], there: Sequence[VersionT | None], labels: Sequence[str]
) -> str:
    renamed = ", ".join(f"{labels[head]} renamed it to {new}" for head, new in to.items())
    if len(set(to.values())) > 1:
        return renamed
    if removed := [label for label, file in zip(labels, heads, strict=True) if file is None]:
        return f"{renamed}, {', '.join(removed)} removed it"
    if taken := [labels[head] for head, file in enumerate(there) if file is not None and head not in to]:
        return f"{renamed}, where {', '.join(taken)} has another file"
    return ""
