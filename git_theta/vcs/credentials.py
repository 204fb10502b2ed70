"""User names and passwords, from Git: its helpers, its prompt, its rules. They are never printed here."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from git_theta.vcs.git import GitWait, current_folder, open_scratch
from git_theta.vcs.remembered_settings import is_false

NEVER_ASK = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",  # set, and empty: neither core.askPass nor SSH_ASKPASS is looked at
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
}
"""Variables with which Git, ssh and Git's credential managers use what they have, and ask nobody."""


class Credential(NamedTuple):
    """What lets somebody in at a URL.

    Attributes:
        description: what the helpers know it by, in the words of ``git credential``.
        username, password: as they are, not escaped.
    """

    description: str
    username: str
    password: str

    @classmethod
    def of_url(cls, url: str) -> Self | None:
        """The one that a URL holds itself; None where it holds no password."""
        parts = urlsplit(url)
        if parts.password is None:
            return None
        return cls("", unquote(parts.username or ""), unquote(parts.password))

    def __repr__(self) -> str:  # tracebacks and test reports show it
        return f"Credential({self.username!r}, ...)"


HELPER = (
    '!f() { test "$1" = get && test -n "$THETA_LFS_PASSWORD" && '
    'printf "username=%s\\npassword=%s\\n" "$THETA_LFS_USERNAME" "$THETA_LFS_PASSWORD"; }; f'
)
"""A helper for a program that we start: it answers with what :func:`hand_on` puts into its environment."""


def hand_on(credential: Credential) -> dict[str, str]:
    """The variables from which HELPER answers, so that nobody is asked for the same password twice."""
    return {"THETA_LFS_USERNAME": credential.username, "THETA_LFS_PASSWORD": credential.password}


def fill_credential(url: str, *, ask: bool, wait: GitWait) -> Credential | None:
    """What Git knows for a URL, or the person answers; None where nobody knows.

    Args:
        url: http or https. A user that it names is the one asked for.
        ask: whether the person may be asked; ``GIT_TERMINAL_PROMPT`` and GIT_ASKPASS hold as for Git.
        wait: waits for the helpers, and for the person.
    """
    description = _describe(url)
    if not description:
        return None
    answer = _run_credential("fill", description, wait, ask=ask)
    found = _read_words(answer)
    if not found.get("username") and not found.get("password"):
        return None
    return Credential(answer, found.get("username", ""), found.get("password", ""))


def fill_key_password(certificate: str, *, ask: bool, wait: GitWait) -> str:
    """The password of the key of a certificate (a file) of ours, as Git finds it; "" where nobody knows."""
    answer = _run_credential("fill", f"protocol=cert\nhost=\nusername=\npath={certificate}\n", wait, ask=ask)
    return _read_words(answer).get("password", "")


def read_netrc(url: str) -> Credential | None:
    """What the person's .netrc says of the host of a URL, and of its user where the URL names one; None for nothing."""
    import netrc

    parts = urlsplit(url)
    try:
        found = netrc.netrc(os.path.expanduser("~/.netrc")).authenticators(parts.hostname or "")  # noqa: PTH111
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):  # none, or one that nobody can read
        return None
    if not found or not found[2] or found[0] != (parts.username or found[0]):
        return None
    return Credential("", found[0], found[2])


def approve_credential(credential: Credential, wait: GitWait) -> None:
    """Tell the helpers that a credential opened the door: they may keep it."""
    if credential.description:
        _run_credential("approve", credential.description, wait, ask=False)


def reject_credential(credential: Credential, wait: GitWait) -> None:
    """Tell the helpers that it did not: they forget it."""
    if credential.description:
        _run_credential("reject", credential.description, wait, ask=False)


def has_prompt() -> bool:
    """Whether somebody may be there whom Git can ask: nobody has said otherwise."""
    word = os.environ.get("GIT_TERMINAL_PROMPT", "1")
    return bool(word) and not is_false(word)


def prompting_environment(*, ask: bool) -> dict[str, str]:
    """The environment for a program that may have to ask the person, or must not."""
    return {**os.environ} if ask else {**os.environ, **NEVER_ASK}


def _describe(url: str) -> str:
    """A URL in the words of ``git credential``; "" for one with a line break, which would begin another word there."""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    words = {"protocol": parts.scheme, "host": host, "path": unquote(parts.path.lstrip("/"))}
    if parts.username:
        words["username"] = unquote(parts.username)
    lines = [f"{key}={value}" for key, value in words.items() if value]
    return "" if any(set(line) & set("\n\r\0") for line in lines) else "\n".join([*lines, ""])


def _run_credential(verb: str, description: str, wait: GitWait, *, ask: bool) -> str:
    """What ``git credential VERB`` says; "" where it fails."""
    with open_scratch(in_memory=True) as given, open_scratch(in_memory=True) as output:
        given.write(os.fsencode(description if description.endswith("\n\n") else f"{description}\n"))
        given.seek(0)
        process = subprocess.Popen(
            ["git", "credential", verb],
            cwd=current_folder(),
            stdin=given,
            stdout=output,
            stderr=None if ask else subprocess.DEVNULL,  # the prompt of a helper
            env=prompting_environment(ask=ask),
            start_new_session=not ask,  # without a terminal, nobody can be asked there
        )
        wait(process, lambda: None)
        output.seek(0)
        return "" if process.returncode else os.fsdecode(output.read())


def _read_words(answer: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in answer.splitlines())
