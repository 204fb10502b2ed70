"""Connections to a server, as Git's configuration has them: proxy, certificates."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from git_theta.errors import TransportError
from git_theta.transport.patience import Patience
from git_theta.transport.urls import redact_url
from git_theta.vcs.http_settings import HttpSettings
from urllib3.connection import HTTPConnection

_CONNECT_SECONDS = 10
_MOST = 16
"""Connections that are kept."""
_UNSENT = 64 << 10
"""Bytes that the system takes of us ahead of what the line carries, where it can be told: it takes megabytes, and is
silent about them for a minute on a slow one."""
_UNHURRIED = [
    (socket.IPPROTO_TCP, getattr(socket, name), _UNSENT) for name in ("TCP_NOTSENT_LOWAT",) if hasattr(socket, name)
]


def open_pool(settings: HttpSettings, patience: Patience) -> urllib3.PoolManager:
    """What opens connections by these settings. Raises TransportError for a proxy that it does not speak to."""
    timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=patience.give_up_after)
    options: dict[str, Any] = {"maxsize": _MOST, "timeout": timeout, "retries": False}
    options |= {"socket_options": [*HTTPConnection.default_socket_options, *_UNHURRIED]}
    options |= {"ca_certs": settings.ca_file or None, "ca_cert_dir": settings.ca_folder or None}
    options |= {"cert_file": settings.certificate or None, "key_file": settings.key or None}
    options |= {} if settings.verify else {"cert_reqs": "CERT_NONE", "assert_hostname": False}
    if not settings.proxy:
        return urllib3.PoolManager(**options)
    proxy = settings.proxy if "://" in settings.proxy else f"http://{settings.proxy}"
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https"):
        raise TransportError(
            f"the proxy at {redact_url(proxy)} is of a kind that WebDAV does not go through",
            hint="See whether an http:// proxy leads there, too: http.proxy",
        )
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    host = parts.netloc.rpartition("@")[2]
    headers = urllib3.make_headers(proxy_basic_auth=login)
    return urllib3.ProxyManager(f"{parts.scheme}://{host}", proxy_headers=headers, **options)
