"""Which evaluations are for which checkpoints: by the globs of their definitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_theta.checkpoints.index_file import is_index, whole_path_of
from git_theta.errors import UsageError
from git_theta.evaluation.definitions import EvaluationDefinition
from git_theta.globs import path_matcher
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice


def match_evaluations(
    versions: Iterable[EvaluatedVersion], choices: Sequence[EvaluationChoice]
) -> list[tuple[EvaluatedVersion, EvaluationChoice]]:
    """Which evaluations are for which versions.

    Raises UsageError for an evaluation that is for none.
    """
    listed = list(versions)
    found: list[tuple[EvaluatedVersion, EvaluationChoice]] = []
    for choice in choices:
        fitting = [one for one in listed if is_meant(choice.definition, one)]
        if not fitting:
            globs = ", ".join(choice.definition.checkpoints)
            raise UsageError(
                f"the evaluation {choice.name} is for {globs}, and none of these checkpoints is",
                hint=f"There is: {', '.join(sorted({one.path for one in listed}))}",
            )
        found += [(one, choice) for one in fitting]
    return found


def is_meant(definition: EvaluationDefinition, version: EvaluatedVersion) -> bool:
    """Whether an evaluation is for a version of a checkpoint. Every one is for a file that was found anywhere.

    An index of shards may go by the name that they have together, too.
    """
    return bool(version.found) or is_meant_path(definition, version.path)


def is_meant_path(definition: EvaluationDefinition, path: str) -> bool:
    """Whether an evaluation is for the checkpoints at a path from the top."""
    if not definition.checkpoints:
        return True
    matches = path_matcher(definition.checkpoints)
    return matches(path) or (is_index(path) and matches(whole_path_of(path)))
