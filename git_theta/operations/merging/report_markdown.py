"""What a merge did, parameter by parameter, for people: as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from git_theta.merging import options
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.change_sums import ChangeFacts, describe_total
from git_theta.operations.merging.merge_report import Record

_NOT_EVALUATED = "not evaluated: git theta eval"
_MANY = 3
"""Heads from which on a sum may leave all of them far behind."""


def as_markdown(records: Sequence[Record], *, evaluated: bool = False) -> str:
    """The report for people; the last line says where a sum of many changes was not evaluated."""
    ending = [_NOT_EVALUATED, ""] if not evaluated and any(map(_adds_many, records)) else []
    return "\n".join(["# Merge report", "", *(line for file in records for line in _file_section(file)), *ending])


def _adds_many(file: Record) -> bool:
    """Whether changes of so many heads were added to a parameter that nothing but running the model tells of it."""
    settled = (one["strategy"] for one in file["parameters"] if one["strategy"])
    return len(file["heads"]) >= _MANY and any(_adds_changes(one["name"], one["options"]) for one in settled)


def _adds_changes(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a strategy makes a sum of changes, and no mean: by its own option."""
    strategy = load_strategy(name)
    return options.parse_options(name, strategy.options, given).get("normalize") is False


def _file_section(file: Record) -> Iterator[str]:
    counts = ", ".join(f"{count} {state.replace('-', ' ')}" for state, count in file["counts"].items())
    yield f"## {_escape_cell(file['path'])}"
    yield ""
    heads = ", ".join(map(_escape_cell, file["heads"]))
    yield f"{_escape_cell(file['format'])}, heads {heads}: {counts or 'not by parameters'}."
    yield ""
    if file["changes"]:
        yield f"Computed: {describe_total(ChangeFacts(**file['changes']))}."
        yield ""
    if file["parameters"]:
        yield "| parameter | what happened | strategy | R | cosine of changes | sign conflicts | also |"
        yield "|---|---|---|---|---|---|---|"
        yield from map(_table_row, file["parameters"])
        yield ""


def _table_row(item: Record) -> str:
    chosen = item["strategy"]["text"] if item["strategy"] else "**contested**" if item["left"] else ""
    cosines = _number_range([pair["cosine"] for pair in item["agreement"]], "{:.4f}")
    signs = _number_range([100 * pair["sign_conflicts"] for pair in item["agreement"]], "{:.1f} %")
    ratio = item["changes"] and item["changes"]["ratio"]
    far = "" if ratio is None else f"{ratio:.4g}"
    name, also = item["name"] or "(the file's frame)", "; ".join(_remarks(item))
    cells = [name, item["reason"], chosen, far, cosines, signs, also]
    return f"| {' | '.join(map(_escape_cell, cells))} |"


def _number_range(values: Sequence[float | None], form: str) -> str:
    """A number for each two heads: the one, or the lowest and the highest."""
    numbers = [value for value in values if value is not None]
    shown = list(dict.fromkeys(form.format(value) for value in (min(numbers), max(numbers)))) if numbers else []
    return " to ".join(shown) or ("none" if values else "")


def _remarks(item: Record) -> Iterator[str]:
    if item["left"]:
        yield item["left"]
    if item["kind"]:
        yield f"a {item['kind']}, not merged as weights are"
    if item["weights"]:
        yield "weights " + ", ".join("none" if weight is None else f"{weight:.4g}" for weight in item["weights"])
    yield from (f"{name} {'not finite' if fact is None else f'{fact:.4g}'}" for name, fact in item["facts"].items())
    yield from (f"{count} not finite in {where}" for where, count in item["nonfinite"].items())
    yield from item["notes"]


def _escape_cell(text: str) -> str:
    """Text from a file, made harmless for a table."""
    plain = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
    return plain.replace("|", "\\|").replace("<", "&lt;")
