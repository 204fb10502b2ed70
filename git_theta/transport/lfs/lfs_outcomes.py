"""What became of objects on a Git LFS host, in its own words, and what helps."""

from __future__ import annotations

import re
from typing import NamedTuple

from git_theta.errors import CorruptObject, MissingObject, ThetaError, TransportError
from git_theta.words import shorten_text

_DAMAGED = re.compile(r"expected OID ([0-9a-f]{64}), got")
"""How git-lfs says that other bytes came, in the words of LC_ALL=C."""
_REFUSED = re.compile(r"\[([0-9a-f]{64})\] [^\[\]]*?: \[(\d{3})\] ([^;]+)")
"""How git-lfs says that a host refused one object of a batch: id, code and message."""
_NOT_THERE = (404, 410)
"""What hosts answer of objects that they have not got; any other code is a refusal."""
_HINTS = {
    401: "See which user and password Git has for it: git help credentials",
    403: "See whether you may do this there; some hosts say so when a quota is used up.",
    409: "The host wants objects of another kind: see what its pages say of Git LFS.",
    413: "The host takes no objects of that size: ask for a higher limit there, or put the objects in a bucket.",
    422: "The host takes no such object: what it says, or its log, tells why.",
    429: "The host asks for fewer requests: try again later.",
    507: "The host has no room left, or your quota there is used up.",
}
"""What helps where a host refuses one object, by its code."""


class Presence(NamedTuple):
    """What a server says of one object.

    Attributes:
        size: its bytes there; None where it is not there, or cannot be had.
        reason: why not, in the server's words; "" where it is there.
        code: of the server, in the manner of HTTP; 0 where it gave none.
    """

    size: int | None
    reason: str = ""
    code: int = 0

    @property
    def is_refused(self) -> bool:
        """Whether the server does not say that it is not there, but that it cannot be had."""
        return self.code != 0 and self.code not in _NOT_THERE


def find_damaged(words: str) -> set[str]:
    """The objects of which other bytes came, in git-lfs's words."""
    return set(_DAMAGED.findall(words))


def find_refusals(words: str) -> dict[str, Presence]:
    """What a host said of objects that it refused, in git-lfs's words."""
    return {
        oid: Presence(None, f"{shorten_text(said)} ({code})", int(code)) for oid, code, said in _REFUSED.findall(words)
    }


def hint_for(code: int, otherwise: str) -> str:
    """What helps where a host answers an object with a code."""
    return _HINTS.get(code, "Try again later." if code >= 500 else otherwise)


def describe_lack(there: Presence) -> ThetaError:
    """Why a host cannot be said to have an object, in words that follow its id."""
    if there.is_refused:
        return TransportError(f"cannot be had there: {there.reason}", hint=hint_for(there.code, ""))
    return MissingObject("is not there")


def not_arrived(oid: str, size: int, there: Presence, refused: Presence | None, words: str) -> ThetaError:
    """The error of an object that was sent. ``refused``: what the host said; ``words``: what git-lfs did."""
    if refused and there.size is None:
        return TransportError(
            f"object {oid} did not arrive: the host refuses it: {refused.reason}",
            hint=hint_for(refused.code, "When that is settled, push again."),
        )
    if words and there.size is None:  # the host's own reason; that it is not there goes without saying
        return TransportError(
            f"object {oid} did not arrive: git-lfs: {words}", hint="When that is settled, push again."
        )
    told = there.reason if there.size is None else f"the host has {there.size} of its {size} bytes"
    why = f"git-lfs: {words}" if words else "though git-lfs said so"
    return TransportError(f"object {oid} did not arrive: {told}; {why}", hint="Push again.")


def not_fetched(oid: str, size: int, there: Presence, words: str) -> ThetaError:
    """The error of an object that was asked for. ``words``: what git-lfs said."""
    if there.is_refused:
        return TransportError(
            f"object {oid} cannot be had: the host refuses it: {there.reason}", hint=hint_for(there.code, "")
        )
    if there.size is None:
        return MissingObject(f"object {oid} is not there: {there.reason}", hint="Push it from a clone that has it.")
    if there.size != size:
        return CorruptObject(f"object {oid} has {there.size} bytes there, not {size}")
    return TransportError(f"object {oid} did not arrive: {words or 'git-lfs said that it did'}")


def damaged_there(oid: str) -> ThetaError:
    """The error of an object of which the host sends other bytes."""
    return CorruptObject(
        f"object {oid} is damaged there",
        hint="Have the host delete it; then, in a clone that has it: git theta fsck --remote --repair",
    )
