"""Track, commit, change, compare, go back and forth, push, clone, merge; and prove every byte."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from demo import comparing, merging, sharing, storing, texts
from demo.play import BOLD, PLAIN, Playground, format_size, print_heading

HERE = Path(__file__).parent / "playground"


def main() -> None:
    """The tour."""
    play = make_playground()
    tasks = functions, language = texts.functions_task(), texts.language_task()
    print_heading("1. A repository, and a model in it")
    versions, tokenizer = storing.publish_model(play, tasks)
    print_heading("2. A fine-tune of its last layer")
    storing.commit_fine_tune(play, versions, functions, tokenizer)
    print_heading("3. What that did to the model")
    comparing.show_changes(play)
    print_heading("4. The smallest change there is: one value, by one unit in its last place")
    storing.commit_nudge(play, versions)
    print_heading("5. Back and forth between the versions, every byte proved")
    storing.prove_versions(play, versions)
    with sharing.open_host(play) as host:
        print_heading("6. Shared: pushed to a bare repository, through a Git LFS server on this machine")
        sharing.publish_repository(play, host)
        print_heading("7. Somebody else clones it")
        second = sharing.clone_repository(play, host)
        print_heading("8. Both fine-tune it, each for a task of their own")
        sharing.push_fine_tune(play, host, functions, tokenizer)
        print_heading("9. There two fine-tunes become one: with TIES and, from the same commit, with the average")
        sharing.merge_as_second(second, host, functions, language, tokenizer)
        print_heading("10. And back")
        sharing.fetch_merges(play, second, host, language)
    print_heading("11. The merges proved: every tensor computed again, without Git")
    states = merging.prove_merges(play, functions.name, language.name)
    print_heading("12. What each of them can do")
    merging.show_scores(states, tasks, tokenizer)
    print_heading("13. Where they lie to each other")
    comparing.show_map(play, *states)

    print_heading("14. What is there")
    show_summary(play, len(versions) + len(states) - 1)
    host.print_epilogue(os.path.relpath(sys.executable))


def make_playground() -> Playground:
    """A folder with nothing in it but a Git configuration."""
    if HERE.exists():  # somebody may have gone on playing in it
        kept = HERE.with_name(f"playground-{int(HERE.stat().st_mtime)}")
        HERE.rename(kept)
        print(f"The playground of last time is {os.path.relpath(kept)} now; `make clean` removes all of them.")
    (HERE / "model").mkdir(parents=True)
    (HERE / "gitconfig").write_text("[user]\n\tname = You\n\temail = you@example.org\n[init]\n\tdefaultBranch = main\n")
    return Playground(HERE / "model")


def show_summary(play: Playground, versions: int) -> None:
    """Sum up, and say how to go on."""
    play.run("git", "switch", "--quiet", "main")
    play.run("git", "log", "--oneline", "--graph", "--all")
    play.run("git", "theta", "ls-files")
    play.run("git", "theta", "fsck")
    size, programs = play.file.stat().st_size, Path(sys.executable).parent
    plain = f"{format_size(size * versions)} as plain files"
    print(f"\n{versions} versions of {format_size(size)}: {format_size(play.stored_bytes())} stored, {plain}.")
    print(f"Go on playing in {BOLD}{os.path.relpath(play.root)}{PLAIN}, after:")
    print(f"  export PATH={programs}:$PATH GIT_CONFIG_GLOBAL={HERE / 'gitconfig'}")


if __name__ == "__main__":
    main()
