"""Manifests compared by their lines say what parsed ones say."""

from __future__ import annotations

from git_theta.manifest.lines import count_parameters, digest_floating, drop_common_parts
from git_theta.manifest.text import decode_manifest, encode_manifest
from tests.manifest_history import entry, manifest

MODEL = {"a": "1", "b": "2", "c=d": "3", "step": "4"}


def test_what_stands_in_both_is_left_out() -> None:
    before, after = manifest(MODEL), manifest(MODEL | {"b": "new", "e": "5"})
    was, now = drop_common_parts(before, after)
    assert [one.name for one in was.parameters()] == ["b"]
    assert [one.name for one in now.parameters()] == ["b", "e"]
    assert list(now.parameters()) == [one for one in decode_manifest(after).parameters() if one.name in ("b", "e")]
    assert now.frame == decode_manifest(after).frame


def test_parameters_are_counted() -> None:
    assert count_parameters(manifest(MODEL)) == len(list(decode_manifest(manifest(MODEL)).parameters())) == 4


def test_weights_are_names_and_values_of_floating_point_parameters() -> None:
    same = manifest({"step": "9", "c=d": "3", "b": "2", "a": "1"}, metadata="others")
    assert digest_floating(manifest(MODEL)) == digest_floating(same), "order, integers and metadata do not count"
    for other in (MODEL | {"a": "2"}, MODEL | {"e": "1"}, {"z": "1", "b": "2", "c=d": "3", "step": "4"}):
        assert digest_floating(manifest(other)) != digest_floating(manifest(MODEL))
    assert digest_floating(manifest({"step": "1"})) == ""


def test_weights_do_not_depend_on_how_they_are_stored() -> None:
    whole = decode_manifest(manifest({"a": "1"}))
    elsewhere = entry("a", "1")._replace(storage=entry("a", "2").storage)
    assert digest_floating(encode_manifest(whole)) == digest_floating(
        encode_manifest(whole._replace(entries=(elsewhere,)))
    )


def test_a_name_can_say_anything() -> None:
    """What looks like the end of a name within a name is no end: JSON escapes its quotes."""
    hostile = '","dtype":"I64","storage":{'
    assert digest_floating(manifest({hostile: "1"})) not in ("", digest_floating(manifest({hostile: "2"})))
