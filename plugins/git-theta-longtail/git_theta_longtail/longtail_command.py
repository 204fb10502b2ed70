"""``git theta longtail``: counts the documents that tell an answer, and puts questions into buckets by that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from git_theta.cli.progress import Meter
from git_theta.vcs import atomic

from git_theta_longtail.bucket_files import encode_buckets
from git_theta_longtail.corpus_files import read_documents
from git_theta_longtail.document_counts import count_documents, name_bucket
from git_theta_longtail.question_files import read_questions

_FILE = click.Path(path_type=Path)


@click.command("longtail")
@click.argument("questions", type=_FILE, metavar="QUESTIONS")
@click.argument("corpus", type=_FILE, nargs=-1, required=True, metavar="CORPUS...")
@click.option("-o", "--output", type=_FILE, required=True, metavar="FILE", help="Write the buckets to this file.")
@click.option("--key", default="text", metavar="NAME", help="Of a document's text in JSON lines; text by default.")
@click.option("--exact", is_flag=True, help="Count phrases as they are written; without, case is folded.")
def command(questions: Path, corpus: tuple[Path, ...], output: Path, key: str, exact: bool) -> None:
    """Put questions into buckets by how many documents of a corpus tell their answers.

    QUESTIONS are JSON lines of an id, the entity of the question, and that of the answer. CORPUS is JSON lines (.jsonl)
    or text, in which empty lines part documents; with .gz behind it, compressed. A document tells the answer where it
    has both entities as phrases. Buckets are powers of ten: 0, 10^0 (1 to 9 documents), 10^1 ...
    """
    meter, asked = Meter(), read_questions(questions)
    with meter.show_work("Reading", sum(file.stat().st_size for file in corpus if file.is_file())):
        counts = count_documents(asked, (text for file in corpus for text in read_documents(file, key, meter)))
    atomic.replace_file(output, encode_buckets(counts, exact=exact))
    found = Counter(name_bucket(one.exact if exact else one.folded) for one in counts.values())
    for bucket in sorted(found, key=lambda name: (len(name), name)):
        click.echo(f"{bucket:6}{found[bucket]:>9,}")
