"""The reference of strategies, made from their declarations: ``python -m git_theta.merging.reference > FILE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from git_theta import known_plugins
from git_theta.merging.base import Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import FLOATING
from git_theta.merging.options import Option
from git_theta.merging.planning.groups import GROUP_PATTERNS
from git_theta.merging.policies.kinds import KIND_PATTERNS, KINDS

INTRODUCTION = f"""\
# Merge strategies

Made from the strategies' own declarations by `python -m git_theta.merging.reference`.

What all of them have in common:

- A parameter that one head alone changed, or that all heads changed in the same way, needs no strategy: it is taken as
  it is, bit for bit. Strategies see what is contested.
- x_i is the tensor of head i, w_i its weight (1 where none are given), tau_i = x_i - base its task vector.
- Arithmetic is in fp32, in fp64 for fp64 tensors, with one rounding to the stored dtype at the end, and gives the same
  bytes for any number of threads, by numpy and by torch, and on any device. fp8 goes through fp32. What is too large
  for the stored dtype becomes infinite; in F8_E4M3 the largest number, in the FNUZ kinds NaN. A complex number counts
  as two real ones.
- Strategies that compute take tensors of one shape and one dtype, which must be one of these:
  {", ".join(FLOATING)}.
  Other dtypes hold counts, flags or codes, whose mean means nothing: they conflict.
- A strategy that says "not exact" needs matrix products and eigenvalues, whose last bits depend on the processor and
  the number of threads. It computes in fp64 throughout: between machines a few elements of 100,000 differ at most, by
  one unit in the last place (of fp64 tensors more, in the last digits).
- The order of heads changes no byte, but for `ours`, `theirs`, and for `slerp` with t other than 0.5.
- "searched" is what `git theta search` tries of an option; the option takes more.
- NaN and infinite elements are merged as arithmetic has it, and counted in the report.
- In Python, `lambda` is spelled `lambda_`: `git_theta.merge_tensors("ties", [a, b], base, density=0.2, lambda_=1.0)`.
"""


KINDS_INTRODUCTION = """\
## Kinds of tensors that are no weights

Extrapolated variances become negative, and a mean of counters is no count. So where a strategy that computes is chosen
for one of these, something else is done; which, `--plan`, the report and a line on stderr say. It is contested tensors
alone that this is about: what one head changed is taken as it is.

- The weighted mean has the weights that were given, but for negative ones, which count as 0; equal ones where none are
  left. Beside `slerp` they are 1 - t and t.
- `ours`, `theirs`, `base` and `conflict` mean for these what they mean for weights.
- A rule for a kind says what is done instead: `kind = "statistic"` in `.theta.toml`, `--for 'statistic:*=ties'`.
- In Python, `by_kind=False` merges everything as weights are.

The first row that matches counts. Names are globs of the last parts of a name, parts being what dots or slashes
separate; with `...` around it, of parts anywhere in it. Upper case is as good as lower.
"""


GROUPS_INTRODUCTION = """\
## Groups: what means something only together

Codes of one head beside scales of another are a wrong model that loads without a word. So the members of a group are
one decision: contested together where heads changed any of them differently, taken from one side together, and left
contested by every strategy that computes. To average quantised models, merge what they were quantised from, and
quantise the result.

A tensor that torch quantised as one is a group with its scale and zero point, which stand in the pickle: only the
merge itself knows of them, as `git theta merge --plan` reads no file.

Names of members are alike up to the ends below; `=` is the bare name that the others go on from. Ends that hold codes
or indices make a group with any of their companions, where they have one of the dtypes.
"""


def render_reference() -> str:
    """The whole page, Markdown."""
    strategies = [load_strategy(name) for name in known_plugins.BUILT_IN["merges"]]
    described = (line for strategy in strategies for line in _render_strategy(strategy))
    return "\n".join([INTRODUCTION, *described, *_render_kinds(), *_render_groups()]).rstrip("\n") + "\n"


def _render_kinds() -> Iterator[str]:
    yield KINDS_INTRODUCTION
    yield "| kind | holds | what is done | dtypes | names |\n|---|---|---|---|---|"
    for pattern in KIND_PATTERNS:
        kind = KINDS[pattern.kind]
        names = " ".join(f"`{name}`" for name in pattern.names.split())
        yield f"| {kind.name} | {kind.holds} | {kind.treatment} | {', '.join(pattern.dtypes)} | {names} |"


def _render_groups() -> Iterator[str]:
    yield f"\n{GROUPS_INTRODUCTION}"
    yield "| group | codes | companions | dtypes of codes |\n|---|---|---|---|"
    for pattern in GROUP_PATTERNS:
        codes, companions = (
            " ".join(f"`{end}`" for end in ends.split()) for ends in (pattern.codes, pattern.companions)
        )
        yield f"| {pattern.group.name} | {codes} | {companions} | {pattern.dtypes or 'any'} |"


def _render_strategy(strategy: Strategy) -> Iterator[str]:
    yield f"## {strategy.name}\n\n{strategy.summary}\n"
    yield f"- Source: {strategy.source}"
    yield f"- Heads: {format_heads(strategy)}{', weighted or not' if strategy.takes_weights else ''}"
    yield f"- Merge base: {'needed' if strategy.needs_base else 'not used'}"
    if not strategy.exact:
        yield "- Not exact: the last bit may differ between machines"
    if strategy.may_lack:
        yield "- Heads may lack the parameter"
    if not strategy.numeric:
        yield "- Takes any dtype and shape, without loading values"
    yield ""
    if strategy.options:
        yield "| option | takes | default | searched | meaning |\n|---|---|---|---|---|"
        yield from map(_row, strategy.options)
        yield ""
    if strategy.details:
        yield f"{strategy.details}\n"


def format_heads(strategy: Strategy) -> str:
    """How many heads a strategy takes, in words."""
    low, high = strategy.heads
    return str(low) if low == high else f"{low} or more" if high is None else f"{low} to {high}"


def _row(option: Option) -> str:
    default = format_default(option)
    default = default and f"`{default}`"
    searched = option.describe_range()
    return f"| `{option.name}` | {option.describe_values()} | {default} | {searched} | {option.help} |"


def format_default(option: Option) -> str:
    """The default of an option as a person would write it; "" where it has none."""
    value = option.default
    if value in (None, ()):
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(render_reference())
