"""The batch client: it asks a Git LFS server what it has, and moves nothing."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Mapping
from threading import Event
from urllib.parse import urlsplit

from git_theta.errors import TransportError
from git_theta.transport.credential_helpers import CredentialHelpers
from git_theta.transport.lfs.batch_replies import (
    BatchRefusal,
    explain_refusal,
    parse_objects,
    read_message,
    read_presence,
    read_retry_after,
)
from git_theta.transport.lfs.endpoint import Endpoint, require_http_url
from git_theta.transport.lfs.http_exchange import Reply, build_opener, post
from git_theta.transport.lfs.lfs_outcomes import Presence
from git_theta.transport.lfs.ssh_login import CannotAsk, log_in
from git_theta.transport.parallel import run_parallel
from git_theta.transport.patience import Patience, SilenceClock, run_bounded
from git_theta.transport.urls import redact_url
from git_theta.vcs.credentials import Credential, read_netrc
from git_theta.vcs.http_settings import read_http_settings

PER_REQUEST = 100
"""Objects of one request: what GitHub and others allow."""
_MEDIA_TYPE = "application/vnd.git-lfs+json"
_WORKERS = 4
"""Requests at a time."""
_TRIES, _BUSY_TRIES = 3, 6
"""How often a host is asked that has failed, or that asks us to wait."""
_LONGEST_WAIT = 120
"""Seconds that a host may ask us to wait."""
_NOT_FOUND = (404, 410, 422)


class BatchClient:
    """Asks one server.

    Args:
        endpoint: which.
        tell: says one thing to the person.
        ask: whether the person may be asked for a password.
        patience: how long the server may be silent.

    Attributes:
        accepted: what Git or the person gave, and the server took; None where it wanted nothing, or has it otherwise.
    """

    def __init__(self, endpoint: Endpoint, tell: Callable[[str], None], *, ask: bool, patience: Patience) -> None:
        self._endpoint = endpoint
        self._tell = tell
        self._ask = ask
        self._patience = patience
        self._helpers = CredentialHelpers(patience, tell, ask=ask)
        self._host = urlsplit(endpoint.source).hostname or endpoint.url.split("/")[2].rpartition("@")[2]
        self._credential: Credential | None = None
        self.accepted: Credential | None = None
        self._url = ""
        self._headers: dict[str, str] = {}
        self._used_netrc = False

    def look_up(self, objects: Mapping[str, int]) -> dict[str, Presence]:
        """What the server says of objects (oid to size) to somebody who wants to download them.

        Raises CannotAsk where it lets git-lfs in, perhaps, but not us; TransportError for what else goes wrong.
        """
        first, *others = _chunks(objects) or [{}]
        found = self._look_up_some(first) if first else {}  # alone: it finds out where and as whom to ask
        for more in run_parallel(self._look_up_some, others, _WORKERS, Event()):
            found |= more
        return found

    def _look_up_some(self, objects: Mapping[str, int]) -> dict[str, Presence]:
        try:
            told = self._ask_about(objects, "download")
        except BatchRefusal as refusal:
            # So answers a server that has none of the objects, too (giftless), and not only one without the repository.
            if refusal.status not in _NOT_FOUND or not self._takes_uploads(objects):
                raise
            return dict.fromkeys(objects, Presence(None, refusal.reason))
        return {oid: read_presence(told.get(oid, {}), size) for oid, size in objects.items()}

    def _takes_uploads(self, objects: Mapping[str, int]) -> bool:
        try:
            self._ask_about(objects, "upload")
        except TransportError:
            return False
        return True

    def _ask_about(self, objects: Mapping[str, int], operation: str) -> dict[str, Mapping[str, object]]:
        """What the server says of each object to somebody who wants to upload or download it."""
        question = {
            "operation": operation,
            "transfers": ["basic"],
            "objects": [{"oid": oid, "size": size} for oid, size in objects.items()],
            "hash_algo": "sha256",
        }
        answer = parse_objects(self._post(json.dumps(question).encode()), self._host)
        return {str(one.get("oid")): one for one in answer}

    def _post(self, body: bytes) -> Reply:
        """The answer to a batch request, after what had to be done to get one."""
        if not self._url:
            self._prepare()
        for number in range(_BUSY_TRIES):
            reply = self._exchange(body)
            if reply.status == 200:
                self._keep_credential()
                return reply
            if not (self._logs_in(reply) if reply.status == 401 else self._waits(reply, number)):
                break
        if self._credential and reply.status == 401:
            self._helpers.forget_login(self._credential)
            self._credential = None
        raise explain_refusal(self._host, redact_url(self._url), reply)

    def _prepare(self) -> None:
        """Find out where and as whom to ask."""
        endpoint = self._endpoint
        url = endpoint.url
        if endpoint.ssh:
            leave = log_in(endpoint.ssh, SilenceClock(self._host, self._patience, self._tell), ask=self._ask)
            url = require_http_url(leave.href) if leave.href else url
            self._headers.update(leave.headers)
        settings = read_http_settings(url)
        self._opener = build_opener(settings, self._helpers.find_key_password)
        self._headers = {name.title(): text for name, text in {**settings.headers, **self._headers}.items()}
        own = Credential.of_url(url)
        if own:
            self._use(own)
        parts = urlsplit(url)
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/") + "/objects/batch"

    def _exchange(self, body: bytes) -> Reply:
        headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE, "User-Agent": "git-theta", **self._headers}
        clock = SilenceClock(self._host, self._patience, self._tell)
        for pause in (self._patience.pause, None):
            try:
                return run_bounded(
                    lambda: post(self._opener, self._url, body, headers, self._patience.give_up_after + 5), clock
                )
            except (OSError, http.client.HTTPException) as error:
                if pause is None:
                    reason = getattr(error, "reason", None) or error
                    raise TransportError(
                        f"{self._host} cannot be asked: {getattr(reason, 'strerror', None) or reason}",
                        hint="See whether the network is up, and what `git config --get-regexp '^http'` says.",
                    ) from error
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _waits(self, reply: Reply, number: int) -> bool:
        """Wait, where to ask again may help; whether it may."""
        if reply.status == 429:
            wait = read_retry_after(reply) or self._patience.pause * 2**number
            if wait > _LONGEST_WAIT:
                return False
            if wait >= self._patience.tell_after:
                self._tell(f"{self._host} asks us to wait {wait:.0f} s")
        elif reply.status in (500, 502, 503, 504) and number + 1 < _TRIES:
            wait = self._patience.pause * 2**number
        else:
            return False
        time.sleep(wait)
        return True

    # Credentials

    def _logs_in(self, reply: Reply) -> bool:
        """Find a user and password, which the server wants; whether there is one that it has not seen yet.

        Raises CannotAsk where nobody knows any.
        """
        if "Authorization" in self._headers and not self._used_netrc:
            return False
        own = None if self._used_netrc else read_netrc(self._credential_url())
        self._used_netrc = own is not None
        if own:
            self._use(own)
            return True
        self._headers.pop("Authorization", None)
        self._credential = self._helpers.find_login(self._credential_url())
        if not self._credential:
            raise CannotAsk(
                f"{self._host} wants a user and password",
                read_message(reply),
                hint="See whether you may use this remote; `git credential` keeps passwords: git help credentials",
            )
        self._use(self._credential)
        return True

    def _use(self, credential: Credential) -> None:
        text = base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()
        self._headers["Authorization"] = f"Basic {text}"

    def _keep_credential(self) -> None:
        if self._credential:
            self._helpers.keep_login(self._credential)
            self.accepted, self._credential = self._credential, None

    def _credential_url(self) -> str:
        """What credentials are filed under: the Git repository's URL where it is on the same host."""
        return self._endpoint.source if self._endpoint.derived else self._endpoint.url


def _chunks(objects: Mapping[str, int]) -> list[dict[str, int]]:
    items = list(objects.items())
    return [dict(items[at : at + PER_REQUEST]) for at in range(0, len(items), PER_REQUEST)]
