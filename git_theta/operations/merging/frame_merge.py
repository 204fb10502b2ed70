"""Whether heads that have different frames really differ in anything but their parameters.

A torch archive writes checksums of its tensors into its frame, and every frame lists names and shapes. So frames differ
whenever parameters do, and ids cannot say more. A format can: a head's frame that comes out when the format rebuilds
the base's around that head's parameters holds nothing new, but for what a writer derives from all of the file.
"""

from __future__ import annotations

from git_theta.formats.guarded_format import load_format
from git_theta.merging.plan import Plan, settle_contested
from git_theta.operations.context import Context
from git_theta.operations.templates import is_rebuilt_from, read_template


def settle_frame(made: Plan, context: Context) -> tuple[Plan, bool]:
    """The plan with the frame of the one head that changed it; and whether the frame is settled.

    It is contested where more than one head changed what is no parameter: the plan then keeps the first head's.
    Without a base the first head stands for it, and no other may differ.
    """
    if made.whole or made.frame.source is not None:
        return made, True
    ancestor = made.base or made.heads[0]
    if {head.format for head in made.heads} != {ancestor.format}:
        return made, False
    reader = load_format(made.format)
    base = read_template(ancestor, context)
    news = [index for index, head in enumerate(made.heads) if not is_rebuilt_from(head, base, reader, context)]
    if len(news) > (1 if made.base else 0):
        return made, False
    return settle_contested(made, {}, frame=news[0] if news else 0), True
