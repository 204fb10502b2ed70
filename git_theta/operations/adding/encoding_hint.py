"""What somebody knows of a part that is to be stored: how it came of another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from git_theta.parameters.stored_values import StoredValues

NOTHING_KNOWN: Mapping[str, Any] = MappingProxyType({})


class EncodingHint(NamedTuple):
    """Settings of updates, for a part that is stored on one base.

    Attributes:
        base: the oid of that base's values; "" where nothing is known.
        make_settings: what updates are told then; called when the part is encoded.
    """

    base: str = ""
    make_settings: Callable[[], Mapping[str, Any]] = lambda: NOTHING_KNOWN

    def settings_on(self, base: StoredValues | None) -> Mapping[str, Any]:
        """What updates are told where the part is stored on this base: it may be another one."""
        return self.make_settings() if base and base.entry.oid == self.base else NOTHING_KNOWN


NO_HINT = EncodingHint()
