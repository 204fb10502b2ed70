"""What names a cluster, and what is imported for one that nobody named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from git_theta.errors import UsageError
from git_theta.repository.clustering.clusters import require_address


@pytest.mark.parametrize("address", ["", "tcp://127.0.0.1:8786", "tls://host.example.org:1", "tcp://[::1]:8786"])
def test_an_address(address: str) -> None:
    assert require_address(address) == address


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8786", "inproc://x", "tcp://host", "tcp://host:1/x", "--yes", "tcp://a b:1"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a scheduler"):
        require_address(address)


def test_l12_nothing_of_a_cluster_is_imported_before_one_is_named() -> None:
    program = """\
import sys
import git_theta.cli.diff, git_theta.cli.fsck, git_theta.cli.merge, git_theta.cli.merge_driver
import git_theta.cli.resolve, git_theta.cli.search
names = {name.rpartition(".")[2] for name in sys.modules}
assert "clusters" in names
assert names.isdisjoint({"distributed", "dask", "tornado", "cluster_session", "travel_codec", "dask_engine"}), names
"""
    subprocess.run([sys.executable, "-c", program], check=True)
