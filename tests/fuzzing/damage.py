"""How valid bytes are damaged where examples are drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

_ODD = [b"\0", b"\xff", b"\xff" * 4, b"\xff" * 8, b"(", b"[", b"{", b'"', b"PK\5\6", b"PK\3\4", b"."]
"""What means something to one format or another."""
_EDGE = 400
"""Bytes from the start and from the end: headers and directories are a small part of a file, and stand there."""


@st.composite
def damaged(draw: st.DrawFn, original: bytes) -> bytes:
    """The bytes with some cut out, put in, replaced, or missing at the end; start and end are the likeliest places."""
    data = bytearray(original)
    for _ in range(draw(st.integers(0, 4))):
        at = _draw_place(draw, len(data))
        what = draw(st.sampled_from(["replace", "insert", "delete", "truncate", "append"]))
        piece = draw(st.one_of(st.binary(max_size=9), st.sampled_from(_ODD)))
        if what == "replace":
            data[at : at + len(piece)] = piece
        elif what == "insert":
            data[at:at] = piece
        elif what == "delete":
            del data[at : at + len(piece)]
        elif what == "truncate":
            del data[at:]
        else:
            data += piece
    return bytes(data)


def _draw_place(draw: st.DrawFn, size: int) -> int:
    last = max(0, size - 1)
    where = draw(st.sampled_from(["start", "end", "anywhere"]))
    if where == "start":
        return draw(st.integers(0, min(last, _EDGE)))
    return draw(st.integers(max(0, last - _EDGE) if where == "end" else 0, last))
