"""Merges of branches from Python: a plan to look at, and a commit on a branch, with no worktree in between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_theta.api.merge_rows import MergeRow, list_merge_rows
from git_theta.api.naming import enter_repository, list_words, resolve_revision, spell_revision, warn_caller
from git_theta.api.row_table import RowTable
from git_theta.errors import ConflictError, UsageError
from git_theta.merging.devices import device as find_device
from git_theta.operations.context import NOT_SHOWN
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_report import trailers
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.repository.clustering.clusters import require_address
from git_theta.repository.merging.foreseen_files import foresee_files
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_many import write_merged_tree
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest, check_weights, label_heads
from git_theta.repository.merging.merged_checkpoints import merge_checkpoints
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_request, describe_idle_rules
from git_theta.repository.setup.hook_placing import prepare_pushes
from git_theta.repository.stores.opening import open_context
from git_theta.vcs import branches
from git_theta.vcs.heads import Head, all_merge_bases, independent_heads, merge_base
from git_theta.vcs.merges import tree_merges
from git_theta.words import join_some, pluralize

if TYPE_CHECKING:
    import git

    from git_theta.api.naming import RepositoryLike, RevisionLike

_SHOWN = ("checkpoint", "name", "state", "strategy", "take", "reason")


class BranchMerge:
    """A merge that is planned, and was not made: nothing was read but manifests, and frames that may hold scales.

    Attributes:
        plan: a table with a row for each parameter that is not the same everywhere; see ``MergeRow``.
        heads: the ids of the commits that are merged, in order; of those that are in the history of others, none.
        base: the id of the commit that changes are measured from.
    """

    def __init__(self, repo: RepositoryLike, made: MergeInputs, found: Sequence[FilePlan], asked: MergeOptions) -> None:
        assert made.base
        self.heads = tuple([head.commit for head in made.heads])
        self.base = made.base.commit
        self._repo, self._made, self._found, self._asked = repo, made, found, asked
        with enter_repository(repo) as entered, open_context(entered.repository, warn_caller) as context:
            top = entered.repository.home
            foreseen = foresee_files(made, found, asked, top, context)
            rows = [row for one in foreseen for row in list_merge_rows(one, made)]
        self.plan = RowTable(MergeRow, rows, _SHOWN)

    def __repr__(self) -> str:
        contested = sum(row.contested for row in self.plan)
        return f"<BranchMerge of {len(self.heads)} heads, {len(self.plan)} changes, {contested} contested>"

    def commit(self, branch: str, message: str | None = None) -> git.Commit:
        """Make the merge, as a commit on a branch, with all heads as parents; neither index nor worktree is touched.

        What is missing is fetched. Which strategy did what stands in trailers of the message (``Theta-Merge``).

        Args:
            branch: its name; made where it does not exist. Else it has to be at one of the heads, and must not be
                checked out.
            message: None for one that names the heads.

        Raises:
            ConflictError: something stays contested, here or in files that Git merges; names it. No branch moved.
            BranchMoved: the branch is at none of the heads, or moved meanwhile.
            UsageError: the branch is checked out; the cluster does not answer, has no worker, or one that cannot work
                for us.
            MissingObject, CorruptObject: a tensor cannot be had.
            PluginError: there is a cluster, and dask.distributed is not installed here.
        """
        import git

        with enter_repository(self._repo) as entered:
            top = entered.repository.home
            ref = branches.resolve_branch(branch, top)
            branches.require_unused(ref, entered.repository)
            tip = branches.find_tip(ref, top)
            branches.require_tip(ref, tip, tip if tip in (*self.heads, "") else self.heads[0])
            merged = merge_checkpoints(self._made, self._found, self._asked, entered.repository, warn_caller, NOT_SHOWN)
            _require_settled(merged.conflicts)
            tree, conflicts = write_merged_tree(self._made, merged.files, top)
            _require_settled(conflicts)
            text = "\n".join([message or _describe_merge(self._made), "", *trailers(merged.records)])
            commit = branches.write_commit(tree, self.heads, text, top)
            prepare_pushes(entered.repository, warn_caller)
            branches.move_branch(ref, commit, tip, "merge: by git_theta.merge", top)
            return git.Repo(top).commit(commit)


def plan_branch_merge(
    *heads: RevisionLike,
    strategy: str = "",
    options: Mapping[str, Any] | None = None,
    rules: str | Sequence[str] = (),
    weights: Sequence[float] | None = None,
    base: RevisionLike | None = None,
    seed: int = 0,
    device: str = "cpu",
    cluster: str = "",
    repo: RepositoryLike = ".",
) -> BranchMerge:
    """Plan a merge of branches; exported as ``git_theta.merge``. Nothing is read but manifests, and nothing is written.

    Args:
        heads: the revisions, ours first; two or more, all merged at once.
        strategy: what contested parameters are merged with; "" for what the project's policy, attributes and
            configuration say, or a conflict.
        options: of the strategy, by name; ``lambda_`` for lambda.
        rules: for some parameters, as ``git theta merge --for`` takes them: ``"head.*=ours"``; one, or a list.
        weights: one per head.
        base: the revision that changes are measured from; None for the merge base.
        seed: of strategies that draw at random.
        device: "cpu", "cuda", "cuda:N" or "auto".
        cluster: the address of a dask scheduler whose workers compute for ``commit``, as ``git theta merge --on`` takes
            it: "tcp://HOST:PORT"; "" for the cores of this machine.
        repo: as ``git_theta.open``; a bare repository, too.

    Raises:
        UsageError: no such revision, strategy or option; what is no address of a scheduler; heads that do not fit the
            strategy; one head is in the history of the others; no merge base, or several. Git older than 2.38.

    Example:
        >>> m = git_theta.merge("main", "topic", strategy="ties", options={"density": 0.2})
        >>> m.plan.to_frame().query("contested")[["name", "reason"]]
        >>> m.commit(branch="merged")
    """
    with enter_repository(repo) as entered:
        top = entered.repository.home
        tree_merges.require_tree_merges()
        made = _gather_inputs(heads, base, weights, top)
        asked = MergeOptions(
            strategy,
            tuple([f"{name.rstrip('_')}={_spell_option(value)}" for name, value in (options or {}).items()]),
            tuple(list_words(rules)),
            MergeSettings(made.weights, seed, find_device(device)),
            origins=("strategy=", "rules="),
            cluster=require_address(cluster),
        )
        found = find_cases(made, entered.repository, warn_caller)
        check_weights(made.weights, made.heads, "head")
        check_request(found, MergeRequest(tuple([head.name for head in made.heads]), asked), made, top)
        for idle in describe_idle_rules(found, asked):
            warn_caller(idle)
        return BranchMerge(repo, made, found, asked)


def _gather_inputs(
    heads: Sequence[RevisionLike], base: RevisionLike | None, weights: Sequence[float] | None, top: Path
) -> MergeInputs:
    """What is merged, from what. Raises UsageError for less than two heads, and where no one base can be found."""
    named = [Head(spell_revision(head), resolve_revision(head)) for head in heads]
    kept = tuple(independent_heads(named, top)) if named else ()
    if len(kept) < 2:
        raise UsageError("there are not two heads to merge", hint="Heads in the history of others are left out.")
    return MergeInputs(
        kept, _find_base(kept, base, top), None if weights is None else tuple(weights), label_heads(kept)
    )


def _find_base(heads: Sequence[Head], base: RevisionLike | None, top: Path) -> Head:
    if base is not None:
        return Head(spell_revision(base), resolve_revision(base))
    several = len(heads) > 2
    found = [merge_base(heads, top)] if several else [*all_merge_bases(heads[0].commit, heads[1].commit, cwd=top)]
    bases = [commit for commit in found if commit]
    if len(bases) != 1:
        many = f"{len(bases)} best commits" if bases else "no commit"
        raise UsageError(f"the heads have {many} in common", hint="Say what changes are measured from: base='REV'.")
    return Head(bases[0], bases[0])


def _require_settled(conflicts: Sequence[str]) -> None:
    if conflicts:
        raise ConflictError(
            f"{pluralize(len(conflicts), 'conflict')}: {join_some(list(conflicts), 5)}",
            hint="Choose a strategy for all of them (strategy=, rules=), or resolve them: git theta merge.",
        )


def _describe_merge(made: MergeInputs) -> str:
    first, *others = [head.name for head in made.heads]
    return f"Merge {', '.join(others)} into {first}"


def _spell_option(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)) and not any(isinstance(one, (list, tuple, Mapping)) for one in value):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
