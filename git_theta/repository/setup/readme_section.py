"""What a README tells people who clone without git-theta: a section of ours, marked, added when somebody asks."""

from __future__ import annotations

from pathlib import Path

from git_theta.vcs import atomic

BEGIN = b"<!-- git-theta: begin -->"
END = b"<!-- git-theta: end -->"

_SECTION = b"""\
## Getting the checkpoints

Checkpoints in this repository are versioned with Git-Theta. A clone without it has small text files in their place,
which begin with `git-theta manifest`. To get the checkpoints, install git-theta, and then, in your clone:

```
git theta install
git theta pull
```
"""


def find_readme(top: Path) -> Path:
    """The README.md of a worktree, however it is spelt; where it would be, if there is none."""
    found = sorted(file for file in top.iterdir() if file.name.lower() == "readme.md")
    return found[0] if found else top / "README.md"


def has_section(readme: Path) -> bool:
    """Whether our section stands in a README; whoever edited it may have changed every word between its marks."""
    return readme.is_file() and BEGIN in readme.read_bytes()


def add_section(readme: Path, *, scratch: Path | None = None) -> bool:
    """Append our section to a README, which is made where there is none; False where it stands there already.

    Every other byte stays. Raises UsageError where the README is a symbolic link or no regular file.

    Args:
        readme: the file.
        scratch: where a temporary file is in nobody's way.
    """
    content = atomic.read_file(readme)
    if BEGIN in content:
        return False
    ending = b"\r\n" if b"\r\n" in content else b"\n"
    gap = b"" if not content else ending if content.endswith(b"\n") else 2 * ending
    section = b"%s\n%s%s\n" % (BEGIN, _SECTION, END)
    atomic.replace_file(readme, content + gap + section.replace(b"\n", ending), scratch=scratch)
    return True
