"""Track, commit, change, compare, go back and forth, push, clone, merge; and prove every byte."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from demo import comparing, merging, storing, texts
from demo.play import BOLD, PLAIN, Playground, mb, say

HERE = Path(__file__).parent / "playground"


def main() -> None:
    """The tour."""
    play = room()
    tasks = functions, language = texts.functions(), texts.language()
    say("1. A repository, and a model in it")
    versions, tokenizer = storing.publish(play, tasks)
    say("2. A fine-tune of its last layer")
    storing.change(play, versions, functions, tokenizer)
    say("3. What that did to the model")
    comparing.look_back(play)
    say("4. The smallest change there is: one value, by one unit in its last place")
    storing.nudge(play, versions)
    say("5. Back and forth between the versions, every byte proved")
    storing.prove(play, versions)
    say("6. Shared: push to a folder, clone from it")
    storing.share(play, versions)

    say("7. Two people fine-tune it, each for a task of their own")
    merging.branch(play, functions, tokenizer, "encoder.")
    merging.branch(play, language, tokenizer, "")
    say("8. Two fine-tunes become one: with TIES and, from the same commit, with the average")
    merging.merge(play, functions.name, language.name)
    say("9. The merges proved: every tensor computed again, without Git")
    states = merging.prove(play, functions.name, language.name)
    say("10. What each of them can do")
    merging.table(states, tasks, tokenizer)
    say("11. Where they lie to each other")
    comparing.survey(play, *states)

    say("12. What is there")
    close(play, len(versions) + len(states) - 1)


def room() -> Playground:
    """A folder with nothing in it but a Git configuration."""
    if HERE.exists():  # somebody may have gone on playing in it
        kept = HERE.with_name(f"playground-{int(HERE.stat().st_mtime)}")
        HERE.rename(kept)
        print(f"The playground of last time is {os.path.relpath(kept)} now; `make clean` removes all of them.")
    (HERE / "model").mkdir(parents=True)
    (HERE / "gitconfig").write_text("[user]\n\tname = You\n\temail = you@example.org\n[init]\n\tdefaultBranch = main\n")
    return Playground(HERE / "model")


def close(play: Playground, versions: int) -> None:
    """Sum up, and say how to go on."""
    play.run("git", "switch", "--quiet", "main")
    play.run("git", "log", "--oneline", "--graph", "--all")
    play.run("git", "theta", "ls-files")
    play.run("git", "theta", "fsck")
    size, programs = play.file.stat().st_size, Path(sys.executable).parent
    plain = f"{mb(size * versions)} as plain files"
    print(f"\n{versions} versions of {mb(size)}: {mb(play.stored())} stored, {plain}.")
    print(f"Go on playing in {BOLD}{os.path.relpath(play.root)}{PLAIN}, after:")
    print(f"  export PATH={programs}:$PATH GIT_CONFIG_GLOBAL={HERE / 'gitconfig'}")


if __name__ == "__main__":
    main()
