"""What pages have a person type, and how it is typed here: line by line, in a repository of a test.

A fenced block without a language is typed as it stands; where its first line begins with ``$``, the lines that do: the
others are what they print. A block of any other language is a file, or what something prints (``text``).
"""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "
_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_TYPED = re.compile(r"(?:GIT_THETA_\w+=\S+ )?git ")
_SHELL = re.compile(r"[|&;<>$`\n~]")
"""What a shell alone makes something of."""
_FAILED = re.compile(
    r"CONFLICT|\[rejected\]|contested parameters? left|^(?:error|fatal|problem|theta: error|gate FAILS): ", re.MULTILINE
)
"""What commands print that end with an error."""
Hook = Callable[[Sandbox], object]


class Line(NamedTuple):
    """A line that is typed, and what the page says it prints."""

    command: str
    printed: str = ""

    @property
    def is_to_fail(self) -> bool:
        """Whether it ends with an error, by what the page says it prints."""
        return _FAILED.search(self.printed) is not None


class Block(NamedTuple):
    """A block that is typed.

    Attributes:
        page: from the root of the repository.
        lines: what is typed, in its order.
    """

    page: str
    lines: tuple[Line, ...]

    def commands(self) -> list[str]:
        """What is typed, without what is printed."""
        return [line.command for line in self.lines]


def blocks_of(page: str) -> list[Block]:
    """What a page has typed, in its order."""
    found = (_lines_of(language, text) for language, text in _FENCE.findall((ROOT / page).read_text()))
    return [Block(page, lines) for lines in found if lines]


def file_of(page: str, language: str) -> str:
    """The text of a page's first block of a language."""
    texts: list[str] = [text for found, text in _FENCE.findall((ROOT / page).read_text()) if found == language]
    return texts[0]


def rows_of(page: str) -> list[Block]:
    """What the last column of a page's tables has typed: a block for each row."""
    rows = (row.rstrip(" |").rpartition(" | ")[2] for row in _ROW.findall((ROOT / page).read_text()))
    found = ([Line(code) for code in _CODE.findall(cell) if _TYPED.match(code)] for cell in rows)
    return [Block(page, tuple(lines)) for lines in found if lines]


def _lines_of(language: str, text: str) -> tuple[Line, ...]:
    if language:
        return ()
    if text.startswith(_PROMPT):
        parts = text.removeprefix(_PROMPT).split(f"\n{_PROMPT}")
        return tuple(Line(*part.partition("\n")[::2]) for part in parts)
    return tuple(Line(line) for line in text.splitlines() if line and not line.startswith("#"))


class Story(NamedTuple):
    """How a page is typed.

    Attributes:
        build: makes the world: a repository, and what is beside it.
        goes_on: whether each block goes on where the one before has ended; else each begins in a world of its own.
        apart: beginnings of blocks of which each line begins in a world of its own: they are ways to choose from.
        at: in which folder of the repository a block is typed, where it is another than before: by its number.
        replaced: what stands for the reader's own places and names; ``{world}`` is the folder around the repository.
        before: what happens before a line that begins so, where it is typed; of several beginnings, the longest.
    """

    build: Hook
    goes_on: bool = False
    apart: tuple[str, ...] = ()
    at: Mapping[int, str] = {}
    replaced: Mapping[str, str] = {}
    before: Mapping[str, Hook] = {}


class Typist:
    """Types the lines of a story's blocks.

    Args:
        story: how.
        start: the repository that its ``build`` made, in a folder with all that belongs to it.
    """

    def __init__(self, story: Story, start: Sandbox) -> None:
        self._story, self._start = story, start
        self._worlds = itertools.count(1)
        self._here = start
        self._folder = start.root

    def type_blocks(self, blocks: Iterable[Block]) -> None:
        """Type them. Raises AssertionError with what was printed, where a line ends otherwise than the page says."""
        for number, block in enumerate(blocks):
            if not self._story.goes_on:
                self._begin_anew()
            if number in self._story.at:
                self._folder = self._start.root / self._story.at[number]
            self._type_lines(block.lines, apart=block.lines[0].command.startswith(self._story.apart))

    def _type_lines(self, lines: Sequence[Line], *, apart: bool) -> None:
        for number, line in enumerate(lines):
            if apart and number:
                self._begin_anew()
            self._prepare(line.command)
            self._type(line)

    def _begin_anew(self) -> None:
        world = self._start.root.parent.with_name(f"world-{next(self._worlds)}")
        shutil.copytree(self._start.root.parent, world, symlinks=True)
        self._here = Sandbox(world / self._start.root.name)
        self._folder = self._here.root

    def _prepare(self, command: str) -> None:
        starts = [start for start in self._story.before if command.startswith(start)]
        if starts:
            self._story.before[max(starts, key=len)](Sandbox(self._folder))

    def _type(self, line: Line) -> None:
        command = line.command
        for old, new in self._story.replaced.items():
            command = command.replace(old, new.format(world=self._here.root.parent))
        done = self._run(command)
        said = f"{line.command}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert (done.returncode != 0) == line.is_to_fail, said
        assert "Traceback" not in said

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line; one that needs no shell by the sandbox, which starts no new Python for it."""
        here = Sandbox(self._folder)
        words = shlex.split(command, comments=True)
        if not _SHELL.search(command.partition(" # ")[0]):
            if words[:2] == ["git", "theta"] and "--help" not in words:
                return here.theta(*words[2:], check=False)
            if words[:1] == ["python"] and words[1].endswith(".py"):
                return here.python(*words[1:], check=False)
        place = self._here.root.parent / "where"
        done = here.run("bash", "-c", f'{command}\ncode=$?; pwd > "{place}"; exit $code', check=False)
        self._folder = Path(place.read_text().strip())
        return done
