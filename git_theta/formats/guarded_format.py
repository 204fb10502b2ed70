"""The one door to a format, ours or a plug-in's: every call of the seam is guarded, every answer is looked at.

A format runs inside Git's filter, on files of strangers. What it does wrong becomes a PluginError that names it; what
it answers is checked here, once, so that nobody behind this door meets a span that is no span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from git_theta.errors import FormatError
from git_theta.formats.base import (
    FORMATS,
    Checksum,
    Derived,
    Fact,
    Format,
    Part,
    Scalar,
    Source,
    Span,
    SpanView,
    Template,
)
from git_theta.formats.layout import require_shape, validate_spans
from git_theta.tensors.dtypes import BY_NAME, DType
from git_theta.tensors.spec import Spec

_BATCH = 1000


def load_format(name: str) -> GuardedFormat:
    """The format of that name, behind its door. Raises PluginError where there is none or it does not load."""
    return GuardedFormat(name, FORMATS.load_plugin(name))


class GuardedFormat(Format):
    """A format whose calls raise FormatError, PluginError and what a source raises, and nothing else."""

    def __init__(self, name: str, behind: Format) -> None:
        self.name = name
        self._behind = behind

    def matches(self, head: bytes, path: str) -> bool:
        """As ``Format.matches`` says; what is true or false to Python is so here."""
        with FORMATS.guard(self.name):
            return bool(self._behind.matches(head, path))

    def spans(self, source: Source) -> list[Span]:
        """As ``Format.spans`` says, in file order. Raises FormatError where they are no layout of the file."""
        with FORMATS.guard(self.name):
            found = list(self._behind.spans(source))
        for span in found:
            if problem := _find_misfit(span):
                raise FORMATS.reject_answer(self.name, f"found something that is no tensor's span: {problem}")
        return list(validate_spans(found, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """As ``Format.build`` says: one run more than there are parts."""
        with FORMATS.guard(self.name):
            runs = list(self._behind.build(parts, like))
        if len(runs) != len(parts) + 1 or not all(isinstance(run, bytes) for run in runs):
            raise FORMATS.reject_answer(
                self.name, f"built no {len(parts) + 1} runs of bytes around {len(parts)} tensors"
            )
        return runs

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """As ``Format.derived`` says, each of a span that is there."""
        names = {span.name for span in like.spans}
        with FORMATS.guard(self.name):
            found = iter(self._behind.find_derived(like))
        # A torch archive has eight for each member: a guard around each of them would cost more than they do.
        for batch in FORMATS.guard_iterator(self.name, iter(lambda: list(islice(found, _BATCH)), [])):
            for one in batch:
                if not _is_derived(one, names):
                    raise FORMATS.reject_answer(self.name, f"declared something that is no derived bytes: {one!r:.200}")
                yield one

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """As ``Format.metadata`` says."""
        for pair in FORMATS.guard_iterator(self.name, self._behind.metadata(like)):
            if not _is_fact(pair):
                raise FORMATS.reject_answer(self.name, f"told metadata that is no key and plain value: {pair!r:.200}")
            yield pair

    def read_facts(self, like: Template) -> dict[str, Fact] | None:
        """As ``Format.read_facts`` says."""
        with FORMATS.guard(self.name):
            answer = self._behind.read_facts(like)
            found = None if answer is None else dict(answer)
        for key, fact in (found or {}).items():
            if not _is_keyed_fact(key, fact):
                raise FORMATS.reject_answer(self.name, f"told something that is no fact of a frame: {fact!r:.200}")
        return found

    def take_facts(self, like: Template, sources: Mapping[str, Template]) -> Template:
        """As ``Format.take_facts`` says, and proved: facts and tensors of the outcome are those that were asked for."""
        wanted = self.read_facts(like)
        others = {id(source): self.read_facts(source) or {} for source in sources.values()}
        with FORMATS.guard(self.name):
            made = self._behind.take_facts(like, sources)
        if not isinstance(made, Template) or [span[:2] for span in made.spans] != [span[:2] for span in like.spans]:
            raise FORMATS.reject_answer(self.name, "made a template of other tensors")
        for key, source in sources.items():
            fact = others[id(source)].get(key)
            wanted = {**(wanted or {}), key: fact} if fact else {k: v for k, v in (wanted or {}).items() if k != key}
        if self.read_facts(made) != wanted:
            raise FormatError(
                "what is no parameter is so entangled there that it can only be taken from one side whole"
            )
        return made

    def compute_checksum(self, checksum: Checksum, parts: Sequence[Part]) -> bytes:
        """The checksum of parts, which are read for it."""
        with FORMATS.guard(self.name):
            return checksum.compute(*(part.values for part in parts))


def _find_misfit(span: object) -> str:
    """What is wrong with a span, by its types alone; "" for nothing."""
    if not isinstance(span, Span):
        return f"{span!r:.200}"
    if not isinstance(span.name, str):
        return f"its name is {span.name!r:.200}"
    if not (type(span.offset) is int and type(span.size) is int):
        return f"{span.name!a:.200} lies at {span.offset!r:.80}, {span.size!r:.80} bytes"
    if not _is_spec(span.spec):
        return f"{span.name!a:.200} has the spec {span.spec!r:.200}"
    if not isinstance(span.views, tuple) or not all(_is_view(view) for view in span.views):
        return f"{span.name!a:.200} has the views {span.views!r:.200}"
    return ""


def _is_spec(spec: object) -> bool:
    if not isinstance(spec, Spec) or not isinstance(spec.dtype, DType) or not isinstance(spec.shape, tuple):
        return False
    known = BY_NAME.get(spec.dtype.name, spec.dtype)
    return (known is spec.dtype or known == spec.dtype) and _is_counts(spec.shape)


def _is_view(view: object) -> bool:
    if not isinstance(view, SpanView) or not isinstance(view.name, str) or not _is_spec(view.spec):
        return False
    strided = view.stride is None or (_is_counts(view.stride) and len(view.stride) == len(view.spec.shape))
    return strided and type(view.offset) is int and view.offset >= 0


def _is_counts(numbers: object) -> bool:
    try:
        require_shape(numbers)
    except FormatError:
        return False
    return isinstance(numbers, tuple)


def _is_derived(one: object, names: set[str]) -> bool:
    if not isinstance(one, Derived) or type(one.offset) is not int or type(one.size) is not int or one.size < 0:
        return False
    if one.checksum is None:
        return True
    if not isinstance(one.checksum, Checksum) or not isinstance(one.further, tuple):
        return False
    return all(isinstance(name, str) and name in names for name in (one.span, *one.further))


def _is_keyed_fact(key: object, fact: object) -> bool:
    kinds = (bytes, str, bool, str, bool)
    return isinstance(key, str) and isinstance(fact, Fact) and all(map(isinstance, fact, kinds))


def _is_fact(pair: object) -> bool:
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):
        return False
    return pair[1] is None or isinstance(pair[1], (str, int, float))
