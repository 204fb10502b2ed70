"""A name of its own for each tensor of a file whose tensors are called by the way to them."""

from __future__ import annotations

from git_theta.errors import FormatError

# With their specs and views 100,000 tensors take about 70 MB here.
_MAX_NAMES = 100_000
MAX_TEXT = 32 << 20
"""Characters of all names together."""


class UniqueNames:
    """Gives every tensor of a file a name of its own; a name that is taken gets ``~2``, ``~3`` and so on."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._text = 0

    def claim_name(self, name: str) -> str:
        """``name``, or its first free variant. Raises FormatError at more names or text than memory should hold."""
        self._text += len(name)
        if len(self._uses) >= _MAX_NAMES or self._text > MAX_TEXT:
            raise FormatError(f"the file names more than {_MAX_NAMES} tensors or {MAX_TEXT} characters")
        candidate = name
        while candidate in self._uses:
            self._uses[name] += 1
            candidate = f"{name}~{self._uses[name]}"
        self._uses[candidate] = 1
        return candidate
