"""For each parameter of a checkpoint, the commit that last changed it."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.diffing.base import ParameterVersion
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.manifest.model import Entry, View
from git_theta.operations.comparing.parameter_blame import ParameterBlame, blame_parameters
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, read_checkpoint_at, refuse_globs
from git_theta.repository.history.version_history import VersionHistory
from git_theta.vcs.commits import Commit, fetch_ahead, walk_commits
from git_theta.vcs.revisions import commit_ids, keep_commits


def blame_checkpoint(
    history: VersionHistory, revision: str, path: str, globs: Sequence[str] = ()
) -> list[ParameterBlame[Commit]]:
    """Every name of every parameter that the globs match, with who last changed it; in file order.

    Args:
        history: where versions are read.
        revision: that the checkpoint is taken from.
        path: of its file, or the index of its shards, from the top.
        globs: for names; none for all.

    Raises UsageError where there is no such revision, checkpoint or name.
    """
    tips = keep_commits(commit_ids([revision])[:1])
    if not tips:
        raise UsageError(f"{revision!r} is no commit", hint="Name a branch, a tag or a commit.")
    found = read_checkpoint_at(history.blobs, tips[0], path, revision)
    _, _, shards = history.reader.unify_versions((found.path, (), found.shards))
    places = _select_parameters(found._replace(shards=shards), globs)
    return blame_parameters(places, fetch_ahead(walk_commits(tips)), history.diffs.edits_between, history.reader)


def spec_named(place: ParameterVersion) -> Entry | View:
    """The view, or the entry, that has the name of a place."""
    return next((view for view in place.entry.views if view.name == place.name), place.entry)


def _select_parameters(found: CheckpointVersion, globs: Sequence[str]) -> list[ParameterVersion]:
    """Every name of every parameter that the globs match."""
    if all(shard.manifest.is_opaque for shard in found.shards):
        raise UsageError(
            f"{found.path} is kept whole: it has no parameters to blame anybody for",
            hint=f"The commits that changed it: git theta log -- {found.path}",
        )
    matches = name_matcher(globs)
    places = [
        ParameterVersion(shard.path, name, entry)
        for shard in found.shards
        for entry in shard.manifest.parameters()
        for name in dict.fromkeys([entry.name or "", *(view.name for view in entry.views)])
        if matches(name)
    ]
    if not places:
        refuse_globs(found.path)
    return places
