"""Reading every object for fsck: how far it is, is told of all that there is to do."""

from __future__ import annotations

from git_theta.cli.progress import Meter
from git_theta.operations.context import Context
from git_theta.operations.keeping.inventory import ManifestBlob, take_inventory
from git_theta.operations.keeping.verify import verify_objects
from tests.operations.stored_checkpoints import checkpoint, stored


class ListingMeter(Meter):
    """Keeps what it is told, by any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []

    def __call__(self, done: int) -> None:
        self.told.append(done)


def test_verifying_tells_of_as_many_bytes_as_it_was_said_to_have(context: Context) -> None:
    manifest = stored(context, checkpoint({"bias": bytes(500), "weight": bytes(70_000)}))
    needed = take_inventory([ManifestBlob("model.safetensors", "blob", manifest)])
    meter = ListingMeter()
    assert list(verify_objects(needed.uses, context.store, context.workers, meter)) == []
    assert sum(meter.told) == needed.bytes_to_verify > manifest.size
