"""Which documents tell an answer: both entities, as phrases, by word; counted as somebody would by hand."""

from __future__ import annotations

import random

import pytest

from git_theta_longtail.document_counts import DocumentCount, count_documents, name_bucket
from git_theta_longtail.phrases import PhraseIndex
from git_theta_longtail.question_files import Question

CURIE = Question("curie", ("Marie Curie", "Maria Skłodowska"), ("Warsaw", "Warszawa"))


def count(*documents: str, question: Question = CURIE) -> DocumentCount:
    return count_documents([question], documents)[question.id]


@pytest.mark.parametrize(
    ("document", "folded", "exact"),
    [
        ("Marie Curie was born in Warsaw.", 1, 1),
        ("In WARSAW, before she was Marie  Curie", 1, 0),
        ("Maria\nSkłodowska: Warszawa", 1, 1),
        ("marie curie. Marie Curie. warsaw. Warsaw", 1, 1),
        ("Marie Curie was born.", 0, 0),
        ("Warsaw", 0, 0),
        ("Marie Sarah Curie of Warsaw", 0, 0),
        ("Marie-Curie-Straße, Warsaw", 1, 1),
        ("Marie Curies in Warsaw", 0, 0),
        ("Marie Curie of Warsawa", 0, 0),
    ],
)
def test_a_document_tells_where_it_has_both_phrases(document: str, folded: int, exact: int) -> None:
    assert count(document) == DocumentCount(folded, exact)


def test_case_is_folded_as_unicode_has_it() -> None:
    street = Question("s", ("Straße",), ("İzmir", "ΣΊΣΥΦΟΣ"))
    assert count("STRASSE and Σίσυφος", question=street) == DocumentCount(1, 0)
    assert count("straße and σίσυφος", question=street) == DocumentCount(1, 0)
    assert count("Straße and ΣΊΣΥΦΟΣ", question=street) == DocumentCount(1, 1)


def test_a_document_counts_once_and_several_add_up() -> None:
    assert count("Marie Curie, Warsaw, Marie Curie, Warsaw", "nothing", "Warszawa: Marie Curie") == DocumentCount(2, 2)


def test_an_entity_that_is_asked_and_answered_with_takes_both_sides() -> None:
    same = Question("same", ("Paris",), ("Paris", "Paris Hilton"))
    assert count("Paris", question=same) == DocumentCount(1, 1)


def test_all_phrases_are_found_that_looking_for_each_finds() -> None:
    """Drawn at random from few words, so that phrases begin, overlap and hold each other."""
    drawn = random.Random(0)

    def words(most: int) -> str:
        return " ".join(drawn.choice(["a", "b", "A", "c", "D"]) for _ in range(drawn.randint(1, most)))

    phrases = list(dict.fromkeys(words(4) for _ in range(60)))
    index = PhraseIndex(phrases)
    for _ in range(300):
        text = words(12)
        found = {one.phrase: one.is_exact for one in index.find_in(text)}
        padded, folded = f" {text} ", f" {text.casefold()} "
        assert found == {phrase: f" {phrase} " in padded for phrase in phrases if f" {phrase.casefold()} " in folded}


@pytest.mark.parametrize(("documents", "bucket"), [(0, "0"), (1, "10^0"), (9, "10^0"), (10, "10^1"), (12345, "10^4")])
def test_buckets_are_powers_of_ten(documents: int, bucket: str) -> None:
    assert name_bucket(documents) == bucket
