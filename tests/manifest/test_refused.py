"""What is not exactly a manifest is refused: by ManifestError, with a hint, quickly."""

from __future__ import annotations

import pytest

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.model import Place
from git_theta.manifest.storage_json import MAX_SERIES
from git_theta.manifest.text import decode_manifest, encode_manifest, is_manifest
from tests.work_units import takes_fewer_units

FIRST = b"git-theta manifest 1\n"
OID = b"0123456789abcdef" * 4
STORAGE = b'"storage":{"update":"dense","serializer":"raw","object":"' + OID + b'","bytes":4}'
FRAME = b'{"size":9,"oid":"' + OID + b'",' + STORAGE + b"}"
HEADER = b'{"format":"torch","size":100,"frame":' + FRAME + b"}"
VIEW = b'{"name":"w.T","dtype":"U8","shape":[2,2],"stride":[1,2],"offset":0}'.replace(b',"offset":0', b"")
LINE = b'{"name":"w","dtype":"U8","shape":[4],"size":4,"oid":"' + OID + b'","views":[' + VIEW + b"]," + STORAGE + b"}"
RUN = b'{"size":4,"oid":"' + OID + b'",' + STORAGE + b"}"
WHOLE = FIRST + HEADER + b"\n" + LINE + b"\n" + RUN + b"\n"


def test_the_text_that_is_spoilt_below_is_valid() -> None:
    assert [entry.name for entry in decode_manifest(WHOLE).entries] == ["w", None]


def spoilt(old: bytes, new: bytes) -> bytes:
    assert WHOLE.count(old) >= 1
    return WHOLE.replace(old, new, 1)


def link(n: int, update: bytes = b"delta", object_: bytes = b"c" * 64, more: bytes = b"") -> bytes:
    return (
        b'{"dtype":"U8","shape":[4],"size":4,"oid":"%064d","update":"%b","serializer":"raw","object":"%b","bytes":4%b}'
        % (n, update, object_, more)
    )


def chained(*links: bytes, update: bytes = b"delta") -> bytes:
    """WHOLE with a chain for the first part."""
    chain = b',"chain":[' + b",".join(links) + b"]"
    return spoilt(STORAGE + b"}\n" + RUN, STORAGE[:-1].replace(b"dense", update) + chain + b"}}\n" + RUN)


ROOT = link(0, b"dense")


def test_the_chains_that_are_spoilt_below_are_valid() -> None:
    for depth in (0, 1, 15):
        (entry, _) = decode_manifest(chained(ROOT, *(link(n) for n in range(1, depth + 1)))).entries
        assert len(entry.storage.coding.chain) == depth + 1


ENCODINGS = {
    "keys in another order": spoilt(b'"format":"torch","size":100', b'"size":100,"format":"torch"'),
    "entry keys in another order": spoilt(b'"size":4,"oid":"' + OID + b'"', b'"oid":"' + OID + b'","size":4'),
    "a space": spoilt(b'"size":100', b'"size": 100'),
    "a space at the end": spoilt(b"}\n", b"} \n"),
    "CRLF": WHOLE.replace(b"\n", b"\r\n"),
    "CRLF after the first line": FIRST + WHOLE[len(FIRST) :].replace(b"\n", b"\r\n"),
    "CR": FIRST + WHOLE[len(FIRST) :].replace(b"\n", b"\r"),
    "no newline at the end": WHOLE[:-1],
    "two newlines at the end": WHOLE + b"\n",
    "an empty line": spoilt(b"}\n{", b"}\n\n{"),
    "a byte-order mark": FIRST + b"\xef\xbb\xbf" + WHOLE[len(FIRST) :],
    "UTF-16": FIRST + (HEADER.decode() + "\n").encode("utf-16"),
    "a key twice": spoilt(b'"size":100', b'"size":100,"size":100'),
    "a key twice, with two values": spoilt(b'"name":"w"', b'"name":"v","name":"w"'),
    "a key twice in a view": spoilt(b'"stride":[1,2]', b'"stride":[1,2],"stride":[1,2]'),
    "a float": spoilt(b'"size":100', b'"size":100.0'),
    "an exponent": spoilt(b'"size":100', b'"size":1e2'),
    "a leading zero": spoilt(b'"size":100', b'"size":0100'),
    "a negative number": spoilt(b'"size":100', b'"size":-100'),
    "minus zero": spoilt(b'"size":100', b'"size":-0'),
    "NaN": spoilt(b'"size":100', b'"size":NaN'),
    "Infinity": spoilt(b'"size":100', b'"size":Infinity'),
    "a boolean": spoilt(b'"size":100', b'"size":true'),
    "a number as text": spoilt(b'"size":100', b'"size":"100"'),
    "an escape that is not needed": spoilt(b'"name":"w"', b'"name":"\\u0077"'),
    "an escaped slash": spoilt(b'"name":"w"', b'"name":"\\/"'),
    "upper-case hex in an escape": spoilt(b'"name":"w"', b'"name":"\\u001F"'),
    "an escape instead of a short one": spoilt(b'"name":"w"', b'"name":"\\u000a"'),
    "escaped UTF-16": spoilt(b'"name":"w"', b'"name":"\\ud83d\\ude00"'),
    "a control character": spoilt(b'"name":"w"', b'"name":"\x01"'),
    "no frame, said explicitly": spoilt(FRAME, b"null"),
    "no views, said explicitly": spoilt(b"[" + VIEW + b"]", b"[]"),
    "no stride, said explicitly": spoilt(b'"stride":[1,2]', b'"stride":null'),
    "no offset, said explicitly": spoilt(b'"stride":[1,2]', b'"stride":[1,2],"offset":0'),
    "no range, said explicitly": spoilt(b'"bytes":4}', b'"bytes":4,"range":null}'),
    "no name, said explicitly": spoilt(b'{"name":"w"', b'{"name":null'),
    "two lines in one": WHOLE.replace(b"}\n{", b"}{"),
    "one line in two": spoilt(b',"views"', b'\n,"views"'),
}

CHAINS = {
    "a chain of nothing": chained(),
    "a chain that is too long": chained(ROOT, *(link(n) for n in range(1, 17))),
    "a chain of a million": chained(*[b"{}"] * 1_000_000),
    "a chain that is null": chained(ROOT).replace(b"[" + ROOT + b"]", b"null"),
    "a chain that is an object": chained(ROOT).replace(b"[" + ROOT + b"]", ROOT),
    "a chain of numbers": chained(b"5"),
    "a chain of chains": chained(b"[" + ROOT + b"]"),
    "a chain in a chain": chained(ROOT, link(1, more=b',"chain":[' + link(2, b"dense") + b"]")),
    "an empty chain in a chain": chained(ROOT[:-1] + b',"chain":[]}'),
    "a chain that comes back": chained(ROOT, link(1), link(2), link(1)),
    "a chain of the part itself": chained(ROOT.replace(b"%064d" % 0, OID)),
    "dense on a base": chained(ROOT, update=b"dense"),
    "dense in the middle of a chain": chained(ROOT, link(1, b"dense")),
    "one object with two sizes": chained(link(0, b"dense", OID, b"").replace(b'"bytes":4', b'"bytes":5')),
    "one object with two sizes in a chain": chained(ROOT, link(1).replace(b'"bytes":4', b'"bytes":5')),
    "a link's range beyond its object": chained(ROOT[:-1] + b',"range":[1,4]}'),
    "a link's size that is negative": chained(ROOT.replace(b'"size":4', b'"size":-4')),
    "a link's size beyond 63 bits": chained(ROOT.replace(b'"size":4', b'"size":9223372036854775808')),
    "a link's shape of a hundred": chained(ROOT.replace(b"[4]", b"[" + b"1," * 99 + b"1]")),
    "a link's object that is a path": chained(link(0, b"dense", b"../" * 21 + b"x")),
    "a link's keys in another order": chained(ROOT.replace(b'"dtype":"U8","shape":[4]', b'"shape":[4],"dtype":"U8"')),
    "a link without an oid": chained(ROOT.replace(b'"oid"', b'"x-oid"')),
    "the chain before the range": spoilt(STORAGE, STORAGE[:-1] + b',"chain":[' + ROOT + b'],"range":[0,4]}'),
    "no options, said explicitly": spoilt(STORAGE, STORAGE[:-1] + b',"options":{}}'),
    "options that are null": spoilt(STORAGE, STORAGE[:-1] + b',"options":null}'),
    "options that are a list": spoilt(STORAGE, STORAGE[:-1] + b',"options":["a"]}'),
    "options in another order": spoilt(STORAGE, STORAGE[:-1] + b',"options":{"b":1,"a":2}}'),
    "options with a fraction": spoilt(STORAGE, STORAGE[:-1] + b',"options":{"a":0.5}}'),
    "options of a link in another order": chained(ROOT[:-1] + b',"options":{"b":1,"a":2}}'),
}  # fmt: skip


def series(objects: bytes, more: bytes = b"") -> bytes:
    """WHOLE with the first part in several objects."""
    place = STORAGE[STORAGE.index(b'"object"') : -1]
    return spoilt(STORAGE + b"}\n" + RUN, STORAGE.replace(place, b'"objects":' + objects + more) + b"}\n" + RUN)


def several(*sizes: object) -> bytes:
    return b"[" + b",".join(b'["%064d",%s]' % (n, str(size).encode()) for n, size in enumerate(sizes)) + b"]"


def test_the_series_that_are_spoilt_below_are_valid() -> None:
    for count in (2, 3, MAX_SERIES):
        (entry, _) = decode_manifest(series(several(*range(1, count + 1)))).entries
        assert entry.storage.place.objects() == tuple((f"{n:064}", n + 1) for n in range(count))


SERIES = {
    "no object": series(b"[]"),
    "a list of one object": series(several(4)),
    "too many objects": series(several(*range(1, MAX_SERIES + 2))),
    "a hundred thousand objects": series(several(*range(1, 100_001))),
    "objects that are null": series(b"null"),
    "objects that are a number": series(b"5"),
    "objects that are text": series(b'"ab"'),
    "objects that are an object": series(b'{"a":1,"b":2}'),
    "objects by key": series(b"[" + b",".join([b'{"object":"' + OID + b'","bytes":4}'] * 2) + b"]"),
    "objects of numbers": series(b"[1,2]"),
    "objects of oids alone": series(b'[["' + OID + b'"],["' + OID + b'"]]'),
    "objects of three": series(several("4,5", 4)),
    "objects that are bare oids": series(b'["' + OID + b'","' + OID + b'"]'),
    "size before oid": series(b'[[4,"' + OID + b'"],[4,"' + OID + b'"]]'),
    "an object of no bytes": series(several(4, 0, 4)),
    "an object of fewer than no bytes": series(several(4, -1)),
    "an object of half a byte": series(several(4, 0.5)),
    "an object of true bytes": series(several(4, "true")),
    "sizes that overflow": series(several((1 << 63) - 1, 1)),
    "an object beyond 63 bits": series(several(1, 1 << 63)),
    "one object of a series with two sizes": series(several(4, 5).replace(b"%064d" % 1, b"%064d" % 0)),
    "an object of a series that is a path": series(several(4, 4).replace(b"%064d" % 1, b"../" * 21 + b"x")),
    "a series and an object": series(several(4, 4), b',"bytes":4,"object":"' + OID + b'"'),
    "a series and bytes": series(several(4, 4), b',"bytes":8'),
    "a series and a range": series(several(4, 4), b',"range":[0,8]'),
    "an object and a series": spoilt(STORAGE, STORAGE[:-1] + b',"objects":' + several(4, 4) + b"}"),
    "no series, said explicitly": spoilt(STORAGE, STORAGE[:-1] + b',"objects":null}'),
    "options before the series": series(several(4, 4)).replace(b'"objects"', b'"options":{"a":1},"objects"'),
    "a series with two sizes in a chain": chained(
        ROOT.replace(b'"object":"' + b"c" * 64 + b'","bytes":4', b'"objects":[["%b",5],["%b",4]]' % (OID, b"c" * 64))
    ),
}  # fmt: skip

HOSTILE = {
    "nothing but a first line": FIRST,
    "no header": FIRST + b"\n",
    "a header that is no object": FIRST + b"[]\n",
    "a header that is a number": FIRST + b"5\n",
    "a header that is null": FIRST + b"null\n",
    "a line that is no object": FIRST + HEADER + b"\n5\n",
    "a line that is text": FIRST + HEADER + b'\n"name"\n',
    "a line that is a list": FIRST + HEADER + b'\n["name"]\n',
    "no JSON": FIRST + b"\x00\xff\n",
    "an oid that is a path": spoilt(OID, b"../" * 21 + b"x"),
    "an oid in upper case": spoilt(OID, OID.upper()),
    "an oid that is short": spoilt(OID, OID[:-1]),
    "an oid that is long": spoilt(OID, OID + b"0"),
    "an oid with a newline": spoilt(OID, OID[:-1] + b"\\n"),
    "an oid that is a number": spoilt(b'"' + OID + b'"', b"5"),
    "an object that is a path": WHOLE.replace(b'"object":"' + OID, b'"object":"' + b"../" * 21 + b"x"),
    "a range beyond the object": spoilt(b'"bytes":4}', b'"bytes":4,"range":[1,4]}'),
    "a range that overflows": spoilt(b'"bytes":4}', b'"bytes":4,"range":[9223372036854775807,9223372036854775807]}'),
    "a range of one": spoilt(b'"bytes":4}', b'"bytes":4,"range":[1]}'),
    "a range of three": spoilt(b'"bytes":4}', b'"bytes":4,"range":[0,1,2]}'),
    "a range that is an object": spoilt(b'"bytes":4}', b'"bytes":4,"range":{}}'),
    "a range that is text": spoilt(b'"bytes":4}', b'"bytes":4,"range":"01"}'),
    "a size beyond 63 bits": spoilt(b'"size":100', b'"size":9223372036854775808'),
    "a size of five thousand digits": spoilt(b'"size":100', b'"size":' + b"1" * 5000),
    "a size of a million digits": spoilt(b'"size":100', b'"size":' + b"1" * 1_000_000),
    "a shape that is an object": spoilt(b'"shape":[4]', b'"shape":{}'),
    "a shape that is text": spoilt(b'"shape":[4]', b'"shape":"4"'),
    "a shape that is a number": spoilt(b'"shape":[4]', b'"shape":4'),
    "a shape of lists": spoilt(b'"shape":[4]', b'"shape":[[4]]'),
    "a shape with a negative": spoilt(b'"shape":[4]', b'"shape":[-4]'),
    "a stride that is negative": spoilt(b'"stride":[1,2]', b'"stride":[-1,2]'),
    "views that are an object": spoilt(b"[" + VIEW + b"]", b"{}"),
    "views that are numbers": spoilt(b"[" + VIEW + b"]", b"[5]"),
    "a lone surrogate": spoilt(b'"name":"w"', b'"name":"\\ud800"'),
    "an encoded surrogate": spoilt(b'"name":"w"', b'"name":"\xed\xa0\x80"'),
    "overlong UTF-8": spoilt(b'"name":"w"', b'"name":"\xc0\xaf"'),
    "an empty name": spoilt(b'"name":"w"', b'"name":""'),
    "a NUL in a name": spoilt(b'"name":"w"', b'"name":"a\\u0000b"'),
    "an empty name of a view": spoilt(b'"name":"w.T"', b'"name":""'),
    "a name that is a list": spoilt(b'"name":"w"', b'"name":["w"]'),
    "two parameters of one name": WHOLE + LINE.replace(VIEW, VIEW.replace(b"w.T", b"v")) + b"\n",
    "a view with another's name": WHOLE + LINE.replace(b'"w"', b'"v"') + b"\n",
    "two views of one name": spoilt(VIEW, VIEW + b"," + VIEW),
    "an own name among the views": spoilt(VIEW, VIEW + b"," + VIEW.replace(b"w.T", b"w")),
    "a frame with a name": spoilt(FRAME, LINE),
    "a frame that is a list": spoilt(FRAME, b"[]"),
    "a run with a dtype": WHOLE.replace(RUN, RUN.replace(b'{"size"', b'{"dtype":"U8","size"')),
    "a run with a dtype at its end": WHOLE.replace(RUN, RUN[:-1] + b',"dtype":"U8"}'),
    "a run with views": WHOLE.replace(RUN, RUN.replace(b',"storage"', b',"views":[' + VIEW + b'],"storage"')),
    "storage that is a number": spoilt(STORAGE, b'"storage":5'),
    "storage that is null": spoilt(STORAGE, b'"storage":null'),
    "a serializer that is a path to a program": spoilt(b'"raw"', b'["/bin/sh"]'),
    "lists a million deep": FIRST + b"[" * 1_000_000 + b"\n",
    "objects a million deep": FIRST + b'{"a":' * 1_000_000 + b"\n",
    "strides a hundred thousand deep": spoilt(b"[1,2]", b"[" * 100_000 + b"]" * 100_000),
}  # fmt: skip


def refusal(text: bytes) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        decode_manifest(text)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [*ENCODINGS.values(), *CHAINS.values(), *SERIES.values(), *HOSTILE.values()],
    ids=[*ENCODINGS, *CHAINS, *SERIES, *HOSTILE],
)
def test_it_is_refused_with_a_hint_and_quickly(text: bytes) -> None:
    assert text != WHOLE
    assert takes_fewer_units(40, lambda: refusal(text))
    assert not isinstance(refusal(text), NewerManifest)
    assert refusal(text).hint or not is_manifest(text)


@pytest.mark.parametrize(
    "key", ["format", "size", "dtype", "shape", "oid", "update", "serializer", "object", "bytes", "storage"]
)
def test_a_key_that_is_not_there_is_missed(key: str) -> None:
    with pytest.raises(ManifestError):
        decode_manifest(spoilt(f'"{key}":'.encode(), f'"x-{key}":'.encode()))


def test_l2_a_writer_writes_no_chain_that_a_reader_refuses() -> None:
    manifest = decode_manifest(chained(ROOT, *(link(n) for n in range(1, 16))))
    entry = manifest.entries[0]
    coding = entry.storage.coding
    last = coding.chain[-1]
    chains = [
        (*coding.chain, last._replace(oid="d" * 64)),
        (*coding.chain[:-1], last._replace(oid=entry.oid)),
        (*coding.chain[:-1], last._replace(oid=coding.chain[0].oid)),
        (*coding.chain[:-1], last._replace(coding=coding.chain[0].coding)),
        (*coding.chain[:-1], last._replace(place=last.place._replace(bytes=5))),
    ]
    for chain in chains:
        spoilt_entry = entry._replace(storage=entry.storage._replace(coding=coding._replace(chain=chain)))
        with pytest.raises(ManifestError, match="no manifest can hold"):
            encode_manifest(manifest._replace(entries=(spoilt_entry,)))


def test_l2_a_writer_writes_no_series_that_a_reader_refuses() -> None:
    manifest = decode_manifest(WHOLE)
    entry = manifest.entries[0]
    a, b = "a" * 64, "b" * 64
    places = [
        Place(a, 4, (0, 4), ((b, 4),)),
        Place(a, 4, None, ((b, 0),)),
        Place(a, 4, None, ((a, 5),)),
        Place(a, 4, None, (("../etc/passwd", 4),)),
        Place(a, (1 << 63) - 1, None, ((b, 1),)),
        Place.of_objects((f"{n:064}", 4) for n in range(MAX_SERIES + 1)),
    ]
    for place in places:
        spoilt_entry = entry._replace(storage=entry.storage._replace(place=place))
        with pytest.raises(ManifestError, match="no manifest can hold"):
            encode_manifest(manifest._replace(entries=(spoilt_entry,)))


def test_the_longest_chain_of_the_longest_series_fits_into_a_line() -> None:
    manifest = decode_manifest(chained(ROOT, *(link(n) for n in range(1, 16))))
    entry, _ = manifest.entries
    place = Place.of_objects((f"{n:064x}", 1 << 30) for n in range(MAX_SERIES))
    chain = tuple([one._replace(place=place) for one in entry.storage.coding.chain])
    storage = entry.storage._replace(coding=entry.storage.coding._replace(chain=chain), place=place)
    large = manifest._replace(entries=(entry._replace(storage=storage),))
    assert decode_manifest(encode_manifest(large)) == large
