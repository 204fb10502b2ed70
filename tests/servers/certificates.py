"""Certificates of the tests' own, made by openssl for the moment."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Files, in PEM: a certificate that vouches for itself, and its key."""

    file: Path
    key: Path


def make_certificate(folder: Path, name: str, names: str = "IP:127.0.0.1", password: str = "") -> Certificate:
    """A new one in a folder, for these alternative names; its key has a password where one is given."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}-key.pem")
    lock = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", *lock, "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={names}", "-keyout", made.key, "-out", made.file,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made


def server_context(own: Certificate, clients: Certificate | None = None) -> ssl.SSLContext:
    """How a server speaks TLS with a certificate; one that wants its clients to have another, where that is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.file)
    return context
