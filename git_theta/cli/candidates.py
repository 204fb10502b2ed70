"""What can stand at the end of a command line: told by what the commands themselves declare.

Commands and options are click's business. What an argument or a value is follows from its metavar, which help and
reference show to people: `PATHSPEC`, `REVISION`, `STRATEGY`. So no command says anything twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete

from git_theta.diffing.measures.base import MEASURES
from git_theta.errors import GitError, ThetaError
from git_theta.formats.base import FORMATS
from git_theta.merging.catalogue import load_strategy, strategy_names
from git_theta.operations.comparing.diff_report import SORTS
from git_theta.repository.evaluating.evaluator_choice import list_evaluations
from git_theta.repository.rounds.round_refs import list_rounds, list_submitted
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.git import git, split_nul


class Candidate(NamedTuple):
    """One thing that could stand there.

    Attributes:
        kind: word; path, of a versioned file; prefix: more text follows without a space; revision, file, folder:
            whatever the shell itself knows of these.
        text: the whole word; "" for what the shell is to find.
        help: a line, or "".
    """

    kind: str
    text: str = ""
    help: str = ""


def find_candidates(root: click.Context, words: Sequence[str], last: str) -> Iterator[Candidate]:
    """What ``last`` may become.

    Args:
        root: the context of ``git theta`` itself.
        words: those before it, from the command on.
        last: the beginning of a word, perhaps "".
    """
    if words:
        _describe_values(root, words)
    items = ShellComplete(root.command, {}, root.info_name or "", "").get_completions(list(words), last)
    for item in items:
        yield Candidate(_KINDS_OF_CLICK.get(item.type, item.type), item.value, _first_line(item.help))


_KINDS_OF_CLICK = {"plain": "word", "dir": "folder"}


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _describe_values(root: click.Context, words: Sequence[str]) -> None:
    """Have the parameters of the command that ``words`` name know what their values are."""
    assert isinstance(root.command, click.Group)
    command = root.command.get_command(root, words[0])
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    for parameter in (parameter for one in (command, *inner) if one for parameter in one.params):
        names = metavar_words(parameter)
        if names and not isinstance(parameter.type, click.Choice):
            parameter.type = _DescribedValue(names, words)


def metavar_words(parameter: click.Parameter) -> list[str]:
    """The words of a parameter's metavar: of ``[REVISION]... [--] PATH`` two. None of a flag."""
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return []
    # That of an argument; click writes the name in capitals where there is none.
    return re.findall(r"[A-Z]+", parameter.metavar or (parameter.name or "").upper())


class _DescribedValue(click.types.UnprocessedParamType):
    """Takes any text, and completes it by the words of a metavar."""

    def __init__(self, names: Iterable[str], words: Sequence[str]) -> None:
        self._names, self._words = list(names), words

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        names = [name for name in self._names if "--" not in self._words or name in _BEHIND_DASHES]
        sources = dict.fromkeys(VALUES[name] for name in names or self._names if name in VALUES)
        found = [candidate for source in sources if source for candidate in source(self._words)]
        return [
            CompletionItem(one.text, one.kind, one.help)
            for one in dict.fromkeys(found)
            if one.text.startswith(incomplete) or not one.text
        ]


_BEHIND_DASHES = ("PATH", "PATHSPEC")


def _list_strategies(_words: Sequence[str]) -> Iterator[Candidate]:
    for name in strategy_names():
        try:
            yield Candidate("word", name, load_strategy(name).summary)
        except ThetaError:  # one of a package that is broken: `git theta doctor` tells of it
            continue


def _list_formats(_words: Sequence[str]) -> Iterator[Candidate]:
    return (Candidate("word", name) for name in FORMATS.list_names())


def _list_measures(_words: Sequence[str]) -> Iterator[Candidate]:
    for name in MEASURES.list_names():
        try:
            yield Candidate("word", name, MEASURES.load_plugin(name).summary)
        except ThetaError:
            continue


def _list_orders(words: Sequence[str]) -> Iterator[Candidate]:
    yield from (Candidate("word", name) for name in SORTS)
    yield from _list_measures(words)


def _list_options(words: Sequence[str]) -> Iterator[Candidate]:
    """The options of the strategy that the line names."""
    chosen = [after for before, after in pairwise(words) if before in ("-s", "--strategy")]
    chosen += [word.partition("=")[2] for word in words if word.startswith("--strategy=")]
    for name in chosen:
        if name in strategy_names():
            yield from (Candidate("prefix", f"{one.name}=", one.help) for one in load_strategy(name).options)


def _list_versioned(_words: Sequence[str]) -> Iterator[Candidate]:
    """The files in this folder and below that patterns track."""
    paths = split_nul(_ask_git("ls-files", "-z", "--", ":(attr:filter=theta)"))
    return (Candidate("path", path) for path in dict.fromkeys(paths))  # one in conflict is there three times


def _list_evaluations(_words: Sequence[str]) -> Iterator[Candidate]:
    with suppress(ThetaError):  # no repository, or a file that says what cannot be
        yield from (Candidate("word", name) for name in list_evaluations(discover_repository()))


def _list_rounds(_words: Sequence[str]) -> Iterator[Candidate]:
    with suppress(ThetaError):  # no repository
        yield from (Candidate("word", name) for name in list_rounds(discover_repository().home))


def _list_contributors(words: Sequence[str]) -> Iterator[Candidate]:
    """Who has submitted to the newest round: of the name that the line has, or of any."""
    with suppress(ThetaError):  # no repository
        top = discover_repository().home
        rounds = list_rounds(top)
        for name in [name for name in rounds if name in words] or rounds:
            yield from (Candidate("word", head.who) for head in list_submitted(rounds[name][-1], top))


def _list_remotes(_words: Sequence[str]) -> Iterator[Candidate]:
    return (Candidate("word", name) for name in _ask_git("remote").decode(errors="surrogateescape").splitlines())


def _list_commands(words: Sequence[str]) -> Iterator[Candidate]:
    """The commands of ``git theta``, or of the group that stands behind ``git theta help``."""
    about = click.get_current_context().find_root()
    for name in words[1:]:
        inner = about.command.get_command(about, name) if isinstance(about.command, click.Group) else None
        if inner:
            about = click.Context(inner, info_name=name, parent=about)
    if isinstance(about.command, click.Group):
        yield from (Candidate("word", one.value, one.help or "") for one in about.command.shell_complete(about, ""))


def _ask_git(*arguments: str) -> bytes:
    """What Git answers; nothing where it cannot, since nobody wants to read of that in the middle of a line."""
    try:
        return git(*arguments)
    except GitError:
        return b""


def _offer(*candidates: Candidate) -> Callable[[Sequence[str]], Iterator[Candidate]]:
    return lambda _words: iter(candidates)


_REVISIONS, _FILES = _offer(Candidate("revision")), _offer(Candidate("file"))
VALUES: dict[str, Callable[[Sequence[str]], Iterable[Candidate]] | None] = {
    **dict.fromkeys(("REVISION", "REV", "REF", "HEAD", "A", "B"), _REVISIONS),
    **dict.fromkeys(("CHECKPOINT", "PATH", "PATHSPEC"), _list_versioned),
    **dict.fromkeys(("ADAPTER", "FILE", "PATTERN"), _FILES),
    "FOLDER": _offer(Candidate("folder")),
    "STRATEGY": _list_strategies,
    "OPTION": _list_options,
    "REMOTE": _list_remotes,
    "ROUND": _list_rounds,
    "CONTRIBUTOR": _list_contributors,
    "NAME": _list_evaluations,
    "BASE": _REVISIONS,
    "FORMAT": _list_formats,
    "MEASURE": _list_measures,
    "ORDER": _list_orders,
    "COMMAND": _list_commands,
    "DEVICE": _offer(*(Candidate("word", name) for name in ("auto", "cpu", "cuda"))),
    **dict.fromkeys(
        ("ADDRESS", "AGE", "CMD", "DATE", "GLOB", "MSG", "N", "RULE", "SEED", "URL", "VALUE", "WHO", "WORD", "R"), None
    ),
}
"""Word of a metavar -> what it may be; None where only the person knows."""
