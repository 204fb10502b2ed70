"""The laws of formats about the frame: what is derived in it, and what it says beside the tensors."""

from __future__ import annotations

import contextlib
from functools import partial
from itertools import islice, pairwise, permutations

from git_theta.errors import FormatError
from git_theta.formats.base import Part, Template
from git_theta.formats.building import read_checksums
from git_theta.formats.template import TemplateSource
from git_theta.testing.format_hooks import FormatHooks, break_file, parts_of


class FrameLaws(FormatHooks):
    """Checksums are declared, facts are none of the tensors', and a damaged frame is refused."""

    def test_declared_checksums_are_those_of_the_values(self) -> None:
        """A merge takes them over for tensors that did not change, and computes the others by what was declared."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            parts = {part.name: part for part in parts_of(like, content)}
            declared = read_checksums(self._guard_format(), like)
            for one in self.make_format().find_derived(like):
                if one.checksum:
                    expected = one.checksum.compute(*(parts[name].values for name in (one.span, *one.further)))
                    found = content[one.offset : one.offset + one.size]
                    known = found if one.further else declared[one.span, one.checksum.name]
                    assert found == known == expected, (path, one.span, one.checksum.name)

    def test_derived_bytes_lie_in_the_frame_and_do_not_overlap(self) -> None:
        for path, content in self.samples().items():
            like = self._read_template(content)
            places = sorted((one.offset, one.size) for one in self._guard_format().find_derived(like))
            assert all(at + size <= after for (at, size), (after, _) in pairwise(places)), path
            cut = sum(map(len, TemplateSource(like).cut_ranges(places)))
            assert cut == sum(map(len, like.runs)) - sum(size for _, size in places), path

    def test_metadata_are_keys_and_plain_values(self) -> None:
        for path, content in self.samples().items():
            for key, value in islice(self.make_format().metadata(self._read_template(content)), 1000):
                assert isinstance(key, str), path
                assert value is None or isinstance(value, (str, int, float)), (path, key)

    def test_facts_say_nothing_of_the_tensors_values(self) -> None:
        """Nor of what is derived from them: a merge would take every trained parameter for other metadata."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            built = self._build_or_refuse(list(parts_of(like, bytes(byte ^ 1 for byte in content))), like)
            if built is not None:
                facts = self._guard_format().read_facts(like)
                assert self._guard_format().read_facts(self._read_template(built)) == facts, path

    def test_facts_are_taken_over_or_that_is_refused(self) -> None:
        """From each sample into each other one, all at once; what comes out is read again behind the guard."""
        templates = list(map(self._read_template, self.samples().values()))
        for like, other in permutations(templates, 2):
            ours, theirs = (self._guard_format().read_facts(one) or {} for one in (like, other))
            keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
            with contextlib.suppress(FormatError):
                made = self._guard_format().take_facts(like, dict.fromkeys(keys, other))
                assert self._guard_format().read_facts(made) == theirs

    def test_a_damaged_frame_is_refused_and_nothing_else(self) -> None:
        """Frames come from files that strangers made: what can be laid out may still be damaged anywhere."""
        for content in self.samples().values():
            for broken in break_file(content):
                with contextlib.suppress(FormatError):
                    like = self._read_template(broken)
                    self._ask_everything(like, list(parts_of(like, broken)))

    def _ask_everything(self, like: Template, parts: list[Part]) -> None:
        """What the guard would turn into a PluginError fails the test."""
        for ask in (
            self._guard_format().find_derived,
            self._guard_format().metadata,
            lambda like: self._guard_format().read_facts(like) or (),
            partial(self._guard_format().build, parts),
        ):
            with contextlib.suppress(FormatError):
                list(islice(ask(like), 1000))
