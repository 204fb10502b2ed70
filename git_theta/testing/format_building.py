"""The laws of formats that build files around other values."""

from __future__ import annotations

from git_theta.formats.building import cut_derived
from git_theta.testing.format_hooks import FormatHooks, bytes_of, parts_of, values_of


class BuildingLaws(FormatHooks):
    """What is built has just the tensors that were asked for; or that is refused."""

    def test_the_same_tensors_build_the_same_file(self) -> None:
        for path, content in self.samples().items():
            like = self._read_template(content)
            assert self._build_or_refuse(list(parts_of(like, content)), like) in (content, None), path

    def test_other_values_build_a_file_that_has_them_and_no_other_frame(self) -> None:
        """What differs is derived, and what is derived follows: built from either file, the other one comes out."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            parts = list(parts_of(like, bytes(byte ^ 1 for byte in content)))
            built = self._build_or_refuse(parts, like)
            if built is None:
                continue
            found = self._read_template(built)
            assert [span[:2] + span[3:] for span in found.spans] == [span[:2] + span[3:] for span in like.spans], path
            assert cut_derived(self._guard_format(), found) == cut_derived(self._guard_format(), like), path
            assert values_of(found, built) == [bytes_of(part) for part in parts], path
            assert self._build_or_refuse(list(parts_of(like, content)), found) == content, path

    def test_a_tensor_less_builds_a_file_without_it(self) -> None:
        """Only where the format can: what it builds is laid out again by ``build_file``, as when a merge is written."""
        for path, content in self.samples().items():
            like = self._read_template(content)
            parts = list(parts_of(like, content))[1:]
            built = self._build_or_refuse(parts, like, may_refuse=True)
            if built is not None and like.spans:
                found = self._read_template(built)
                assert [span.name for span in found.spans] == [part.name for part in parts], path
                assert values_of(found, built) == [bytes_of(part) for part in parts], path
