"""``theta.serializer`` and ``theta.updates`` choose what new tensors are stored with, and nothing else does."""

from __future__ import annotations

import pytest

from git_theta.errors import UsageError
from git_theta.manifest.text import decode_manifest
from git_theta.parameters.preferences import AUTOMATIC, DEFAULT_PREFERENCES, Preferences
from git_theta.repository.stores.storage_preferences import read_preferences
from git_theta.testing.blocks import weight_bytes
from tests.sandbox import Sandbox, safetensors_bytes

PATH = "model.safetensors"


def model(seed: int) -> bytes:
    return safetensors_bytes({"w": ("F32", (50_000,), weight_bytes(200_000, seed))})


def serializers(sandbox: Sandbox) -> set[str]:
    """Those of the parameters that the index has."""
    text = sandbox.git("show", f":{PATH}").stdout.encode()
    return {entry.storage.coding.serializer for entry in decode_manifest(text).parameters()}


@pytest.fixture
def tracked(sandbox: Sandbox) -> Sandbox:
    sandbox.theta("install", "--local")
    sandbox.theta("track", "*.safetensors")
    return sandbox


def test_the_serializer_is_chosen_and_what_is_stored_stays(tracked: Sandbox) -> None:
    tracked.write(PATH, model(1))
    tracked.git("add", PATH)
    assert serializers(tracked) == {"planes"}
    for name in ("raw", "msgpack", "planes"):
        tracked.git("config", "theta.serializer", name)
        tracked.write(PATH, model(1))
        tracked.git("add", PATH)
        assert serializers(tracked) == {"planes"}
    tracked.git("config", "theta.serializer", "raw")
    tracked.write(PATH, model(2))
    tracked.git("add", PATH)
    assert serializers(tracked) == {"raw"}
    tracked.git("commit", "--quiet", "-m", "raw")
    (tracked.root / PATH).unlink()
    tracked.git("checkout", "--", PATH)
    assert tracked.read(PATH) == model(2)


@pytest.mark.parametrize("key", ["theta.serializer", "theta.updates"])
def test_l7_a_name_that_is_not_installed_is_an_error_that_lists_what_is(tracked: Sandbox, key: str) -> None:
    tracked.write(PATH, model(1))
    tracked.git("add", PATH)
    tracked.git("config", key, "telepathy")
    tracked.write(PATH, model(2))
    done = tracked.git("add", PATH, check=False)
    assert done.returncode
    assert f"{key} names 'telepathy'" in done.stderr
    assert ("planes" if key == "theta.serializer" else "dense") in done.stderr


def test_l12_the_configuration_is_asked_for_when_something_is_stored(tracked: Sandbox) -> None:
    """A filter that finds everything known does not start another git."""
    tracked.write(PATH, model(1))
    tracked.git("add", PATH)
    tracked.git("config", "theta.serializer", "telepathy")
    tracked.write(PATH, model(1))
    tracked.git("add", PATH)
    assert tracked.git("diff", "--name-only").stdout == ""


def test_updates_are_a_list_in_their_order(tracked: Sandbox) -> None:
    assert read_preferences(tracked.root) == DEFAULT_PREFERENCES
    tracked.git("config", "theta.updates", "dense, dense dense")
    tracked.git("config", "theta.serializer", "planes")
    assert read_preferences(tracked.root) == Preferences(("dense", "dense", "dense"), "planes")
    tracked.git("config", "--add", "theta.updates", "dense,delta-of-tomorrow")
    with pytest.raises(UsageError, match="delta-of-tomorrow"):
        read_preferences(tracked.root)


def test_auto_is_all_that_come_with_us_and_dense_the_last(tracked: Sandbox) -> None:
    for words, wanted in (("auto", AUTOMATIC), ("dense", ("dense",)), ("dense auto", ("dense", *AUTOMATIC))):
        tracked.git("config", "theta.updates", words)
        assert read_preferences(tracked.root).updates == wanted
    assert AUTOMATIC == ("low-rank", "scale", "delta", "dense")
    assert DEFAULT_PREFERENCES.updates == AUTOMATIC


@pytest.mark.parametrize("depth", ["0", "1", "16"])
def test_the_depth_of_chains_is_configured(tracked: Sandbox, depth: str) -> None:
    tracked.git("config", "theta.delta.depth", depth)
    assert read_preferences(tracked.root) == DEFAULT_PREFERENCES._replace(depth=int(depth))


@pytest.mark.parametrize("depth", ["17", "-1", "deep", "", "\u0663"])
def test_a_depth_that_is_none_is_an_error(tracked: Sandbox, depth: str) -> None:
    tracked.git("config", "theta.delta.depth", depth)
    with pytest.raises(UsageError, match="no number from 0 to 16"):
        read_preferences(tracked.root)


@pytest.mark.parametrize("budget", ["0", "20", "1000000"])
def test_the_budget_of_a_search_is_configured(tracked: Sandbox, budget: str) -> None:
    assert read_preferences(tracked.root).budget is None
    tracked.git("config", "theta.updates.budget", budget)
    assert read_preferences(tracked.root) == DEFAULT_PREFERENCES._replace(budget=int(budget))


@pytest.mark.parametrize("budget", ["1000001", "-1", "1.5", "any", ""])
def test_a_budget_that_is_none_is_an_error(tracked: Sandbox, budget: str) -> None:
    tracked.git("config", "theta.updates.budget", budget)
    with pytest.raises(UsageError, match=r"theta\.updates\.budget is .* no number from 0 to 1,000,000"):
        read_preferences(tracked.root)


def test_l10_no_file_of_a_repository_chooses(tracked: Sandbox) -> None:
    for name in (".gitconfig", ".theta.toml", ".lfsconfig"):
        tracked.write(name, b"[theta]\n\tserializer = 'raw'\n")
        tracked.git("add", name)
    assert read_preferences(tracked.root) == DEFAULT_PREFERENCES
