"""A bucket of an object store, through obstore: objects lie in it as they do in a store of ours, ``aa/bb/<oid>``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Self

from git_theta.errors import TransportError
from git_theta.store.base import Buffer, Store, is_oid
from git_theta.transport.base import HeldObject, TransportSetup
from git_theta.transport.bucket_access import UnusableBucket, describe_refusal, open_bucket
from git_theta.transport.outcomes import require_size
from git_theta.transport.parallel import run_parallel
from git_theta.transport.patience import USUAL_PATIENCE, Patience, SilenceClock, run_bounded
from git_theta.transport.send_window import SendWindow
from git_theta.transport.whole_objects import WORKERS, WholeObjectsTransport

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PART = 5 << 20
"""Bytes that are in memory at once, for each worker; an object of more goes in such parts. It is the least that S3
takes: on a slow line one has to be there before a host counts as silent."""
_MOST_PARTS = 9000
"""S3 takes 10,000."""
_SEGMENT = 64 << 20
"""Bytes that one request asks for."""
_CHUNK = 128 << 10
"""Bytes that come at once: a sign of life, so that eight of them have to fit into a minute on slow lines."""
_FEW = 16
"""Objects that are asked for one by one, where others are listed."""
_PAGE = 1000
"""Objects of a list that come with one request."""


class BucketTransport(WholeObjectsTransport):
    """Objects of a bucket. What it refuses altogether is TransportError.

    Args:
        ours: our store.
        bucket: theirs, with the prefix of its keys.
        tell: says one thing to the person: that the bucket is silent.
        patience: how long it may be.
    """

    @classmethod
    def open_url(cls, setup: TransportSetup, ours: Store) -> Self:
        options = {word: setup.settings[word] for word in ("endpoint", "region") if word in setup.settings}
        return cls(ours, open_bucket(setup.url, options, setup.patience), setup.tell, setup.patience)

    def __init__(
        self,
        ours: Store,
        bucket: ObjectStore,
        tell: Callable[[str], None],
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        super().__init__(ours, SilenceClock("the bucket", patience, tell))
        self._bucket = bucket
        self._window = SendWindow(_PART, WORKERS * _PART, self.clock)
        self._answered = False
        """Whether the bucket is known to be there."""

    def list_held(self) -> Iterator[HeldObject]:
        import obstore

        try:
            pages = iter(obstore.list(self._bucket, chunk_size=_PAGE))
            while page := run_bounded(partial(next, pages, None), self.clock):
                for entry in page:
                    oid = entry["path"].rpartition("/")[2]
                    if is_oid(oid) and entry["path"] == _key(oid):
                        yield HeldObject(oid, entry["size"], entry["last_modified"].timestamp())
        except _refusals() as error:
            raise UnusableBucket(error) from None

    def delete_object(self, oid: str) -> None:
        import obstore

        try:
            obstore.delete(self._bucket, _key(oid))
        except FileNotFoundError:
            self._require_bucket()
        except _refusals() as error:
            raise self._judge(oid, error) from None

    # What is there

    def find_sizes(self, oids: Collection[str]) -> dict[str, int]:
        """The sizes of those objects that are there: from a list of all, as long as that takes fewer requests."""
        wanted = set(oids)
        found: dict[str, int] = {}
        if len(wanted) > _FEW:
            pages = len(wanted) // WORKERS
            found, whole = run_bounded(partial(self._list_sizes, wanted, pages), self.clock)
            if whole:
                return found
        left = sorted(wanted - found.keys())
        asked = run_parallel(lambda oid: (oid, self._ask_size(oid)), left, WORKERS, Event(), self.clock.check)
        for oid, size in asked:
            if size is not None:
                found[oid] = size
        return found

    def _list_sizes(self, wanted: Collection[str], most: int) -> tuple[dict[str, int], bool]:
        """The sizes of objects in the first pages of the bucket's list, and whether that was all of it."""
        import obstore

        found: dict[str, int] = {}
        try:
            pages = obstore.list(self._bucket, chunk_size=_PAGE)
            for count, page in enumerate(pages):
                self.clock.reset()
                if count == most:
                    return found, False
                for entry in page:
                    oid = entry["path"].rpartition("/")[2]
                    if oid in wanted and entry["path"] == _key(oid):
                        found[oid] = entry["size"]
        except _refusals() as error:
            raise UnusableBucket(error) from None
        return found, True

    def _ask_size(self, oid: str) -> int | None:
        import obstore

        self.clock.reset()
        try:
            return obstore.head(self._bucket, _key(oid))["size"]
        except FileNotFoundError:
            self._require_bucket()
            return None
        except _refusals() as error:
            raise UnusableBucket(error) from None

    def _require_bucket(self) -> None:
        """Raise UnusableBucket where there is none, or none that answers; one that we may not list will do."""
        import obstore
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        if self._answered:
            return
        try:
            next(iter(obstore.list(self._bucket, chunk_size=1)), None)
        except (PermissionDeniedError, UnauthenticatedError):
            pass
        except _refusals() as error:
            raise UnusableBucket(error) from None
        self._answered = True

    # To the bucket and from it

    def send_object(self, oid: str, size: int, read: Callable[[], Iterator[Buffer]], at_once: int) -> None:
        import obstore

        part = max(_PART, size // _MOST_PARTS)
        try:
            # In one step, too, where a create-only put would be none: what is there already is the same object.
            if size > part:
                parts = map(self._window.lend, _cut_parts(read(), part))
                obstore.put(
                    self._bucket, _key(oid), parts, use_multipart=True, chunk_size=part, max_concurrency=at_once
                )
            else:
                whole = b"".join(read())
                with self._window.hold(size):
                    obstore.put(self._bucket, _key(oid), whole, use_multipart=False)
        except _refusals() as error:
            raise self._judge(oid, error) from None

    def read_object(self, oid: str, size: int, offset: int) -> Iterator[bytes]:
        import obstore

        try:
            while offset < size:
                segment = (offset, min(offset + _SEGMENT, size))
                result = obstore.get(self._bucket, _key(oid), options={"range": segment})
                require_size(oid, result.meta["size"], size)
                end = result.range[1]
                for chunk in result.stream(_CHUNK):
                    offset += len(chunk)
                    yield chunk
                if offset != end:
                    return  # the inbox tells how many came
        except FileNotFoundError:
            self._require_bucket()
            require_size(oid, None, size)
        except _refusals() as error:
            require_size(oid, self._ask_size(oid), size)  # fewer bytes than the offset are a refusal
            raise self._judge(oid, error) from None

    def _judge(self, oid: str, error: Exception) -> TransportError:
        """What an object's error is, where the bucket itself is as it should be. Raises UnusableBucket where not."""
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
            raise UnusableBucket(error) from None
        self._require_bucket()
        return TransportError(f"object {oid}: {describe_refusal(error)}", hint="To repeat the command may help.")


class S3Transport(BucketTransport):
    """A bucket of Amazon S3, or of what speaks like it: ``s3://BUCKET/PREFIX``."""

    name = "s3"


class GoogleTransport(BucketTransport):
    """A bucket of Google Cloud Storage: ``gs://BUCKET/PREFIX``."""

    name = "gs"


class AzureTransport(BucketTransport):
    """A container of Azure Blob Storage: ``az://CONTAINER/PREFIX``."""

    name = "az"


def _key(oid: str) -> str:
    return f"{oid[:2]}/{oid[2:4]}/{oid}"


def _cut_parts(chunks: Iterable[Buffer], size: int) -> Iterator[bytearray]:
    """The same bytes in parts of this very size, but for the last: of a longer one obstore keeps the rest back."""
    part = bytearray()
    for chunk in chunks:
        left = memoryview(chunk)
        while left:
            taken = left[: size - len(part)]
            part += taken
            left = left[len(taken) :]
            if len(part) == size:
                yield part
                part = bytearray()
    if part:
        yield part


def _refusals() -> tuple[type[Exception], ...]:
    """What obstore raises; what is not found is an error of the system to it."""
    from obstore.exceptions import BaseError

    return (BaseError, FileNotFoundError)
