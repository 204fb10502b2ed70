"""``git theta completion``: the script by which a shell completes ``git theta``."""

from __future__ import annotations

from importlib import resources

import click

SCRIPTS = {"bash": "git-theta", "zsh": "_git-theta", "fish": "git-theta.fish"}
"""Shell -> file in ``completions/``, called as the shells' own folders of completions want it."""


@click.command
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def command(shell: str) -> None:
    """Print the script by which a shell completes `git theta`.

    For bash, in ~/.bashrc: eval "$(git theta completion bash)". For zsh, in ~/.zshrc behind compinit: eval "$(git theta
    completion zsh)". For fish, in ~/.config/fish/config.fish: git theta completion fish | source
    """
    click.echo(read_script(shell), nl=False)


def read_script(shell: str) -> str:
    """The script for a shell, of :data:`SCRIPTS`."""
    return (resources.files("git_theta.cli") / "completions" / SCRIPTS[shell]).read_text()
