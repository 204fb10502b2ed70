"""The HDF5 format (``.h5``, ``.hdf5``): datasets that are not cut into chunks stand in one piece, others in several.

Source: HDF5 File Format Specification 3.0; https://keras.io for what Keras keeps in such files.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Fact, Format, Part, Source, Span, SpanView, Template
from git_theta.formats.hdf5.hdf5_datasets import Hdf5Content, Hdf5Dataset, read_content
from git_theta.formats.hdf5.hdf5_reader import SIGNATURE
from git_theta.formats.layout import validate_spans
from git_theta.formats.template import TemplateSource, digest_runs, matches_template
from git_theta.tensors.spec import Spec

_TIME_BYTES = 4


class Hdf5Format(Format):
    """Reads HDF5 files, without h5py."""

    name = "hdf5"

    def matches(self, head: bytes, path: str) -> bool:  # noqa: ARG002 (the seam's signature)
        """The signature."""
        return head.startswith(SIGNATURE)

    def spans(self, source: Source) -> list[Span]:
        """One span per dataset that is contiguous, or compact without a checksum; further links to it are tied names.
        One per chunk of a dataset that is cut into some, and not compressed.

        Raises FormatError where the file is damaged or hostile, or what a dataset claims is the file's own structure.
        """
        return list(validate_spans(list_spans(read_content(source)), source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same datasets. Raises FormatError for others."""
        if not matches_template(parts, like):
            raise FormatError("HDF5 files cannot be rebuilt with other datasets: their structures say where each lies")
        return list(like.runs)

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """When each object was changed, where the writer kept that."""
        content = read_content(TemplateSource(like))
        yield from (Derived(offset, _TIME_BYTES) for offset in sorted(content.times))

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """Datasets that stay whole, with the reason, and the structures, attributes and whatever else is no dataset."""
        source = TemplateSource(like)
        content = read_content(source)
        rest = source.cut_ranges([(offset, _TIME_BYTES) for offset in content.times])
        return {**left_facts(content), "structure": structure_fact(rest)}


def list_spans(content: Hdf5Content) -> list[Span]:
    """The datasets that are one piece each, and the chunks of others. Raises FormatError where one lies on the file's
    structures.
    """
    structures = _merge_places(content.places)
    starts = [start for start, _ in structures]
    spans = []
    for dataset in content.datasets:
        for span in _spans_of(dataset):
            before = bisect_left(starts, span.offset + span.size) - 1
            if not dataset.is_in_header and before >= 0 and structures[before][1] > span.offset:
                raise FormatError("a dataset lies on the file's own structures", parameter=span.name)
            spans.append(span)
    return spans


def _spans_of(dataset: Hdf5Dataset) -> Iterator[Span]:
    """The dataset as a tensor, or each of its chunks as one: ``NAME.chunks.0.1``."""
    if dataset.spec and dataset.offset is not None:
        yield _make_span(dataset.names, dataset.spec, dataset.offset)
    for chunk in dataset.chunks:
        assert dataset.chunk_spec
        place = ".".join(map(str, ("chunks", *chunk.place)))
        yield _make_span([f"{name}.{place}" for name in dataset.names], dataset.chunk_spec, chunk.offset)


def _make_span(names: Sequence[str], spec: Spec, offset: int) -> Span:
    return Span(names[0], spec, offset, spec.nbytes, tuple([SpanView(name, spec) for name in names[1:]]))


def _merge_places(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretches, none of which touches another one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def left_facts(content: Hdf5Content) -> dict[str, Fact]:
    """What stays in the frame, with the reason."""
    return {
        f"dataset {dataset.names[0]}": Fact(dataset.reason.encode(), dataset.reason, plain=False)
        for dataset in content.datasets
        if dataset.reason
    }


def structure_fact(runs: Iterable[bytes]) -> Fact:
    """The frame as one thing."""
    runs = list(runs)
    return Fact(digest_runs(runs), f"{sum(map(len, runs))} bytes of structures and attributes", plain=False)
