"""Many phrases, looked for at once, word by word: what is between two words does not count, nor does case.

A word is a run of letters, digits and underscores. A text costs a look-up a word, however many phrases there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

_WORD = re.compile(r"\w+")
_Node = dict[str, Any]
"""Words to the nodes behind them."""
_END = ""
"""The key, in a node, of the phrases that end there: no word is empty."""


class PhraseMatch(NamedTuple):
    """A phrase that a text has. ``is_exact``: as it is written, somewhere; else only where case is folded."""

    phrase: str
    is_exact: bool


def split_words(text: str) -> list[str]:
    """The words of a text, in its order."""
    return _WORD.findall(text)


class PhraseIndex:
    """Phrases, to be found in texts.

    Args:
        phrases: each with a word in it, or it is found nowhere.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._root: _Node = {}
        for phrase in phrases:
            words = split_words(phrase)
            node = self._root
            for word in words:
                node = node.setdefault(word.casefold(), {})
            if words:
                node.setdefault(_END, {})[phrase] = words

    def find_in(self, text: str) -> Iterator[PhraseMatch]:
        """The phrases in a text, each once."""
        words = split_words(text)
        folded = [word.casefold() for word in words]
        found: dict[str, bool] = {}
        for at in [at for at, word in enumerate(folded) if word in self._root]:
            node = self._root
            for end in range(at, len(folded)):
                if folded[end] not in node:
                    break
                node = node[folded[end]]
                for phrase, written in node.get(_END, {}).items():
                    found[phrase] = found.get(phrase, False) or words[at : end + 1] == written
        return (PhraseMatch(*one) for one in found.items())
