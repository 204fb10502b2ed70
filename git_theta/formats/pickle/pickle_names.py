"""Names of what is in a pickle: keys as text, and a name of its own for each tensor."""

from __future__ import annotations

from git_theta.errors import FormatError
from git_theta.formats.pickle.pickle_reader import Global

# With their specs and views 100,000 tensors take about 70 MB here.
_MAX_NAMES = 100_000
MAX_TEXT = 32 << 20
"""Characters of all names together."""


class UniqueNames:
    """Gives every tensor of an archive a name of its own; a name that is taken gets ``~2``, ``~3`` and so on."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._text = 0

    def claim_name(self, name: str) -> str:
        """``name``, or its first free variant. Raises FormatError at more names or text than memory should hold."""
        self._text += len(name)
        if len(self._uses) >= _MAX_NAMES or self._text > MAX_TEXT:
            raise FormatError(f"the pickle names more than {_MAX_NAMES} tensors or {MAX_TEXT} characters")
        candidate = name
        while candidate in self._uses:
            self._uses[name] += 1
            candidate = f"{name}~{self._uses[name]}"
        self._uses[candidate] = 1
        return candidate


def label_of(key: object) -> str:
    """A dict's key as text. Only short integers are written out: Python refuses to write those of 4,300 digits."""
    if isinstance(key, str):
        return key
    if isinstance(key, Global):
        return key.path
    if key is None or isinstance(key, float) or (isinstance(key, int) and key.bit_length() <= 64):
        return str(key)
    return "key"
