"""The one encoding of a manifest: literal text beside the value, every field, and unknown keys."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, UpdateBase, View
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.manifest.text import FIRST_LINE, decode_manifest, encode_manifest, is_manifest
from tests.work_units import takes_fewer_units

A, B, C = "a" * 64, "b" * 64, "c" * 64

MANIFEST = Manifest(
    format="torch",
    size=4242,
    frame=Entry(B, 130, Storage(Coding("dense", "planes"), Place(C, 1000, (900, 100)))),
    entries=(
        Entry(
            A, 24, Storage(Coding("dense", "raw"), Place(A, 24)), "layer.weight", "F32", (2, 3),
            (View("tied.weight", "F32", (2, 3)), View("row", "F32", (3,), (1,), 3)),
        ),
        Entry(B, 4000, Storage(Coding("dense", "msgpack"), Place(B, 4096))),
        Entry(C, 0, Storage(Coding("dense", "raw"), Place(C, 1000, (0, 0))), "größe", "BF16", (0,)),
        Entry(C, 8, Storage(Coding("dense", "raw"), Place(C, 1000, (8, 8))), "0-d", "F64"),
    ),
)  # fmt: skip

TEXT = f"""\
git-theta manifest 1
{{"format":"torch","size":4242,"frame":{{"size":130,"oid":"{B}","storage":{{"update":"dense","serializer":"planes",\
"object":"{C}","bytes":1000,"range":[900,100]}}}}}}
{{"name":"layer.weight","dtype":"F32","shape":[2,3],"size":24,"oid":"{A}","views":[\
{{"name":"tied.weight","dtype":"F32","shape":[2,3]}},{{"name":"row","dtype":"F32","shape":[3],"stride":[1],"offset":3}}],\
"storage":{{"update":"dense","serializer":"raw","object":"{A}","bytes":24}}}}
{{"size":4000,"oid":"{B}","storage":{{"update":"dense","serializer":"msgpack","object":"{B}","bytes":4096}}}}
{{"name":"größe","dtype":"BF16","shape":[0],"size":0,"oid":"{C}",\
"storage":{{"update":"dense","serializer":"raw","object":"{C}","bytes":1000,"range":[0,0]}}}}
{{"name":"0-d","dtype":"F64","shape":[],"size":8,"oid":"{C}",\
"storage":{{"update":"dense","serializer":"raw","object":"{C}","bytes":1000,"range":[8,8]}}}}
""".encode()

D, E = "d" * 64, "e" * 64
CHAINED = Manifest(
    "safetensors",
    8,
    (
        Entry(
            A, 8,
            Storage(
                Coding(
                    "delta", "planes", {"rank": 2, "a": [1, {"y": 0, "z": None}]},
                    (
                        UpdateBase(B, 16, "F64", (2,), Coding("dense", "raw"), Place(C, 16)),
                        UpdateBase(
                            D, 8, "F32", (2,), Coding("delta", "planes", {"a": 1}), Place(E, 99, (9, 7)), {"later": 1}
                        ),
                    ),
                ),
                Place(E, 99, (1, 8)), {"x": 1},
            ),
            "w", "F32", (2,),
        ),
    ),
)  # fmt: skip
CHAINED_TEXT = f"""\
git-theta manifest 1
{{"format":"safetensors","size":8}}
{{"name":"w","dtype":"F32","shape":[2],"size":8,"oid":"{A}","storage":{{"update":"delta","serializer":"planes",\
"object":"{E}","bytes":99,"range":[1,8],"options":{{"a":[1,{{"y":0,"z":null}}],"rank":2}},"chain":[\
{{"dtype":"F64","shape":[2],"size":16,"oid":"{B}","update":"dense","serializer":"raw","object":"{C}","bytes":16}},\
{{"dtype":"F32","shape":[2],"size":8,"oid":"{D}","update":"delta","serializer":"planes",\
"object":"{E}","bytes":99,"range":[9,7],"options":{{"a":1}},"later":1}}],"x":1}}}}
""".encode()

SERIES = Manifest(
    "safetensors",
    24,
    (
        Entry(
            A, 24,
            Storage(
                Coding(
                    "delta", "planes", {"rank": 2},
                    (UpdateBase(B, 16, "F64", (2,), Coding("dense", "raw"), Place(C, 9, None, ((E, 7),))),),
                ),
                Place(C, 9, None, ((D, 1), (C, 9))), {"x": 1},
            ),
            "w", "F64", (3,),
        ),
    ),
)  # fmt: skip
SERIES_TEXT = f"""\
git-theta manifest 1
{{"format":"safetensors","size":24}}
{{"name":"w","dtype":"F64","shape":[3],"size":24,"oid":"{A}","storage":{{"update":"delta","serializer":"planes",\
"objects":[["{C}",9],["{D}",1],["{C}",9]],"options":{{"rank":2}},"chain":[\
{{"dtype":"F64","shape":[2],"size":16,"oid":"{B}","update":"dense","serializer":"raw",\
"objects":[["{C}",9],["{E}",7]]}}],"x":1}}}}
""".encode()

SMALLEST = b'git-theta manifest 1\n{"format":"opaque","size":0}\n'


def test_literal_text() -> None:
    assert encode_manifest(MANIFEST) == TEXT
    assert decode_manifest(TEXT) == MANIFEST


def test_literal_text_of_a_chain() -> None:
    assert encode_manifest(CHAINED) == CHAINED_TEXT
    assert decode_manifest(CHAINED_TEXT) == CHAINED


def test_literal_text_of_series() -> None:
    assert encode_manifest(SERIES) == SERIES_TEXT
    assert decode_manifest(SERIES_TEXT) == SERIES


def test_what_a_part_in_several_objects_needs() -> None:
    (entry,) = SERIES.entries
    assert SERIES.objects() == entry.storage.objects() == {C: 9, E: 7, D: 1}
    assert list(entry.storage.stretches()) == [(C, 0, 9), (E, 0, 7), (C, 0, 9), (D, 0, 1), (C, 0, 9)]
    place = entry.storage.place
    assert place.objects() == ((C, 9), (D, 1), (C, 9))
    assert (place.size, place.offset) == (19, 0)
    assert Place.of_objects(place.objects()) == place
    assert Place.of_objects([(A, 5)]) == Place(A, 5)


def test_what_a_part_on_a_chain_needs() -> None:
    (entry,) = CHAINED.entries
    root, last = entry.storage.bases()
    assert CHAINED.objects() == entry.storage.objects() == {C: 16, E: 99}
    assert list(entry.storage.places()) == [Place(C, 16), Place(E, 99, (9, 7)), Place(E, 99, (1, 8))]
    assert list(entry.storage.stretches()) == [(C, 0, 16), (E, 9, 7), (E, 1, 8)]
    assert (root.oid, root.storage.objects()) == (B, {C: 16})
    assert (last.oid, last.storage.coding.chain, last.shape) == (D, entry.storage.coding.chain[:1], (2,))


def test_lines_with_the_longest_chain_are_kept_parsed_too() -> None:
    """Of two versions that are compared, most lines are the same."""
    links = tuple(
        UpdateBase(
            f"{n:064x}", 1 << 28, "BF16", (16384, 8192), Coding("dense" if n == 1 else "delta", "planes"),
            Place(f"{n + 99:064x}", 32 << 20, (n << 20, 1 << 20)),
        )
        for n in range(1, MAX_CHAIN + 1)
    )  # fmt: skip
    storage = Storage(Coding("delta", "planes", chain=links), Place(A, 32 << 20, (1, 5)))
    one = Entry(A, 1 << 28, storage, "model.layers.17.mlp.down_proj.weight", "BF16", (16384, 8192))
    text = encode_manifest(Manifest("safetensors", 1 << 28, (one,)))
    (first,), (second,) = decode_manifest(text).entries, decode_manifest(text).entries
    assert first == one
    assert first is second


def test_the_smallest_manifest() -> None:
    assert encode_manifest(Manifest("opaque", 0, ())) == SMALLEST
    assert decode_manifest(SMALLEST) == Manifest("opaque", 0, ())


def test_git_sees_one_line_per_part() -> None:
    assert TEXT.count(b"\n") == 2 + len(MANIFEST.entries)


def test_what_a_manifest_says_of_itself() -> None:
    assert [entry.name for entry in MANIFEST.parameters()] == ["layer.weight", "größe", "0-d"]
    assert [part.oid for part in MANIFEST.parts()] == [B, A, B, C, C]
    assert MANIFEST.objects() == {C: 1000, A: 24, B: 4096}
    assert MANIFEST.frame is not None
    assert MANIFEST.frame.storage.place[2] == (900, 100)
    assert (MANIFEST.entries[0].storage.place.offset, MANIFEST.entries[0].storage.place.size) == (0, 24)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"b\\c', rb'"a\"b\\c"'),
        ("\b\t\n\f\r", rb'"\b\t\n\f\r"'),
        ("\x01\x1f", rb'"\u0001\u001f"'),
        ("/\x7f\u2028\ufeff", '"/\x7f\u2028\ufeff"'.encode()),
        ("ü\N{GRINNING FACE}", '"ü\N{GRINNING FACE}"'.encode()),
    ],
    ids=ascii,
)
def test_names_have_one_spelling(name: str, written: bytes) -> None:
    manifest = Manifest("f", 0, (Entry(A, 0, Storage(Coding("dense", "raw"), Place(A, 0)), name, "U8", (0,)),))
    assert b'{"name":' + written + b',"dtype"' in encode_manifest(manifest)
    assert decode_manifest(encode_manifest(manifest)) == manifest


def with_extras(place: bytes, extra: bytes) -> bytes:
    """TEXT with further keys at the end of an object: of the first one that ends in ``place``."""
    assert place in TEXT
    return TEXT.replace(place, place[:-1] + b"," + extra + place[-1:], 1)


PLACES = {
    "header": b'"range":[900,100]}}}',
    "frame": b'"range":[900,100]}}',
    "storage of the frame": b'"range":[900,100]}',
    "view": b'"offset":3}',
    "parameter": b'"bytes":24}}',
    "storage": b'"bytes":24}',
    "anonymous part": b'"bytes":4096}}',
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "extra",
    [b'"later":1', b'"a":null,"b":[true,false,{"y":[],"z":-5}],"\xc3\xbc":"x"', b'"update_base":{"oid":"x"}'],
)
def test_unknown_keys_survive(place: bytes, extra: bytes) -> None:
    text = with_extras(place, extra)
    assert encode_manifest(decode_manifest(text)) == text
    assert decode_manifest(text) != MANIFEST


@pytest.mark.parametrize(
    "extra",
    [
        b'"b":1,"a":2',
        b'"later":{"b":1,"a":2}',
        b'"later":[{"b":1,"a":2}]',
        b'"later":{"a":1,"a":1}',
        b'"later":1,"later":1',
        b'"later":1.0',
        b'"later":1e3',
        b'"later":-0',
        b'"later":NaN',
        b'"later":-Infinity',
        b'"later":9223372036854775808',
        b'"later":' + b"9" * 5000,
        b'"later": 1',
        b'"later":"\\u00fc"',
        b'"later":"\\/"',
        b'"later":"\\ud800"',
        b'"later":"\xed\xa0\x80"',
        b'"later":"\xff"',
        b'"later":' + b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda extra: ascii(extra[:40]),
)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_unknown_keys_have_one_encoding_too(place: bytes, extra: bytes) -> None:
    with pytest.raises(ManifestError):
        decode_manifest(with_extras(place, extra))


def test_a_writer_orders_unknown_keys() -> None:
    manifest = Manifest("f", 0, (), extra={"b": [{"z": 1, "y": 2}], "a": {"d": None, "c": True}})
    assert (
        encode_manifest(manifest)
        == FIRST_LINE + b'{"format":"f","size":0,"a":{"c":true,"d":null},"b":[{"y":2,"z":1}]}\n'
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
sizes = st.integers(0, (1 << 63) - 1)
oids = st.text("0123456789abcdef", min_size=64, max_size=64)
part_oids, link_oids = oids.map(lambda oid: "0" + oid[1:]), oids.map(lambda oid: "f" + oid[1:])
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
extras = st.dictionaries(st.text().map("x-".__add__), values, max_size=2)
shapes = st.lists(sizes, max_size=4).map(tuple)


@st.composite
def storages(draw: st.DrawFn) -> Storage:
    links = tuple(
        UpdateBase(
            oid, draw(sizes), draw(st.text()), draw(shapes), Coding(f"update {n}", draw(st.text()), draw(extras)),
            Place(oid, 5, draw(st.sampled_from([None, (2, 3)]))), draw(extras),
        )
        for n, oid in enumerate(draw(st.lists(link_oids, unique=True, max_size=3)))
    )  # fmt: skip
    place = draw(st.none() | st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40)))
    whole = sum(place) if place else draw(sizes)
    coding = Coding(f"x{draw(st.text())}", draw(st.text()), draw(extras), links)
    one = Place(draw(part_oids), whole, place)
    several = st.lists(st.tuples(part_oids, st.integers(1, 1 << 40)), min_size=2, max_size=4, unique_by=lambda p: p[0])
    return Storage(coding, draw(st.just(one) | several.map(Place.of_objects)), draw(extras))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    taken = iter(draw(st.lists(names, unique=True, min_size=8, max_size=8)))
    runs = st.tuples(part_oids, sizes, storages(), extras).map(lambda d: Entry(d[0], d[1], d[2], extra=d[3]))
    entries = []
    for _ in range(draw(st.integers(0, 3))):
        views = [View(next(taken), draw(st.text()), draw(shapes), draw(st.none() | shapes), draw(sizes), draw(extras))]
        bare = draw(runs)
        named = bare._replace(name=next(taken), dtype=draw(st.text()), shape=draw(shapes), views=tuple(views))
        entries += [bare, named]
    return Manifest(draw(st.text()), draw(sizes), tuple(entries), draw(st.none() | runs), draw(extras))


@settings(max_examples=50, deadline=None)
@given(manifests())
def test_every_manifest_survives(manifest: Manifest) -> None:
    text = encode_manifest(manifest)
    assert decode_manifest(text) == manifest
    assert encode_manifest(decode_manifest(text)) == text
    assert is_manifest(text)


@pytest.mark.parametrize("head", [TEXT, FIRST_LINE, b"git-theta manifest 2\n...", b"git-theta manifest 999999999\n"])
def test_a_manifest_is_known_by_its_first_line(head: bytes) -> None:
    assert is_manifest(head)


@pytest.mark.parametrize(
    "head",
    [b"", b"git-theta manifest 1", b"git-theta manifest 0\n", b"git-theta manifest 01\n", b"git-theta manifest -1\n",
     b"git-theta manifest 1\r\n", b" git-theta manifest 1\n", b"git-theta manifest  1\n", b"Git-Theta manifest 1\n",
     b"git-theta manifest 1234567890\n", b"\xef\xbb\xbfgit-theta manifest 1\n"],
)  # fmt: skip
def test_what_looks_similar_is_none(head: bytes) -> None:
    assert not is_manifest(head)
    with pytest.raises(ManifestError, match=r"^not a manifest: the first line does not name one$"):
        decode_manifest(head)


@pytest.mark.parametrize("version", [2, 10, 999_999_999])
def test_a_newer_version_is_refused_with_a_hint(version: int) -> None:
    text = TEXT.replace(b"manifest 1", b"manifest %d" % version, 1) + b"whatever \xff it is"
    with pytest.raises(NewerManifest, match=f"version {version}") as caught:
        decode_manifest(text)
    assert "Upgrade" in caught.value.hint


def test_ten_thousand_parameters_load_in_a_moment() -> None:
    """Up to 2 units of work."""
    entries = [
        Entry(
            f"{n:064x}",
            4096,
            Storage(Coding("dense", "planes"), Place(A, 1 << 40, (n, 4000))),
            f"layers.{n}.w",
            "F32",
            (32, 32),
        )
        for n in range(10_000)
    ]
    text = encode_manifest(Manifest("safetensors", 10_000 * 4096, tuple(entries)))
    assert takes_fewer_units(20, lambda: decode_manifest(text))
    assert len(decode_manifest(text).entries) == 10_000


def test_a_change_anywhere_is_another_manifest_or_refused() -> None:
    news = (b"", b'"', b"}", b"\n", b"\xff", b"9")
    for at, new in product(range(len(FIRST_LINE), len(TEXT), 3), news):
        text = TEXT[:at] + new + TEXT[at + 1 :]
        try:
            assert encode_manifest(decode_manifest(text)) == text
        except ManifestError:
            continue


@pytest.mark.parametrize("kept", [slice(None), slice(1, None), slice(2), slice(0)])
def test_a_version_that_another_one_lends_its_lines_is_as_if_read_alone(kept: slice) -> None:
    changed = MANIFEST.entries[1]._replace(oid=A)
    other = MANIFEST._replace(entries=(*MANIFEST.entries[kept], changed))
    text = encode_manifest(other)
    read = decode_manifest(text, (encode_manifest(MANIFEST), MANIFEST))
    assert read == decode_manifest(text) == other
    assert encode_manifest(read) == text


def test_what_is_the_same_line_at_the_same_place_is_the_same_object() -> None:
    base = decode_manifest(encode_manifest(MANIFEST))
    read = decode_manifest(encode_manifest(MANIFEST), (encode_manifest(MANIFEST), base))
    assert all(one is other for one, other in zip(read.entries, base.entries, strict=True))
