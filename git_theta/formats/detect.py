"""Which format a file has, and its spans; what nobody can read is opaque."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import ChangedFile, PluginError, ThetaError
from git_theta.formats.base import FORMATS, Source, Span
from git_theta.formats.guarded_format import load_format
from git_theta.known_plugins import BUILT_IN
from git_theta.plugin_guard import PluginId

OPAQUE = "opaque"
FIRST_BYTES: dict[str, bytes | tuple[bytes, ...]] = {
    "torch": b"PK\3\4",
    "torch-legacy": b"\x80",
    "pt2": b"PK\3\4",
    "distcp": b"PK\3\4",
    "nemo": (b"./", b"model_"),
    "pickle": b"\x80",
    "onnx": b"\x08",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "keras": b"PK\3\4",
    "flax": tuple(bytes([first]) for first in (*range(0x81, 0x90), 0xDE, 0xDF)),
}
"""What all files of a format of ours begin with: those that a file cannot be of are not imported to say so."""


class Detection(NamedTuple):
    """What a file turned out to be.

    Attributes:
        format: the format's name.
        spans: its tensors, in file order.
        problem: why a format that matched could not read an opaque file.
        refused_by: which format that was.
        defects: what is wrong with formats that were skipped.
        is_chosen: whether a person chose the format, so that nothing is to be said of it.
    """

    format: str
    spans: tuple[Span, ...]
    problem: str = ""
    refused_by: str = ""
    defects: tuple[str, ...] = ()
    is_chosen: bool = False

    @property
    def warnings(self) -> list[str]:
        """What a person should know, a sentence each."""
        if self.format == OPAQUE and (self.problem or self.defects):
            reasons = [reason for reason in (self.problem, *self.defects) if reason]
            return [f"kept whole, not by parameters: {'; '.join(reasons)}"]
        return list(self.defects)


def detect_format(source: Source, head: bytes, path: str) -> Detection:
    """The first format that matches and can read the file; else opaque, with the first reason why not.

    A format that does not work is skipped, and named among the defects: no plug-in keeps a file from being added.
    """
    problem = refused_by = ""
    defects: list[str] = []
    names = _candidate_names(head)
    while True:
        try:
            name = next(names, OPAQUE)
            if name == OPAQUE:
                return Detection(OPAQUE, (), problem, refused_by, tuple(defects))
            reader = load_format(name)
            if reader.matches(head, path):
                return Detection(name, tuple(reader.spans(source)), defects=tuple(defects))
        except ChangedFile:
            raise
        except PluginError as error:
            defects.append(f"{error.message}. {error.hint}")
        except ThetaError as error:
            if not refused_by:
                problem, refused_by = f"{_spell_format(name)}: {error.message}", name


def read_chosen(name: str, source: Source) -> Detection:
    """What the format finds that a person chose for the file (``theta-format``), whatever the file looks like.

    Opaque, with the reason, where it cannot read the file, and where there is no such format; no other one is tried.
    """
    if name == OPAQUE:
        return Detection(OPAQUE, (), is_chosen=True)
    try:
        return Detection(name, tuple(load_format(name).spans(source)), is_chosen=True)
    except ChangedFile:
        raise
    except PluginError as error:
        return Detection(OPAQUE, (), f"theta-format={name}: {error.message}. {error.hint}", name)
    except ThetaError as error:
        return Detection(OPAQUE, (), f"theta-format={name}: {error.message}", name)


def _candidate_names(head: bytes) -> Iterator[str]:
    """Ours first: as long as one of them matches, nobody waits for a scan of the installed packages."""
    ours = (name for name in BUILT_IN["formats"] if name != OPAQUE)
    yield from (name for name in ours if head.startswith(FIRST_BYTES.get(name, b"")))
    yield from (name for name in FORMATS.list_names() if name not in BUILT_IN["formats"])


def _spell_format(name: str) -> str:
    return name if name in BUILT_IN["formats"] else f"the {PluginId('formats', name).spell()}"
