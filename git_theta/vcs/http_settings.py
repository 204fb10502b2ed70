"""What Git's configuration and environment say about talking HTTP to a host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import git, split_nul

_FALSE = ("false", "no", "off", "0")


class HttpSettings(NamedTuple):
    """How a host is to be talked to.

    Attributes:
        proxy: its URL; "" for what the environment says (``https_proxy`` and its kin).
        verify: whether the host's certificate must be good.
        ca_file: certificates of authorities to trust instead of the system's; "" for those.
        headers: to send with every request; they may hold a password.
    """

    proxy: str = ""
    verify: bool = True
    ca_file: str = ""
    headers: Mapping[str, str] = {}


def read_http_settings(url: str) -> HttpSettings:
    """The settings that hold for a URL: those of ``http.*`` and of ``http.<URL>.*`` that match it best."""
    try:
        found = split_nul(git("config", "-z", "--get-urlmatch", "http", url))
    except GitError:  # none at all
        found = []
    values = {key.lower(): value for key, _, value in (item.partition("\n") for item in found)}
    unverified = "GIT_SSL_NO_VERIFY" in os.environ or values.get("http.sslverify", "").lower() in _FALSE
    name, colon, header = values.get("http.extraheader", "").partition(":")
    return HttpSettings(
        values.get("http.proxy", ""),
        not unverified,
        os.path.expanduser(os.environ.get("GIT_SSL_CAINFO") or values.get("http.sslcainfo", "")),  # noqa: PTH111
        {name.strip(): header.strip()} if colon else {},
    )
