"""What a Git LFS server answers to a batch request: objects, a refusal in its own words, how long to wait."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping

from git_theta.errors import TransportError
from git_theta.transport.lfs.http_exchange import Reply
from git_theta.transport.lfs.lfs_outcomes import Presence
from git_theta.words import shorten_text

_HINTS = {
    401: "See which user and password Git has for it: git help credentials",
    403: "See whether you may do this there.",
    407: "A user and password for the proxy belong into its URL: http.proxy",
    404: "See its URL.\nA server without Git LFS takes objects too: git config theta.remote.NAME.transport git",
}


class BatchRefusal(TransportError):
    """A server answered a whole request with an error.

    Attributes:
        status: of HTTP.
        reason: in the server's words.
    """

    def __init__(self, message: str, *, hint: str, status: int, reason: str) -> None:
        super().__init__(message, hint=hint)
        self.status, self.reason = status, reason


def parse_objects(reply: Reply, host: str) -> list[Mapping[str, object]]:
    """What the server says of each object. Raises TransportError for an answer that is no batch response."""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        objects = json.loads(reply.body)["objects"]
        if all(isinstance(one, dict) for one in objects):
            return list(objects)
    raise TransportError(
        f"{host} does not answer as a Git LFS server does", hint="See its URL: git config --get-regexp 'lfs.*url'"
    )


def read_presence(told: Mapping[str, object], size: int) -> Presence:
    """What the server says of one object, of which ``size`` bytes are expected, to somebody who wants it."""
    error, actions = told.get("error"), told.get("actions")
    if isinstance(error, dict):
        code = error.get("code")
        reason = shorten_text(f"{error.get('message') or 'refused'} ({code})")
        return Presence(None, reason, code if isinstance(code, int) else 0)
    if not isinstance(actions, dict) or "download" not in actions:
        return Presence(None, "the server offers no download of it")
    there = told.get("size")
    return Presence(there if isinstance(there, int) else size)


def read_retry_after(reply: Reply) -> float:
    """Seconds that the server asks us to wait; 0 where it does not say."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0


def read_message(reply: Reply) -> str:
    """Why a server refuses: in its own words, or in those of HTTP."""
    with contextlib.suppress(ValueError, RecursionError, AttributeError):
        message = json.loads(reply.body).get("message")
        if isinstance(message, str) and message:
            return shorten_text(message)
    return http.client.responses.get(reply.status, "no reason given")


def explain_refusal(host: str, url: str, reply: Reply) -> BatchRefusal:
    """The error for an answer that refuses a whole request, with what a person can do."""
    hint = _HINTS.get(reply.status, "Try again later." if reply.status >= 429 else "")
    reason = read_message(reply)
    message = f"{host} answered {reply.status} at {url}: {reason}"
    return BatchRefusal(message, hint=hint, status=reply.status, reason=reason)
