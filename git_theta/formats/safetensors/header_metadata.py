"""``__metadata__`` in the header of a safetensors file: read, told as facts, and written anew in the header's text."""

from __future__ import annotations

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Template
from git_theta.formats.safetensors.header_reader import HeaderReader, read_header_text
from git_theta.formats.template import TemplateSource

_LONGEST_VALUE = 4096
"""Characters of metadata that are a plain value: a longer text may be weights that somebody spelled."""
SHOWN = 60
"""Characters that a person is shown of what a fact says."""


def describe_metadata(key: str, value: str) -> tuple[str, Fact]:
    """The fact that an item of the metadata is, by its key."""
    shown = value if len(value) <= SHOWN else f"{value[: SHOWN - 4]} ..."
    plain = len(value) <= _LONGEST_VALUE
    return key, Fact(
        value.encode("utf-8", "surrogatepass"), repr(shown) if plain else f"{len(value)} characters", plain
    )


def parse_metadata(header: HeaderReader) -> dict[str, str]:
    """The metadata; of a key that stands twice the last value, which is what the library reads."""
    return {key: str(header.read_value()) for key in header.read_keys()}


def find_metadata(like: Template) -> dict[str, str]:
    """The metadata of a file; none where its header has none."""
    header = HeaderReader(read_header_text(TemplateSource(like))[0])
    for name in header.read_keys():
        if name == "__metadata__":
            return parse_metadata(header)
        header.read_value()
    return {}


def replace_metadata(text: str, metadata: str) -> str:
    """A header's text with other metadata, which it may not have had."""
    header = HeaderReader(text)
    for name in header.read_keys():
        if name == "__metadata__":
            written = header.capture_text(skip_metadata)
            return f"{text[: header.position - len(written)]}{metadata}{text[header.position :]}".rstrip()
        header.read_value()
    start = text.index("{") + 1
    comma = "," if text[start:].strip() != "}" else ""
    return f'{text[:start]}"__metadata__":{metadata}{comma}{text[start:]}'.rstrip()


def skip_metadata(header: HeaderReader) -> None:
    """Metadata is text that stays in the frame. It may be large, so it is read past and never held."""
    for key in header.read_keys():
        if not isinstance(header.read_value(), str):
            raise FormatError(f"__metadata__ maps {key!a} to something other than a string")
