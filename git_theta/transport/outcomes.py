"""What can be wrong with one object of a transfer, told alike by all transports."""

from __future__ import annotations

from git_theta.errors import CorruptObject, MissingObject, TransportError

ITEM_ERRORS = (MissingObject, CorruptObject, TransportError)
"""What concerns one object: the others go on."""


class UnusableRemote(TransportError):
    """A remote that is not there, does not answer, or does not let us in: no object of it can be had."""


def require_size(oid: str, there: int | None, size: int) -> None:
    """Raise MissingObject where a source has no such object (None), CorruptObject where it has so many other bytes."""
    if there is None:
        raise MissingObject(f"object {oid} is missing", hint="Push it from a clone that has it: git theta push")
    if there != size:
        raise CorruptObject(f"object {oid} has {there} bytes, not {size}", hint="See what is damaged: git theta fsck")


def unreadable_object(oid: str, error: OSError) -> TransportError:
    """The error of an object that its source's file system fails at."""
    return TransportError(f"object {oid} cannot be read: {error.strerror}")


def lost_object(oid: str) -> TransportError:
    """The error of an object that was sent, and is not there."""
    return TransportError(f"object {oid} did not arrive", hint="Push again.")
