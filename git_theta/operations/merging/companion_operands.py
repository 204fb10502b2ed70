"""The tensors of companions that belong to a contested parameter: by its name, from the commit of each head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry
from git_theta.merging.base import Operand, Strategy
from git_theta.merging.companions import Companion
from git_theta.merging.contests import Read, StoredOperand
from git_theta.merging.planning.decisions import Decision
from git_theta.operations.context import CompanionVersion, Context
from git_theta.tensors.dtypes import BY_NAME


def find_operands(
    strategy: Strategy, decision: Decision, options: Mapping[str, Any], read: Read, context: Context
) -> dict[str, tuple[Operand | None, ...]]:
    """By companion, each head's tensor; None for a head that lacks the parameter, or what is optional.

    Raises ConflictError where the commits are not known, and for a head whose companion lacks it; UsageError for a
    pattern that leaves the tree.
    """
    found: dict[str, tuple[Operand | None, ...]] = {}
    for companion in strategy.companions:
        versions = zip(find_versions(companion, strategy, options, context), decision.heads, strict=True)
        operands = [
            _find_operand(version, decision, companion, strategy, read) if held else None for version, held in versions
        ]
        found[companion.name] = tuple(operands)
    return found


def find_versions(
    companion: Companion, strategy: Strategy, options: Mapping[str, Any], context: Context
) -> Sequence[CompanionVersion]:
    """What each head has of a companion. Raises ConflictError where the commits are not known."""
    found = context.find_companions(companion, options)
    if found is None:
        raise ConflictError(
            f"{strategy.name} reads {companion.choose_pattern(options)} from each head's commit, and which those are "
            f"cannot be known here; git theta resolve -s {strategy.name} knows them after git merge, git rebase and "
            "git cherry-pick"
        )
    return found


def require_companion(version: CompanionVersion, strategy: Strategy) -> Mapping[str, Entry]:
    """The parameters that a head has there. Raises ConflictError where it has none."""
    if version.entries is None:
        raise ConflictError(
            f"{strategy.name} reads {version.path}, and {version.head} {version.problem or 'has no such file'}",
            hint="Commit it with the checkpoint it belongs to, or choose another strategy.",
        )
    return version.entries


def _find_operand(
    version: CompanionVersion, decision: Decision, companion: Companion, strategy: Strategy, read: Read
) -> Operand | None:
    entries = require_companion(version, strategy)
    entry = next((entries[name] for name in decision.names if name in entries), None)
    if entry is None and companion.is_optional:
        return None
    if entry is None or entry.dtype not in BY_NAME:
        raise ConflictError(f"{version.path} of {version.head} has no values for it, which {strategy.name} reads")
    return StoredOperand(entry, read)
