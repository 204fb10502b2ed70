"""Documents of a corpus: of JSON lines and texts, compressed or not; what cannot be read is named with its place."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from git_theta.errors import UsageError

from git_theta_longtail import corpus_files
from git_theta_longtail.corpus_files import read_documents

DOCUMENTS = ["one\ndocument", "zwei, größer", "three"]


def as_lines(documents: list[str]) -> bytes:
    return b"\n".join(json.dumps({"text": one}).encode() + b"\n" for one in documents)


def as_text(documents: list[str]) -> bytes:
    return "\n\n".join(documents).encode()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("name", "write"), [("c.jsonl", as_lines), ("c.txt", as_text), ("c", as_text)])
def test_each_document_comes_once(
    tmp_path: Path, name: str, write: Callable[[list[str]], bytes], *, packed: bool
) -> None:
    file = tmp_path / f"{name}{'.gz' if packed else ''}"
    content = write(DOCUMENTS)
    file.write_bytes(gzip.compress(content) if packed else content)
    read: list[int] = []
    assert [one.strip() for one in read_documents(file, "text", read.append)] == DOCUMENTS
    assert sum(read) == file.stat().st_size


def test_another_key_has_the_text(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"body": "here", "text": 1}\n')
    assert list(read_documents(tmp_path / "c.jsonl", "body")) == ["here"]


BAD = {
    "no JSON": ("c.jsonl", b'{"text": "a"}\nnonsense\n', "cannot be read at line 2, or behind it"),
    "no text": ("c.jsonl", b'{"text": 5}\n', "no text under 'text'"),
    "no object": ("c.jsonl", b"[1]\n", "no text under 'text'"),
    "no UTF-8": ("c.txt", b"\xff\xfe", "cannot be read at line 1"),
    "no gzip": ("c.txt.gz", b"not gzip", "cannot be read: Not a gzipped file"),
    "cut": ("c.txt.gz", gzip.compress(b"a\n\nb" * 10000)[:-20], "cannot be read"),
    "a long line": ("c.txt", b"x" * 2000, "a document of more than"),
    "a long paragraph": ("c.txt", b"xxxxxxxxx\n" * 200, "a document of more than"),
    "a long object": ("c.jsonl", b"x" * 2000, "a document of more than"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    name, content, said = BAD[what]
    monkeypatch.setattr(corpus_files, "LONGEST", 1000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        list(read_documents(tmp_path / name, "text"))
    assert caught.value.path == str(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        list(read_documents(tmp_path / "none.txt", "text"))


def test_a_long_corpus_takes_the_memory_of_a_document(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "c.jsonl.gz", "wb", compresslevel=1) as lines:
        for _ in range(64):
            lines.write(json.dumps({"text": "word " * 50_000}).encode() + b"\n")
    tracemalloc.start()
    count = sum(1 for _ in read_documents(tmp_path / "c.jsonl.gz", "text"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, most < 4 << 20) == (64, True)
