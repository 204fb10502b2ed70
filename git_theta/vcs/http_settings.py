"""What Git's configuration and environment say about talking HTTP to a host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from git_theta.errors import GitError
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.remembered_settings import is_false

_PROXY_VARIABLES = {
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    "http": ("http_proxy", "all_proxy", "ALL_PROXY"),  # HTTP_PROXY is what a CGI script is sent as a header
}
"""Where Git looks for a proxy that is not configured, first to last."""


class HttpSettings(NamedTuple):
    """How a host is to be talked to.

    Attributes:
        proxy: its URL; "" for none.
        verify: whether the host's certificate must be good.
        ca_file, ca_folder: certificates of authorities to trust instead of the system's; "" for those.
        certificate, key: files of our own certificate and its key, which the host may want; "" for none.
        headers: to send with every request; they may hold a password.
    """

    proxy: str = ""
    verify: bool = True
    ca_file: str = ""
    ca_folder: str = ""
    certificate: str = ""
    key: str = ""
    headers: Mapping[str, str] = {}


def read_http_settings(url: str) -> HttpSettings:
    """The settings that hold for a URL: those of ``http.*`` and of ``http.<URL>.*`` that match it best."""
    try:
        found = split_nul(git("config", "-z", "--get-urlmatch", "http", url))
    except GitError:  # none at all
        found = []
    values = {key.lower(): value for key, _, value in (item.partition("\n") for item in found)}
    unverified = "GIT_SSL_NO_VERIFY" in os.environ or is_false(values.get("http.sslverify", ""))
    name, colon, header = values.get("http.extraheader", "").partition(":")

    def find_file(variable: str, key: str) -> str:
        return os.path.expanduser(os.environ.get(variable) or values.get(key, ""))  # noqa: PTH111

    return HttpSettings(
        _find_proxy(url, values),
        not unverified,
        find_file("GIT_SSL_CAINFO", "http.sslcainfo"),
        find_file("GIT_SSL_CAPATH", "http.sslcapath"),
        find_file("GIT_SSL_CERT", "http.sslcert"),
        find_file("GIT_SSL_KEY", "http.sslkey"),
        {name.strip(): header.strip()} if colon else {},
    )


def _find_proxy(url: str, values: Mapping[str, str]) -> str:
    """The proxy for a URL, but for what ``no_proxy`` names; an empty setting means none, too."""
    from urllib.request import proxy_bypass

    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return ""
    if "http.proxy" in values:
        return values["http.proxy"]
    names = _PROXY_VARIABLES.get(parts.scheme, ())
    return next((os.environ[name] for name in names if os.environ.get(name)), "")
