"""Pickles of protocol 3 and later, as scikit-learn's users write them, and joblib's: arrays of NumPy are tensors.

Nothing is imported or executed (L10). Protocol 2 spells bytes as text, so arrays do not stand in such files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import validate_spans
from git_theta.formats.pickle.pickle_arrays import PickledArray, array_of, span_of_arrays
from git_theta.formats.pickle.pickle_facts import PickledFacts, read_pickled_facts
from git_theta.formats.pickle.pickle_stream import read_pickle_file
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.unique_names import UniqueNames

_SUFFIXES = frozenset((".pkl", ".pickle", ".joblib", ".sav"))
_FRAMED = re.compile(rb"\x80[\x04\x05]\x95")
_PICKLED = re.compile(rb"\x80[\x03-\x05]")


class PickleFormat(Format):
    """Reads ``.pkl``, ``.pickle`` and ``.joblib`` files."""

    name = "pickle"

    def matches(self, head: bytes, path: str) -> bool:
        """What a pickle of protocol 4 or 5 begins with; of protocol 3 the name has to say it too."""
        if _FRAMED.match(head):
            return True
        return _PICKLED.match(head) is not None and has_suffix(path, *_SUFFIXES)

    def spans(self, source: Source) -> list[Span]:
        """One span per array, called by the way to it. Arrays of what are no numbers stay in the frame.

        Raises FormatError where the file is damaged or hostile, or several pickles.
        """
        arrays: dict[int, list[tuple[str, PickledArray]]] = {}
        names = UniqueNames()

        def tell(value: object, path: str) -> Fact | None:
            array = array_of(value)
            if array is None:
                return None
            arrays.setdefault(array.place.offset, []).append((names.claim_name(path or "array"), array))
            return _UNTOLD

        read_pickled_facts(read_pickle_file(source), "", tell, lambda _: _UNTOLD)
        return list(validate_spans(map(span_of_arrays, arrays.values()), source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same arrays. Raises FormatError for others."""
        if not matches_template(parts, like):
            raise FormatError("pickles cannot be rebuilt with other arrays")
        return list(like.runs)

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """The plain values that were pickled."""
        return _facts_of(like).list_plain_values()

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """What is pickled beside the arrays, and how these are kept."""
        return {key: fact for key, (fact, _) in _facts_of(like).facts.items()}


_UNTOLD = Fact(b"", "")


def _facts_of(like: Template) -> PickledFacts:
    def tell(value: object, path: str) -> Fact | None:
        array = array_of(value)
        if array is None:
            return None
        return Fact(sha256(array.kind.encode()).digest(), array.kind, tensor=path or "array")

    return read_pickled_facts(read_pickle_file(TemplateSource(like)), "", tell)
