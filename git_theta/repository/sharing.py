"""Objects to and from the remotes of a repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from git_theta.errors import TransportError
from git_theta.operations.keeping.inventory import ObjectUse
from git_theta.operations.keeping.object_push import PushTotals, send_objects
from git_theta.repository.opening import open_context, open_store
from git_theta.transport.directory import DirectoryTransport
from git_theta.vcs.discovery import Repository
from git_theta.words import humanize_size, pluralize


def push_objects(
    needed: Mapping[str, ObjectUse],
    repository: Repository,
    target: Repository,
    warn: Callable[[str], None],
    progress: Callable[[int], None],
) -> PushTotals:
    """Put on a directory remote what it lacks of these objects; tells how many that were."""
    store = open_store(repository)
    with open_context(repository, warn) as context:
        transport = DirectoryTransport(store, target.theta_dir, target.alternates(), progress)
        return send_objects(needed, store, transport.lacking, transport.push, context.fetch)


def unreachable_error(remote: str, needed: Mapping[str, ObjectUse]) -> TransportError:
    """The error of a push that needs objects where this release cannot put them."""
    paths = sorted({use.path for use in needed.values()})
    rest = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    total = humanize_size(sum(use.bytes for use in needed.values()))
    return TransportError(
        f"this release shares objects with directory remotes only (a path, or file://), and {remote} is none: "
        f"{pluralize(len(needed), 'object')}, {total}, stay here, of {', '.join(paths[:3])}{rest}. Nothing was pushed.",
        hint="Push to a repository in a folder that both sides reach. `git push --no-verify` pushes the commits alone, "
        "which nobody can check out without these objects.",
    )
