"""One question over HTTP, and its answer, with what Git's configuration says about the host."""

from __future__ import annotations

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from http.client import HTTPException, HTTPMessage
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from git_theta.errors import TransportError
from git_theta.transport.lfs.ssh_login import CannotAsk
from git_theta.transport.urls import redact_url, url_scheme
from git_theta.vcs.http_settings import HttpSettings

_LARGEST = 16 << 20
"""Bytes of an answer that are read: about 100 objects, it has some hundred thousand."""
_REDIRECTS = (301, 302, 303, 307, 308)
_FOR_ANYBODY = ("accept", "content-type", "user-agent")
"""Headers that another host gets to see. Any other may let us in: hosts have tokens of their own, whatever the name."""
_PROXY_HINT = "See whether an http:// proxy leads there, too: http.proxy"


class Reply(NamedTuple):
    """What a host answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def build_opener(
    settings: HttpSettings, find_password: Callable[[str], str] = lambda _: ""
) -> urllib.request.OpenerDirector:
    """What opens URLs by these settings. Raises TransportError where certificates cannot be read, CannotAsk where the
    proxy is of a kind that we do not speak to.

    ``find_password``: the password of the key of a certificate of ours, where it has one.
    """
    scheme = url_scheme(settings.proxy) if "://" in settings.proxy else "http"
    if scheme != "http":
        raise CannotAsk(
            f"the proxy at {redact_url(settings.proxy)}", "git-lfs alone makes use of its kind", hint=_PROXY_HINT
        )
    proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else {}
    context = _build_context(settings, find_password)
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context), _SameQuestion()
    )


def post(
    opener: urllib.request.OpenerDirector, url: str, body: bytes, headers: Mapping[str, str], timeout: float
) -> Reply:
    """Ask, and read the answer, whatever its status. Raises OSError and HTTPException where there is none.

    Args:
        opener: of :func:`build_opener`.
        url: without user and password.
        body: JSON.
        headers: of the request.
        timeout: in seconds, for each step.
    """
    try:
        request = urllib.request.Request(url, body, dict(headers), method="POST")
        with opener.open(request, timeout=timeout) as answer:
            return _read(answer.status, answer.headers, answer)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error.code, error.headers, error)
    except ValueError as error:  # where the host sends us, or what it has us send, is no URL, and no header
        raise HTTPException(str(error)) from error


def _read(status: int, headers: Message, stream: IO[bytes]) -> Reply:
    return Reply(status, {name.lower(): value for name, value in headers.items()}, stream.read(_LARGEST))


def _build_context(settings: HttpSettings, find_password: Callable[[str], str]) -> ssl.SSLContext:
    with _explain_unreadable(f"the certificates in {settings.ca_file or settings.ca_folder}", "http.sslCAInfo"):
        context = ssl.create_default_context(cafile=settings.ca_file or None, capath=settings.ca_folder or None)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate:
        with _explain_unreadable(f"your certificate in {settings.certificate}, or its key,", "http.sslCert"):
            context.load_cert_chain(
                settings.certificate, settings.key or None, password=lambda: find_password(settings.certificate)
            )
    return context


@contextlib.contextmanager
def _explain_unreadable(what: str, key: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ssl.SSLError) as error:
        raise TransportError(
            f"{what} cannot be read: {error.strerror or error}",
            hint=f"See {key}: git config --show-origin --get-all {key}",
        ) from error


class _SameQuestion(urllib.request.HTTPRedirectHandler):
    """Asks the same question again where a host sends us elsewhere. What lets us in goes to no other host."""

    max_redirections = 3

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],  # noqa: ARG002
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if code not in _REDIRECTS or new.scheme not in ("https", old.scheme):
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, None)
        sent = {**req.headers, **req.unredirected_hdrs}
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            sent = {name: value for name, value in sent.items() if name.lower() in _FOR_ANYBODY}
        return urllib.request.Request(newurl, req.data, sent, method="POST")

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> IO[bytes] | None:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:  # the place is no URL: nobody reads the answer that named it
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
