"""The merge policy of a file, from the command line, the repository, the environment and Git's configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.merging.policies.policy import Policy, Rule, build_policy, make_global_rule, parse_glob_rule
from git_theta.merging.policies.policy_file import POLICY_FILE, parse_policy
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.tracked_toml import SIZE_LIMIT
from git_theta.vcs.attribute_files.attribute_values import read_attribute
from git_theta.vcs.blobs import read_small_blob
from git_theta.vcs.remembered_settings import pick_settings

OPTIONS_VARIABLE = "GIT_THETA_MERGE"
"""How `git theta merge` hands its options to the driver, which Git's own -X does not reach: JSON."""
STRATEGY_VARIABLE = "GIT_THETA_STRATEGY"
"""A strategy for whatever is contested, for people who cannot pass options: `GIT_THETA_STRATEGY=average git pull`."""
KEYS = ("theta.merge.strategy", "theta.merge.option")
"""Git's configuration of the same, which lasts."""
ALL_KEYS = (*KEYS, "theta.merge.maxSide")
"""With what says defaults of options (``Option.setting``)."""


class MergeOptions(NamedTuple):
    """What a person asked of one merge.

    Attributes:
        strategy, options, rules: what ``-s``, ``-o`` and ``--for`` say.
        settings: how to compute.
        report: a file in which the driver is to report what it did; "" for none.
        foreseen: whether the driver is to report what it has to say, too: the merge may be made once more.
        measure: whether to report how far the changes of contested parameters agree, too.
        fallback: a strategy of the environment, for what neither of these nor a tracked policy settles.
        origins: what people call the first two, and the third: options of a command line, or arguments.
        cluster: the address of a scheduler whose workers compute; "" for the cores of this machine.
    """

    strategy: str = ""
    options: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    settings: MergeSettings = MergeSettings()
    report: str = ""
    foreseen: bool = False
    measure: bool = False
    fallback: str = ""
    origins: tuple[str, str] = ("-s", "--for")
    cluster: str = ""

    def encode(self) -> str:
        """The text that :func:`decode_options` reads."""
        return json.dumps(self._replace(settings=self.settings._asdict())._asdict())  # type: ignore[arg-type]

    def policy_rules(self) -> list[Rule]:
        """The rules of the command line: ``--for`` in order, then ``-s``. Raises UsageError for what is no rule."""
        overall, by_name = self.origins
        found = [parse_glob_rule(rule, origin=by_name) for rule in self.rules]
        if self.strategy or self.options:
            found.append(make_global_rule(self.strategy, self.options, origin=overall))
        return found


def decode_options(handed: str, fallback: str) -> MergeOptions:
    """The options that a `git theta merge` above us has handed on ("" for none), and those of the environment."""
    if not handed:
        return MergeOptions(fallback=fallback)
    fields = json.loads(handed)
    weights = fields["settings"]["weights"]
    settings = MergeSettings(
        tuple(weights) if weights else None, fields["settings"]["seed"], fields["settings"]["device"]
    )
    lists = {name: tuple(fields[name]) for name in ("options", "rules", "origins")}
    return MergeOptions(**{**fields, **lists, "settings": settings, "fallback": fallback})


def policy_for(path: str, worktree: Path | None, asked: MergeOptions) -> Policy:
    """The policy for one file, in the order of precedence. Raises UsageError saying which source is wrong."""
    return policy_for_files([path], worktree, asked)


def policy_for_files(paths: Sequence[str], worktree: Path | None, asked: MergeOptions) -> Policy:
    """The policy for several files. Raises UsageError as for one."""
    tracked = read_small_blob(f"HEAD:{POLICY_FILE}", SIZE_LIMIT, worktree)
    return build_policy(
        command_line=asked.policy_rules(),
        file=parse_policy(tracked) if tracked else (),
        attributes=read_attribute("theta-merge", paths, worktree),
        environment=[make_global_rule(asked.fallback, origin=STRATEGY_VARIABLE)] if asked.fallback else (),
        config=_config_rules(worktree),
    )


def _config_rules(worktree: Path | None) -> list[Rule]:
    strategy, options = (config_values(key, worktree) for key in KEYS)
    if not strategy and not options:
        return []
    return [make_global_rule(strategy[-1] if strategy else "", options, origin="theta.merge.strategy")]


def config_values(key: str, worktree: Path | None = None) -> list[str]:
    """All values of one key of Git's configuration, in order; none where it is not set."""
    try:
        return [value for _, value in pick_settings((key.lower(),), worktree)]
    except GitError:  # no configuration that could be read
        return []
