"""Names of what is in a pickle: keys as text."""

from __future__ import annotations

from git_theta.formats.pickle.pickle_records import Global


def label_of(key: object) -> str:
    """A dict's key as text. Only short integers are written out: Python refuses to write those of 4,300 digits."""
    if isinstance(key, str):
        return key
    if isinstance(key, Global):
        return key.path
    if key is None or isinstance(key, float) or (isinstance(key, int) and key.bit_length() <= 64):
        return str(key)
    return "key"
