"""What a strategy lets a person set: declared as data, read from Python, recipes and command lines in one place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from git_theta.errors import UsageError
from git_theta.merging.companions import require_tree_path
from git_theta.words import suggest_names

ReadSetting = Callable[[str], str]
"""The value that a key has in Git's configuration; "" for none."""
OptionKind = Literal["number", "numbers", "integer", "text", "path", "choice", "flag", "globs", "json"]
Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Option:
    """A setting of a strategy.

    Attributes:
        name: as on the command line and in recipes; Python may append an underscore (``lambda_``).
        kind: number; numbers (a list, or text with commas); integer; text; path (of a file inside the tree); choice;
            flag (true/false); globs (a list, or text with commas); json (a list or mapping, or its JSON text).
        default: the value where none is given.
        help: one sentence.
        within: of a number or an integer, the bounds as mathematics writes them: "(0, 1]"; "" for any that is finite.
        choices: of a choice, what there is.
        setting: a key of Git's configuration that says another default; "" for none.
        range: of a number, the lowest and the highest that a search tries; None for one that is no matter of trying.
        scale: whether steps between these are equal ("linear"), or equal as factors ("log": both ends above 0).
    """

    name: str
    kind: OptionKind
    default: Any
    help: str
    within: str = ""
    choices: tuple[str, ...] = ()
    setting: str = ""
    range: tuple[float, float] | None = None
    scale: Scale = "linear"

    def choose_default(self, read_setting: ReadSetting) -> Any:
        """The value where none is given: that of Git's configuration, or the declared one. Raises as ``parse`` does."""
        text = read_setting(self.setting) if self.setting else ""
        if not text:
            return self.default
        try:
            return self.parse(text)
        except UsageError as error:
            raise UsageError(f"{self.setting}: {error.message}", hint=error.hint) from None

    def parse(self, value: Any) -> Any:
        """``value``, perhaps text, as this option's kind. Raises UsageError naming the option and what it takes."""
        try:
            parsed = _PARSERS[self.kind](value)
        except (TypeError, ValueError):
            raise self._refusal(value) from None
        if self.choices and parsed not in self.choices:
            raise self._refusal(value, suggest_names(str(value), self.choices))
        if self.kind in ("number", "integer") and not _is_within(parsed, self.within):
            raise self._refusal(value)
        return parsed

    def describe_values(self) -> str:
        """What it takes, in words."""
        if self.kind in ("number", "integer"):
            what = "a whole number" if self.kind == "integer" else "a number"
            return f"{what} in {self.within}" if self.within else what.replace("a number", "a finite number")
        return _DESCRIPTIONS[self.kind] if not self.choices else " or ".join(self.choices)

    def describe_range(self) -> str:
        """What a search tries of it, in words; "" for nothing."""
        if self.range is None:
            return ""
        low, high = self.range
        return f"{low:g} to {high:g}{', by factors' if self.scale == 'log' else ''}"

    def _refusal(self, value: Any, hint: str = "") -> UsageError:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return UsageError(f"{self.name} takes {self.describe_values()}, not {shown}", hint=hint or self.help)


def parse_options(
    strategy: str,
    options: Iterable[Option],
    given: Mapping[str, Any],
    read_setting: ReadSetting = lambda _: "",
) -> dict[str, Any]:
    """Every option of a strategy with its value: what is given, read as its kind, or the default.

    Args:
        strategy: the strategy's name, for errors.
        options: its declaration.
        given: names to values; ``-`` counts as ``_``, and a ``_`` at the end is dropped.
        read_setting: reads Git's configuration, where there is any.

    Raises UsageError for a name that is not declared (the closest ones are suggested), given twice, or a bad value.
    """
    declared = {option.name: option for option in options}
    values = {option.name: option.choose_default(read_setting) for option in declared.values()}
    seen: dict[str, str] = {}
    for spelling, value in given.items():
        name = spelling.replace("-", "_").removesuffix("_")
        if name not in declared:
            raise UsageError(f"{strategy} has no option {spelling!r}", hint=suggest_names(name, declared))
        if name in seen:
            raise UsageError(
                f"{name} is given twice, as {seen[name]!r} and {spelling!r}", hint="Leave one of them out."
            )
        seen[name] = spelling
        values[name] = declared[name].parse(value)
    return values


def _parse_number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _parse_integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError
    return int(value)


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _parse_path(value: Any) -> str:
    text = _parse_text(value)
    try:
        return require_tree_path(text) if text else text
    except UsageError:
        raise ValueError from None


def _parse_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping):
        raise TypeError
    return list(value)


def _parse_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in ("true", "yes", "1", "false", "no", "0"):
        raise ValueError
    return text in ("true", "yes", "1")


def _parse_globs(value: Any) -> tuple[str, ...]:
    globs = _parse_list(value)
    if not all(isinstance(glob, str) for glob in globs):
        raise TypeError
    return tuple(globs)


def _parse_json(value: Any) -> Any:
    found = json.loads(value) if isinstance(value, (str, bytes)) else value
    if not isinstance(found, (Mapping, list, tuple)):
        raise TypeError
    return found


_PARSERS: Mapping[OptionKind, Callable[[Any], Any]] = {
    "number": _parse_number,
    "numbers": lambda value: tuple(map(_parse_number, _parse_list(value))),
    "integer": _parse_integer,
    "text": _parse_text,
    "path": _parse_path,
    "choice": str,
    "flag": _parse_flag,
    "globs": _parse_globs,
    "json": _parse_json,
}
_DESCRIPTIONS: Mapping[OptionKind, str] = {
    "numbers": "numbers with commas between them",
    "text": "a text",
    "path": "the path of a file inside the tree, from the checkpoint's folder, without ..",
    "flag": "true or false",
    "globs": "globs with commas between them",
    "json": "a list or a mapping, or its JSON text",
}


def _is_within(number: float, bounds: str) -> bool:
    if not bounds:
        return True
    low, high = map(float, bounds[1:-1].split(","))
    above = low <= number if bounds[0] == "[" else low < number
    return above and (number <= high if bounds[-1] == "]" else number < high)
