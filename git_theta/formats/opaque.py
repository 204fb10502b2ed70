"""Files of no format that we read: one literal run of bytes, without tensors."""

from __future__ import annotations

from git_theta.formats.base import Format, Source, Span


class OpaqueFormat(Format):
    """Accepts every file and finds no tensor in it, so that all of the file is frame. It comes last in detection."""

    name = "opaque"

    def matches(self, head: bytes, path: str) -> bool:  # noqa: ARG002 (the seam's signature)
        """Always: what nothing else reads is opaque."""
        return True

    def spans(self, source: Source) -> list[Span]:  # noqa: ARG002 (the seam's signature)
        """No spans."""
        return []
