"""Answers packed for who can unpack them: same content, own entity tags, nothing held back."""

import gzip
import http.client
import random
import re
import socket
import zlib

import brotli
import pytest

from cnrs_graph.compression import negotiate_coding

UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
#: What zlib writes at the end of a piece that can be read at once.
SYNCHRONISED = b"\x00\x00\xff\xff"
DOCUMENTS = [
    ("/doc/cooperation/ln2", "text/html"),
    ("/data/cooperation/ln2.ttl", "*/*"),
    ("/data/cooperation/ln2.nt", "*/*"),
    ("/data/cooperation/ln2.jsonld", "*/*"),
    ("/data/cooperation/ln2.rdf", "*/*"),
    ("/data/cooperation/ln2.trig", "*/*"),
    ("/data/cooperation/ln2.nq", "*/*"),
    ("/ontology", "text/turtle"),
    ("/openapi.json", "*/*"),
]


@pytest.fixture(scope="module")
def raw(server):
    """Ask and get the bytes as they come, nothing unpacked."""

    def ask(path, coding="", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in {**({"Accept-Encoding": coding} if coding else {}), **given}.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return ask


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (b"", None),
        (b"gzip, deflate, br, zstd", "br"),
        (b"gzip", "gzip"),
        (b"gzip;q=1.0, br;q=0.5", "gzip"),
        (b"br;q=0, gzip;q=0.1", "gzip"),
        (b"*", "br"),
        (b"*;q=0.5, br;q=0", "gzip"),
        (b"identity", None),
        (b"identity;q=0.5, gzip;q=0.4", None),
        (b"gzip;q=banana", None),
        (b"GZIP ; Q=0.3", "gzip"),
        (b"deflate, zstd", None),
        (b"*;q=0", None),
    ],
)
def test_the_coding_is_the_best_the_header_allows(header, coding):
    assert negotiate_coding(header) == coding


def test_codings_are_chosen_as_a_second_reading_of_the_standard_says():
    chance = random.Random(1253)  # noqa: S311 - the same headers every time
    seen = set()
    for _ in range(10_000):
        wanted = {
            name: chance.choice((0.0, 0.001, 0.5, 1.0))
            for name in chance.sample(
                ("br", "gzip", "identity", "*", "zstd", "deflate"), chance.randint(0, 5)
            )
        }
        header = ", ".join(f"{name};q={weight}" for name, weight in wanted.items())
        weigh = {name: wanted.get(name, wanted.get("*", 0)) for name in ("br", "gzip")}
        most = max(weigh.values())
        expected = next(name for name, weight in weigh.items() if weight == most) if most else None
        # No coding at all is acceptable unless it is ruled out; one that was asked for goes before it.
        if most < wanted.get("identity", 0):
            expected = None
        assert negotiate_coding(header.encode()) == expected, header
        seen.add(expected)
    assert seen == {"br", "gzip", None}


@pytest.mark.parametrize(("path", "accept"), DOCUMENTS)
def test_a_packed_answer_is_the_same_content_with_a_tag_of_its_own(raw, path, accept):
    tags = set()
    plain = raw(path, Accept=accept)[2]
    for coding in UNPACK:
        status, headers, body = raw(path, coding or "", Accept=accept)
        assert status == 200
        assert headers["Content-Encoding"] == coding
        assert "Accept-Encoding" in headers["Vary"]
        assert UNPACK[coding](body) == plain
        assert coding is None or len(body) < len(plain)
        if headers["ETag"]:
            assert re.fullmatch(r'"[0-9a-f]+(-br|-gzip)?"', headers["ETag"])
            tags.add(headers["ETag"])
    assert len(tags) in (0, 3)
    assert len(tags) == 3 or path == "/openapi.json"


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
@pytest.mark.parametrize("coding", ["br", "gzip", ""])
@pytest.mark.parametrize(("path", "accept"), DOCUMENTS[:3])
def test_what_is_unchanged_is_not_sent_again_packed_or_not(raw, path, accept, coding, form):
    tag = raw(path, coding, Accept=accept)[1]["ETag"]
    status, headers, body = raw(path, coding, Accept=accept, If_None_Match=form.format(tag))
    assert (status, body) == (304, b"")
    assert form == "*" or headers["ETag"] == tag
    assert "Accept-Encoding" in headers["Vary"]


def test_one_packing_is_never_taken_for_another(raw):
    path = "/data/cooperation/ln2.ttl"
    packed = raw(path, "br")[1]["ETag"]
    for coding in ("gzip", ""):
        assert raw(path, coding, If_None_Match=packed)[0] == 200


@pytest.mark.parametrize("coding", ["br", "gzip"])
@pytest.mark.parametrize("path", ["/doc/cooperation/ln2", "/data/cooperation/ln2.ttl", "/id/nothing"])
def test_head_says_what_get_says_when_packed(raw, path, coding):
    got, asked = raw(path, coding)[1], raw(path, coding, method="HEAD")
    assert asked[2] == b""
    for name in ("Content-Encoding", "ETag", "Vary", "Content-Type"):
        assert asked[1][name] == got[name], name


def test_small_answers_and_redirects_are_left_as_they_are(raw):
    status, headers, _ = raw("/id/cooperation/ln2", "br", Accept="text/turtle")
    assert status == 303
    assert headers["Content-Encoding"] is None


def test_an_answer_to_a_query_is_packed(raw):
    # With a second parameter it is no desk that answers, which packs nothing.
    query = "/sparql?query=SELECT%20*%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D%20LIMIT%201000&by=the+hall"
    plain = raw(query)[2]
    for coding in ("br", "gzip"):
        _, headers, body = raw(query, coding)
        assert headers["Content-Encoding"] == coding
        assert UNPACK[coding](body) == plain
        assert len(body) < len(plain) / 4


def test_each_piece_of_a_packed_answer_can_be_read_when_it_is_there(server):
    """The query goes on until it is stopped; what it has found so far is readable before."""
    path = "/sparql?query=SELECT+*+%7B%3Fs+%3Fp+%3Fo+.+%3Fx+%3Fy+%3Fz%7D"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\nAccept-Encoding: gzip\r\n\r\n"
        connection.sendall(asked.encode())
        with connection.makefile("rb") as answer:
            head = b"".join(iter(answer.readline, b"\r\n"))
            piece = answer.read(int(answer.readline(), 16))
    assert b"content-encoding: gzip" in head.lower()
    assert piece.endswith(SYNCHRONISED)
    names = zlib.decompressobj(31).decompress(piece).partition(b"\r\n")[0]
    assert sorted(names.split(b",")) == [b"o", b"p", b"s", b"x", b"y", b"z"]
