"""Buckets of S3, Google Cloud Storage and Azure, opened through obstore; and what they refuse, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from git_theta.errors import TransportError
from git_theta.transport.outcomes import UnusableRemote
from git_theta.transport.patience import USUAL_PATIENCE, Patience
from git_theta.transport.urls import redact_url
from git_theta.words import redact_logins

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_ENDPOINT_KEYS = {"s3": "endpoint", "gs": "base_url", "az": "endpoint"}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Variables of the environment in which obstore looks for credentials; there are others."""
_CLIENT: dict[str, Any] = {
    "allow_http": True,  # where whoever names an endpoint says so
    "connect_timeout": "10s",
    "timeout": "15min",  # of one request, of no more than a part
}
_RETRY: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=90)}

_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_ATTEMPTS = re.compile(r" in [0-9.]+\w*s(?:, after .* retry_timeout: \w+)? +-(?= )")
"""How long it took and how often it was tried, which tells nobody anything."""
_QUERY = re.compile(r"\?[^\s\"')]*")
"""In which signatures may stand."""


class UnusableBucket(UnusableRemote):
    """A bucket that is not there, does not answer, or does not let us in: no object of it can be had."""

    def __init__(self, refusal: Exception) -> None:
        names = ", ".join(_CREDENTIALS.values())
        super().__init__(
            describe_refusal(refusal),
            hint="See whether the bucket is there, whether its server can be reached, and whether the credentials in "
            f"the environment open it ({names}).",
        )


def open_bucket(url: str, options: Mapping[str, str], patience: Patience = USUAL_PATIENCE) -> ObjectStore:
    """The bucket of ``SCHEME://BUCKET/PREFIX``, with the credentials that the environment names.

    Args:
        url: where it is.
        options: ``endpoint`` and ``region``, where the person has said them; else the environment does.
        patience: how long it may be silent.

    Raises TransportError where obstore is not installed, or cannot make anything of the URL. The bucket is not asked.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise TransportError(
            "buckets need obstore, which is not installed", hint="pip install 'git-theta[buckets]'"
        ) from None
    scheme = urlsplit(url).scheme
    make_bucket: Any = from_url  # whose types tell the services apart
    config: dict[str, Any] = {}
    if "endpoint" in options:
        config[_ENDPOINT_KEYS[scheme]] = options["endpoint"]
    if scheme == "s3":
        config |= {"checksum_algorithm": "SHA256"}
        config |= {"region": options["region"]} if "region" in options else {}
    try:
        # A connection that stalls is tried anew before all of them are given up.
        client = _CLIENT | {"read_timeout": timedelta(seconds=patience.give_up_after * 3 / 4)}
        bucket: ObjectStore = make_bucket(url, config=config, client_options=client, retry_config=_RETRY)
    except (BaseError, ValueError) as error:
        raise TransportError(
            f"{redact_url(url)}: {describe_refusal(error)}",
            hint=f"It should be {scheme}://BUCKET/PREFIX; credentials are read from {_CREDENTIALS[scheme]}.",
        ) from None
    return bucket


def describe_refusal(error: Exception) -> str:
    """What a bucket, or the way to it, had to say: in one line, without anything that is secret."""
    words = str(error).partition("\n\nDebug source")[0]
    code, message = _CODE.search(words), _MESSAGE.search(words)
    line = _ATTEMPTS.sub(":", words).partition("<")[0].partition("\n")[0].rstrip(" :")
    told = ": ".join(found[1] for found in (code, message) if found)
    return redact_logins(_QUERY.sub("", f"{line}: {told}" if told else line))
