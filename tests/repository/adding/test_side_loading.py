"""An adapter side-loaded in one process: what happens when something comes in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from git_theta.errors import ChangedFile, ThetaError, UsageError
from git_theta.repository.adding.side_loading import AdapterRequest, add_adapter
from git_theta.vcs.discovery import discover_repository
from tests.adapters import MODEL, PEFT_ADAPTERS, peft_file, status
from tests.sandbox import Sandbox, track_and_commit

REQUEST = AdapterRequest(MODEL, "low-rank", PEFT_ADAPTERS / "lora")


class Watcher:
    """Progress that does something once a piece of work begins."""

    def __init__(self, description: str, act: Callable[[], None]) -> None:
        self._description, self._act = description, act

    def __call__(self, done: int) -> None:
        pass

    @contextmanager
    def show_work(self, description: str, *_: Any) -> Iterator[None]:
        if description == self._description:
            self._act()
        yield

    def begin_item(self) -> None:
        pass

    def finish_item(self, done: int) -> None:
        pass


@pytest.fixture
def started(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    track_and_commit(sandbox, {MODEL: peft_file("base-float32")})
    monkeypatch.chdir(sandbox.root)
    return sandbox


def add(sandbox: Sandbox, progress: Watcher) -> None:
    def fail(error: ThetaError) -> None:
        raise error

    add_adapter(REQUEST, discover_repository(), sandbox.root, pytest.fail, progress, fail)


def test_stopped_before_the_file_is_written_a_manifest_stands_there(started: Sandbox) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(started, Watcher("Restoring", stop))
    assert status(started) == f"M  {MODEL}\n"
    started.theta("checkout")
    assert started.read(MODEL) == peft_file("lora-float32")
    assert status(started) == f"M  {MODEL}\n"


def test_what_somebody_staged_meanwhile_is_kept(started: Sandbox) -> None:
    def stage() -> None:
        started.write(MODEL, peft_file("ia3-float32"))
        started.git("add", MODEL)

    with pytest.raises(ChangedFile):
        add(started, Watcher("Updating", stage))
    assert started.read(MODEL) == peft_file("ia3-float32")
    assert status(started) == f"M  {MODEL}\n"


def test_what_somebody_wrote_meanwhile_is_kept(started: Sandbox) -> None:
    def write() -> None:
        started.write(MODEL, peft_file("ia3-float32"))

    with pytest.raises(UsageError, match="not staged"):
        add(started, Watcher("Updating", write))
    assert started.read(MODEL) == peft_file("ia3-float32")
    assert status(started) == f" M {MODEL}\n"


def test_without_torch_it_says_what_to_install(started: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ThetaError) as caught:
        add(started, Watcher("", lambda: None))
    assert "git-theta[torch]" in caught.value.hint
    assert status(started) == ""
