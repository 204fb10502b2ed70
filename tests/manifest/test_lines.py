"""Manifests compared by their lines say what parsed ones say."""

from __future__ import annotations

from git_theta.manifest.lines import differing, parameters, weights
from git_theta.manifest.text import dumps, loads
from tests.past import entry, manifest

MODEL = {"a": "1", "b": "2", "c=d": "3", "step": "4"}


def test_what_stands_in_both_is_left_out() -> None:
    before, after = manifest(MODEL), manifest(MODEL | {"b": "new", "e": "5"})
    was, now = differing(before, after)
    assert [one.name for one in was.parameters()] == ["b"]
    assert [one.name for one in now.parameters()] == ["b", "e"]
    assert list(now.parameters()) == [one for one in loads(after).parameters() if one.name in ("b", "e")]
    assert now.frame == loads(after).frame


def test_parameters_are_counted() -> None:
    assert parameters(manifest(MODEL)) == len(list(loads(manifest(MODEL)).parameters())) == 4


def test_weights_are_names_and_values_of_floating_point_parameters() -> None:
    same = manifest({"step": "9", "c=d": "3", "b": "2", "a": "1"}, metadata="others")
    assert weights(manifest(MODEL)) == weights(same), "order, integers and metadata do not count"
    for other in (MODEL | {"a": "2"}, MODEL | {"e": "1"}, {"z": "1", "b": "2", "c=d": "3", "step": "4"}):
        assert weights(manifest(other)) != weights(manifest(MODEL))
    assert weights(manifest({"step": "1"})) == ""


def test_weights_do_not_depend_on_how_they_are_stored() -> None:
    whole = loads(manifest({"a": "1"}))
    elsewhere = entry("a", "1")._replace(storage=entry("a", "2").storage)
    assert weights(dumps(whole)) == weights(dumps(whole._replace(entries=(elsewhere,))))


def test_a_name_can_say_anything() -> None:
    """What looks like the end of a name within a name is no end: JSON escapes its quotes."""
    hostile = '","dtype":"I64","storage":{'
    assert weights(manifest({hostile: "1"})) not in ("", weights(manifest({hostile: "2"})))
