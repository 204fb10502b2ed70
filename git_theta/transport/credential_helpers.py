"""Git's credential helpers, and its prompt, asked with patience: one that hangs is told of, and ended."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable

from git_theta.transport.patience import Patience, SilenceClock, SilentHost
from git_theta.transport.watched_program import wait_watched
from git_theta.vcs.credentials import (
    Credential,
    approve_credential,
    fill_credential,
    fill_key_password,
    has_prompt,
    reject_credential,
)
from git_theta.vcs.git import GitWait


class CredentialHelpers:
    """Who knows users and passwords.

    Args:
        patience: how long they may take: for ever where the person may be at it, who is told.
        tell: says one thing to the person.
        ask: whether the person may be asked.
        note_life: called while they are waited for, since the host is not to blame for that.
    """

    def __init__(
        self,
        patience: Patience,
        tell: Callable[[str], None],
        *,
        ask: bool,
        note_life: Callable[[], None] = lambda: None,
    ) -> None:
        self._patience, self._tell, self._ask, self._note_life = patience, tell, ask, note_life

    def find_login(self, url: str) -> Credential | None:
        """What lets us in at a URL; None where nobody knows. Raises SilentHost where nobody answers."""
        return fill_credential(url, ask=self._ask, wait=self._make_wait(ask=self._ask))

    def find_key_password(self, certificate: str) -> str:
        """The password of the key of a certificate (a file) of ours; "" where nobody knows. Raises SilentHost."""
        return fill_key_password(certificate, ask=self._ask, wait=self._make_wait(ask=self._ask))

    def keep_login(self, login: Credential) -> None:
        """Tell them that it opened the door."""
        self._tell_them(approve_credential, login)

    def forget_login(self, login: Credential) -> None:
        """Tell them that it did not."""
        self._tell_them(reject_credential, login)

    def _tell_them(self, judge: Callable[[Credential, GitWait], None], login: Credential) -> None:
        """Have them know what a login was good for; one that hangs stops nothing."""
        try:
            judge(login, self._make_wait(ask=False))
        except SilentHost as error:
            self._tell(error.message)

    def _make_wait(self, *, ask: bool) -> GitWait:
        limit = math.inf if ask and has_prompt() else self._patience.give_up_after
        silence = "has got no answer, of a helper or of you,"
        clock = SilenceClock("git credential", self._patience._replace(give_up_after=limit), self._tell, silence)

        def wait(process: subprocess.Popen[bytes], measure: Callable[[], object]) -> None:
            def look() -> object:
                self._note_life()
                return measure()

            try:
                wait_watched(clock)(process, look)
            except SilentHost as error:
                hint = "See which helpers there are: git config --get-regexp '^credential'"
                raise SilentHost(error.message, hint=hint) from None

        return wait
