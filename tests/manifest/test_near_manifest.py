"""What was a manifest is known again, whatever was done to it; and nothing else is taken for one."""

from __future__ import annotations

import pytest

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.near_manifest import read_near_manifest, resembles_manifest

TEXT = b'git-theta manifest 1\n{"format":"opaque","size":0}\n'
CONVERTED = [
    TEXT.replace(b"\n", b"\r\n"),
    TEXT.replace(b"\n", b"\r"),
    b"\xef\xbb\xbf" + TEXT,
    *(TEXT.decode().encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")),
    TEXT.decode().replace("\n", "\r\n").encode("utf-16"),
]


@pytest.mark.parametrize("text", [TEXT, *CONVERTED])
def test_what_git_converted_is_what_it_was(text: bytes) -> None:
    assert resembles_manifest(text)
    assert read_near_manifest(text)[1] == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-1],
        TEXT[:30],
        TEXT + b"\n",
        b"\n" + TEXT,
        TEXT[:21] + b"<<<<<<< a\n=======\n>>>>>>> b\n",
        b"<<<<<<< a\n" + TEXT,
    ],
)
def test_what_could_mean_anything_is_refused_with_a_hint(text: bytes) -> None:
    assert resembles_manifest(text)
    with pytest.raises(ManifestError) as refused:
        read_near_manifest(text)
    assert refused.value.hint


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_newer_one_is_not_damaged(end: bytes) -> None:
    with pytest.raises(NewerManifest):
        read_near_manifest(TEXT.replace(b"manifest 1", b"manifest 2").replace(b"\n", end))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"git-theta manifest",
        b"git-theta manifests 1\n",
        b"<<<<<<< a\nb\n",
        b"# git-theta manifest 1\n",
        bytes(600),
    ],
)
def test_others_are_no_manifests(head: bytes) -> None:
    assert not resembles_manifest(head)
