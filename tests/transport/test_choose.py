"""Which transport a remote gets."""

from __future__ import annotations

import pytest

from git_theta.errors import TransportError
from git_theta.transport.choose import TransportChoice, choose_transport


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/srv/R.git", "directory"),
        ("./srv:R.git", "directory"),
        ("file:///srv/R.git", "directory"),
        ("https://host/team/R.git", "lfs"),
        ("http://host/R", "lfs"),
        ("ssh://git@host/R.git", "lfs"),
        ("git@host:team/R.git", "lfs"),
        ("git://host/R.git", "git"),
    ],
)
def test_a_url_decides(url: str, name: str) -> None:
    for push in (False, True):
        assert choose_transport("origin", url, {}, push=push) == TransportChoice(name, url)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["ext::sh -c x", "hg::https://host/x", "ftp://host/x"])
def test_what_none_of_ours_speaks_is_an_error_that_says_what_to_do(url: str) -> None:
    with pytest.raises(TransportError) as caught:
        choose_transport("origin", url, {}, push=True)
    assert "theta.remote.NAME.url" in caught.value.hint


def test_where_to_put_objects_can_be_said_for_a_remote() -> None:
    settings = {"theta.remote.origin.url": "s3://models/team", "lfs.url": "https://lfs.host"}
    found = choose_transport("origin", "git@host:R.git", settings, push=True)
    assert found == TransportChoice("bucket", "s3://models/team", "theta.remote.origin.url")
    assert choose_transport("other", "git@host:R.git", settings, push=True).name == "lfs"


def test_only_the_persons_own_url_chooses_a_plug_in() -> None:
    """L10: the URL of a remote may come from a .gitmodules."""
    settings = {"theta.remote.origin.url": "relay://host/objects"}
    found = choose_transport("origin", "git@host:R.git", settings, push=True)
    assert found == TransportChoice("plugin", "relay://host/objects", "theta.remote.origin.url")
    for url in ("relay://host/objects", "webdavs://host/objects"):
        with pytest.raises(TransportError, match=f"do not go through {url.partition(':')[0]}"):
            choose_transport("origin", url, {}, push=True)


@pytest.mark.parametrize("url", ["ext::sh -c x", "hg::https://host/x", "git://host/R", "https://host/R", "/srv/R"])
def test_what_has_no_scheme_of_its_own_is_no_plug_in(url: str) -> None:
    try:
        found = choose_transport("origin", "git@host:R.git", {"theta.remote.origin.url": url}, push=True).name
    except TransportError:
        return
    assert found in ("git", "lfs", "directory")


def test_a_server_without_git_lfs_can_be_named() -> None:
    settings = {"theta.remote.origin.transport": "git"}
    assert choose_transport("origin", "git@host:R.git", settings, push=True).name == "git"
    settings = {"theta.remote.origin.transport": "lfs", "lfs.url": "https://lfs.host"}
    assert choose_transport("origin", "/srv/R", settings, push=True) == TransportChoice(
        "lfs", "https://lfs.host", "lfs.url"
    )
    with pytest.raises(TransportError, match="'rsync'") as caught:
        choose_transport("origin", "git@host:R.git", {"theta.remote.origin.transport": "rsync"}, push=True)
    assert "lfs, git" in caught.value.hint


def test_keys_of_git_lfs_win_over_any_url_in_its_own_order() -> None:
    settings = {"remote.origin.lfsurl": "https://d", "remote.origin.lfspushurl": "https://c"}
    assert choose_transport("origin", "/srv/R", settings, push=True) == TransportChoice(
        "lfs", "https://c", "remote.origin.lfspushurl"
    )
    assert choose_transport("origin", "/srv/R", settings, push=False).address == "https://d"
    settings |= {"lfs.url": "https://b"}
    assert [choose_transport("origin", "/srv/R", settings, push=push).address for push in (True, False)] == [
        "https://b",
        "https://b",
    ]
    settings |= {"lfs.pushurl": "https://a"}
    assert [choose_transport("origin", "/srv/R", settings, push=push).address for push in (True, False)] == [
        "https://a",
        "https://b",
    ]
