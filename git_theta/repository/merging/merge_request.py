"""What a `git theta merge` merges: heads, their merge base, and how each checkpoint is merged."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.errors import ConflictError, ManifestError, UsageError
from git_theta.globs import name_matcher
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.merging import options
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import FLOATING, check_heads
from git_theta.merging.policy import CONFLICT, Choice, parse_glob_rule, prefix_origin
from git_theta.merging.treatments import choose_by_policy
from git_theta.operations.merging.companion_operands import require_companion
from git_theta.operations.merging.file_plans import FilePlan, HeadVersion, plan_file
from git_theta.operations.merging.file_renames import MergeFile, follow_renames
from git_theta.operations.merging.merge_results import Choose
from git_theta.repository.comparing.file_layouts import adopt_raw_file, unify_versions
from git_theta.repository.comparing.sharded_versions import Adopt, Unify
from git_theta.repository.merging.checkpoint_cases import plan_checkpoints
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.policy_sources import MergeOptions, policy_for
from git_theta.vcs import heads as vcs_heads
from git_theta.vcs import trees
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head
from git_theta.words import pluralize

_FRAME_STARTS = ("(frame)", "[(]frame")
_SIDE_STRATEGIES = ("ours", "theirs")
_COMPUTE_HINT = "Choose another strategy for it: average, ties ..."


class MergeRequest(NamedTuple):
    """A merge as the command line, or a recipe, asks for it.

    Attributes:
        heads: revisions; HEAD is merged too, unless it is in their history.
        asked: how to merge them; weights are in the order of ``heads`` where those are all, else HEAD's first.
        base: a revision to measure changes from; None for the merge base.
        all_named: whether ``heads`` are all there is to merge: HEAD has to be one of them, or in their history.
        dtype: what contested tensors have to be; None for anything.
    """

    heads: tuple[str, ...]
    asked: MergeOptions = MergeOptions()
    base: str | None = None
    all_named: bool = False
    dtype: str | None = None


class MergeInputs(NamedTuple):
    """What is merged.

    Attributes:
        heads: those that are not in each other's history: HEAD first, if it is one of them.
        base: the commit that changes are measured from; None where the heads have no commit in common.
        weights: one per head, or None.
        labels: what plans and reports call the heads.
    """

    heads: tuple[Head, ...]
    base: Head | None
    weights: tuple[float, ...] | None
    labels: tuple[str, ...]

    @property
    def others(self) -> tuple[Head, ...]:
        """The heads but HEAD."""
        return tuple([head for head in self.heads if head.name != vcs_heads.HEAD])


def gather_inputs(request: MergeRequest, top: Path) -> MergeInputs:
    """What a request asks to merge. Raises UsageError for what is no commit, and for weights that do not fit."""
    own = vcs_heads.resolve_head(vcs_heads.HEAD, top)
    asked = [vcs_heads.resolve_head(name, top) for name in request.heads]
    heads, weights = (
        _recipe_heads(request, own, asked, top) if request.all_named else _independent_heads(request, own, asked, top)
    )
    check_weights(weights, heads, "head")
    base = request.base or vcs_heads.merge_base(heads, top)
    return MergeInputs(tuple(heads), vcs_heads.resolve_head(base, top) if base else None, weights, label_heads(heads))


def check_weights(weights: Sequence[float] | None, heads: Sequence[Head], noun: str) -> None:
    """Raise UsageError for weights that are not one finite number for each head; ``noun``: what people call a head."""
    if weights is None:
        return
    names = ", ".join(head.name for head in heads)
    if len(weights) != len(heads):
        raise UsageError(
            f"{len(weights)} weights do not match {pluralize(len(heads), noun)}",
            hint=f"Give one per {noun}, in this order: {names}",
        )
    for weight, head in zip(weights, heads, strict=True):
        if not math.isfinite(weight):
            raise UsageError(f"the weight of {head.name} is {weight}", hint="Weights are finite numbers.")


WeightedHeads = tuple[list[Head], tuple[float, ...] | None]


def _independent_heads(request: MergeRequest, own: Head, asked: Sequence[Head], top: Path) -> WeightedHeads:
    return vcs_heads.independent_heads([own, *asked], top), request.asked.settings.weights


def _recipe_heads(request: MergeRequest, own: Head, asked: Sequence[Head], top: Path) -> WeightedHeads:
    """The heads of a recipe: none may drop out, as its weights would then mean something else."""
    kept = vcs_heads.independent_heads([own, *asked], top)
    commits = [head.commit for head in asked]
    dropped = [head.name for head in asked if head.commit not in {one.commit for one in kept}]
    if dropped or len(set(commits)) < len(commits):
        raise UsageError(
            f"{dropped[0] if dropped else 'one of the models'} is in the history of another model, or is the same",
            hint="There is nothing in it to merge. Leave it out.",
        )
    if own.commit not in commits and own in kept:
        raise UsageError(
            "what is checked out is no model of the recipe", hint="Check out one of the models, or what they come from."
        )
    if request.asked.strategy == "slerp" and own.commit != commits[0]:
        raise UsageError("slerp goes from base_model, which is not checked out", hint=f"git switch {asked[0].name}")
    weights = request.asked.settings.weights or (1.0,) * len(asked)
    order = sorted(range(len(asked)), key=lambda index: commits[index] != own.commit)
    heads = [own if commits[index] == own.commit else asked[index] for index in order]
    return heads, request.asked.settings.weights and tuple([weights[index] for index in order])


def label_heads(heads: Sequence[Head]) -> tuple[str, ...]:
    """What plans and reports call these heads."""
    if len(heads) == 2 and heads[0].name == vcs_heads.HEAD:
        return "ours", "theirs"
    names = tuple([head.name for head in heads])
    fit = len(set(names)) == len(names) and "base" not in names
    return names if fit else tuple([f"head {number}" for number in range(1, len(names) + 1)])


def find_cases(made: MergeInputs, repository: Repository, warn: Callable[[str], None]) -> list[FilePlan]:
    """How to merge each checkpoint that is not the same at the base and all heads: one of several files at once.

    Raises ManifestError, with the path, for a manifest that cannot be read.
    """
    top = repository.home
    bases = [trees.files_of(made.base.commit, top)] if made.base else [{}]
    commits = [*bases, *(trees.files_of(head.commit, top) for head in made.heads)]
    heads = [head.commit for head in made.heads]
    renames = trees.find_renames(made.base.commit, heads, commits, top) if made.base else [{} for _ in heads]
    found = plan_checkpoints(commits, made.labels, repository, warn, renames)
    covered = {path for item in found for path in item.paths}
    versions = {
        path: files
        for path, files in trees.differing_files(commits if made.base else commits[1:]).items()
        if path not in covered
    }
    if made.base is None:
        versions = {path: (None, *files) for path, files in versions.items()}
    texts = _read_manifest_texts(versions)
    adopt = partial(adopt_raw_file, repository=repository, warn=warn)
    unify = partial(unify_versions, repository=repository, warn=warn)
    for path, files, was, clash in follow_renames(versions, _leave_out(renames, covered), made.labels):
        if any(file and file.oid in texts for file in files):
            there = [_load_version(path, file, texts) for file in files]
            laid = _unify_versions(path, [_adopt_version(path, one, adopt) for one in there], unify)
            found.append(plan_file(MergeFile(path, laid, was, clash), made.labels))
    return found


def _adopt_version(path: str, version: HeadVersion | None, adopt: Adopt) -> HeadVersion | None:
    """A version that Git holds as it is, by parameters, as another one is."""
    if version is None or version.manifest or not version.mode.startswith("100"):
        return version
    return version._replace(manifest=adopt(path, version.oid))


def _unify_versions(path: str, versions: Sequence[HeadVersion | None], unify: Unify) -> tuple[HeadVersion | None, ...]:
    """The versions of a file, those that are manifests in one layout."""
    files = unify([one and one.manifest and Shard(path, one.manifest) for one in versions])
    return tuple(
        [one and one._replace(manifest=file and file.manifest) for one, file in zip(versions, files, strict=True)]
    )


def _leave_out(renames: Sequence[Mapping[str, str]], covered: Container[str]) -> list[dict[str, str]]:
    """The same without files of checkpoints that are merged whole."""
    return [{old: new for old, new in names.items() if old not in covered and new not in covered} for names in renames]


def _read_manifest_texts(versions: Mapping[str, Sequence[trees.TreeFile | None]]) -> dict[str, bytes]:
    """The texts of the blobs that claim to be manifests, by id."""
    oids = {file.oid for files in versions.values() for file in files if file and file.is_regular}
    return read_wanted_blobs(oids, is_manifest, MAX_MANIFEST)


def _load_version(path: str, file: trees.TreeFile | None, texts: Mapping[str, bytes]) -> HeadVersion | None:
    if file is None:
        return None
    try:
        manifest = decode_manifest(texts[file.oid]) if file.oid in texts else None
    except ManifestError as error:
        raise error.add_location(path=path) from None
    return HeadVersion(file.mode, file.oid, manifest)


def chooser_for(path: str, top: Path | None, asked: MergeOptions) -> Choose:
    """What the policy says about a decision of this file."""
    policy = policy_for(path, top, asked)
    return choose_by_policy(policy, path)


def chooser_of(item: FilePlan, top: Path | None, asked: MergeOptions) -> Choose:
    """What the policy says about a decision; of a checkpoint of several files, by the file that has the parameter."""
    whole = item.checkpoint
    if whole is None:
        return chooser_for(item.path, top, asked)
    choosers = {path: chooser_for(path, top, asked) for path in whole.paths}
    return lambda decision: choosers[whole.path_of(decision)](decision)


def check_request(found: Sequence[FilePlan], request: MergeRequest, made: MergeInputs, top: Path) -> None:
    """Raise UsageError for a strategy, an option, weights, a dtype or a companion that cannot be, before anything is
    done.
    """
    weights = made.weights
    for rule in request.asked.policy_rules():
        _require_spec(rule.choice)
    weighable = weights is None
    for item in found:
        choices = _choices_for(item, top, request.asked)
        for name, origin in dict.fromkeys((choice.strategy, choice.origin) for choice in choices):
            strategy = load_strategy(name)
            check_strategy(item, Choice(name, {}, origin), weights if strategy.takes_weights else None)
            weighable = weighable or strategy.takes_weights
        _check_dtype(item, request.dtype)
        _check_companions(item, choices, made, top)
    if not weighable and any(item.plan and item.plan.contested for item in found):
        raise UsageError(
            "no strategy that is used here takes weights", hint="Leave them out, or choose the strategy weighted."
        )


def describe_idle_rules(found: Sequence[FilePlan], asked: MergeOptions) -> list[str]:
    """In words, the rules of the command line (``--for``) that match no parameter of what is merged.

    Keys of a frame are known when it is merged: nothing is said of rules about these.
    """
    names = {name for item in found if item.plan for decision in item.plan.decisions for name in decision.names}
    rules = [(rule, parse_glob_rule(rule, origin=asked.origins[1]).parameters) for rule in asked.rules if names]
    return [
        f"{asked.origins[1]} {rule}: nothing that is merged is called so"
        for rule, globs in rules
        if not any(glob.startswith(_FRAME_STARTS) for glob in globs) and not any(map(name_matcher(globs), names))
    ]


def check_strategy(item: FilePlan, choice: Choice, weights: tuple[float, ...] | None = None) -> None:
    """Raise UsageError, naming the file and who chose it, for a strategy that does not take the heads of a file.

    Sides are those of the merge: where not all heads have the file, the first one of those that do is not "ours".
    """
    strategy = load_strategy(choice.strategy)
    fitting = weights and tuple([weights[index] for index in item.among])
    try:
        with prefix_origin(choice.origin):
            if strategy.name in _SIDE_STRATEGIES and len(item.among) < len(item.heads):
                raise UsageError(f"{strategy.name} may be a head without this file", hint=_COMPUTE_HINT)
            check_heads(strategy, len(item.among), fitting)
    except UsageError as error:
        raise error.add_location(path=item.path) from None


def _choices_for(item: FilePlan, top: Path, asked: MergeOptions) -> list[Choice]:
    """What the policy chooses for a file, each rule's choice once: thousands of parameters have the same."""
    contested = item.plan.contested if item.plan else ()
    choose = chooser_of(item, top, asked) if contested else lambda _: None
    found = {id(choice): choice for decision in contested if (choice := choose(decision))}
    for choice in found.values():
        _require_spec(choice)
    return list({(str(choice), choice.origin): choice for choice in found.values()}.values())


def _require_spec(choice: Choice) -> None:
    if choice.strategy != CONFLICT:
        with prefix_origin(choice.origin):
            strategy = load_strategy(choice.strategy)
        options.parse_options(strategy.name, strategy.options, choice.options)


def _check_companions(item: FilePlan, choices: Iterable[Choice], made: MergeInputs, top: Path) -> None:
    """Raise UsageError, with the path, where a head lacks a file that a strategy reads beside this one."""
    find = find_in_heads(item, [head.commit for head in made.heads], made.labels, top)
    for choice in {str(choice): choice for choice in choices}.values():
        strategy = load_strategy(choice.strategy)
        given = options.parse_options(strategy.name, strategy.options, choice.options)
        try:
            for version in (one for companion in strategy.companions for one in find(companion, given) or ()):
                require_companion(version, strategy)
        except (ConflictError, UsageError) as error:
            raise UsageError(error.message, hint=error.hint, path=item.path) from None


def _check_dtype(item: FilePlan, dtype: str | None) -> None:
    for decision in item.plan.contested if item.plan and dtype else ():
        for entry in (entry for held in decision.heads for entry in held):
            if entry.dtype in FLOATING and entry.dtype != dtype:
                raise UsageError(
                    f"the recipe's dtype is {dtype}, and the tensor's is {entry.dtype}",
                    hint="Parameters keep their dtype in a merge: leave dtype out of the recipe.",
                    path=item.path,
                    parameter=decision.name,
                )
