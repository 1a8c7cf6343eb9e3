"""Answers that pass through from an endpoint elsewhere: in pieces, bounded, whole or visibly cut."""

import asyncio
import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import httpx
import pytest
from conftest import Server

from cnrs_graph.endpoint import Line, RemoteStore, asked
from cnrs_graph.errors import EndpointError, EndpointTimeoutError, QueryError, QueryMemoryError
from cnrs_graph.formats import CSV, JSON_RESULTS, NTRIPLES, RDFXML, TURTLE, XML_RESULTS
from cnrs_graph.remote import RemotePool
from cnrs_graph.store import Form

LIMIT_SECONDS = 30
BASE = "https://w3id.org/cnrs-graph/"
JSON = "application/sparql-results+json"
HEAD = b'{"head":{"vars":["x"]},"results":{"bindings":['
ROW = b'{"x":{"type":"literal","value":"' + b"v" * 100 + b'"}}'
TRIPLE = b"<https://example.org/hub> <https://example.org/p> <https://example.org/%d> .\n"
NOTHING = b'{"head":{"vars":[]},"results":{"bindings":[]}}'
YES = b'{"head":{},"boolean":true}'


class Played:
    """An endpoint that plays the part that a query names in a comment; it keeps what it was sent."""

    def __init__(self, **parts):
        self.parts = parts
        self.asked = []
        self.written = 0
        self.left = threading.Event()

    def __enter__(self):
        played = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = urllib.parse.parse_qs(body)
                played.asked.append((self.path, dict(self.headers), form))
                query = form["query"][0]
                part = next((part for name, part in played.parts.items() if f"# {name}" in query), None)
                with contextlib.suppress(OSError):
                    (part or usual)(self)
                self.close_connection = True

            def begin(self, media_type, **headers):
                self.send_response(200)
                self.send_header("Content-Type", media_type)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers and "Connection" not in headers:
                    self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()

            def chunk(self, body):
                try:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
                except OSError:
                    played.left.set()
                    raise
                played.written += len(body)

            def log_message(self, *_):
                pass

        def usual(reply):
            """An endpoint that holds one statement, and says yes."""
            query = played.asked[-1][2]["query"][0]
            body = YES if asked(query)[0] is Form.ASK else NOTHING
            reply.begin(JSON, Content_Length=len(body))
            reply.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/query"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def rows(count):
    def part(reply):
        reply.begin(JSON)
        reply.chunk(HEAD + ROW)
        block = (b"," + ROW) * 500
        for _ in range(count // 500):
            reply.chunk(block)
        reply.chunk(b"]}}")
        reply.chunk(b"")

    return part


def endless(reply):
    reply.begin(JSON)
    reply.chunk(HEAD + ROW)
    while True:
        reply.chunk((b"," + ROW) * 500)


def cut_short(reply):
    """A body that ends in the middle, as the chunks see it quite well."""
    reply.begin(JSON)
    reply.chunk(HEAD + ROW)
    reply.chunk(b"")


def cut_late(reply):
    reply.begin(JSON)
    reply.chunk(HEAD + ROW)
    for _ in range(40):
        reply.chunk((b"," + ROW) * 500)


def cut_graph(reply):
    reply.begin(NTRIPLES.media_type)
    for number in range(40_000):
        reply.chunk(TRIPLE % number)


def hub(reply):
    reply.begin(NTRIPLES.media_type)
    number = 0
    while True:
        reply.chunk(b"".join(TRIPLE % (number + more) for more in range(500)))
        number += 500


def silent(reply):
    reply.connection.settimeout(LIMIT_SECONDS)
    if reply.rfile.read(1) == b"":
        reply.server.left.set()


def slow(reply):
    """A little every now and then, so that no single wait is long."""
    reply.begin(JSON)
    reply.chunk(HEAD + ROW)
    while True:
        time.sleep(0.1)
        reply.chunk(b"," + ROW)


def fixed(media_type, body, **headers):
    def part(reply):
        reply.begin(media_type, Content_Length=len(body), **headers)
        reply.wfile.write(body)

    return part


PARTS = {
    "large": rows(500_000),
    "endless": endless,
    "cut-short": cut_short,
    "cut-late": cut_late,
    "cut-graph": cut_graph,
    "hub": hub,
    "slow": slow,
}


@pytest.fixture(scope="module")
def played():
    with Played(**PARTS) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def site(played):
    with (
        Server("--store", played.url, query_seconds=20, describe_statements=700) as server,
        httpx.Client(base_url=server.url, timeout=LIMIT_SECONDS) as client,
    ):
        client.process = server.process
        yield client


def memory_bytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def streamed(site, query, accept="text/csv"):
    return site.stream("POST", "/sparql", data={"query": query}, headers={"Accept": accept})


def test_a_large_answer_passes_through_a_small_server(site, played):
    site.get("/sparql", params={"query": "ASK {}"})
    before, most, lines = memory_bytes(site.process), 0, 0
    with streamed(site, "SELECT ?x {} # large") as answer:
        for number, chunk in enumerate(answer.iter_bytes()):
            lines += chunk.count(b"\n")
            if number % 50 == 0:
                most = max(most, memory_bytes(site.process))
    assert answer.status_code == 200
    assert lines == 500_001 + 1
    assert played.written > 50_000_000
    assert most - before < 32 << 20


def test_the_first_rows_are_there_before_the_last_are_made(site):
    with streamed(site, "SELECT ?x {} # endless") as answer:
        first = next(answer.iter_bytes())

    assert first.startswith(b"x\r\nvvv")


def test_who_does_not_read_lets_the_endpoint_wait(site, played):
    with streamed(site, "SELECT ?x {} # endless") as answer:
        next(answer.iter_bytes())
        time.sleep(1)
        written = played.written
        time.sleep(1)
        assert played.written - written < 1 << 20


def test_who_leaves_stops_the_endpoint(site, played):
    played.left.clear()
    with streamed(site, "SELECT ?x {} # endless") as answer:
        next(answer.iter_bytes())

    assert played.left.wait(3)


def test_an_answer_cut_before_its_first_bytes_are_sent_is_an_error(site):
    answer = site.post("/sparql", data={"query": "SELECT ?x {} # cut-short"}, headers={"Accept": JSON})

    assert answer.status_code == 502
    assert "the answer is cut" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("SELECT ?x {} # cut-late", "text/csv"),
        ("SELECT ?x {} # cut-late", JSON),
        ("CONSTRUCT {} {} # cut-graph", "application/n-triples"),
        ("CONSTRUCT {} {} # cut-graph", "text/turtle"),
    ],
)
def test_an_answer_cut_later_is_no_whole_body(site, query, accept):
    with streamed(site, query, accept) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)

    assert answer.status_code == 200


def test_the_time_of_a_query_ends_it_although_something_always_comes(played):
    with Server("--store", played.url, query_seconds=1) as server:
        began = time.monotonic()
        answer = httpx.post(f"{server.url}/sparql", data={"query": "SELECT ?x {} # slow"}, timeout=10)

    assert answer.status_code == 504
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("accept", ["application/n-triples", "text/turtle", "application/ld+json"])
def test_a_description_has_so_many_statements_and_says_so(site, played, accept):
    played.left.clear()
    answer = site.post(
        "/sparql", data={"query": "DESCRIBE <https://example.org/hub> # hub"}, headers={"Accept": accept}
    )

    assert answer.status_code == 200
    assert answer.headers["x-cut"] == "after 700 statements"
    assert answer.text.count("https://example.org/699") == 1
    assert "https://example.org/700" not in answer.text
    assert played.left.wait(3)


def test_a_description_on_a_page_says_so_too(site):
    page = site.post(
        "/sparql",
        data={"query": "DESCRIBE <https://example.org/hub> # hub"},
        headers={"Accept": "text/html"},
    )
    assert "Only the first 700 statements." in page.text


def test_the_own_time_out_of_an_oxigraph_server_is_no_whole_answer():
    """It answers 200 and ends the chunks properly, with a sentence in the place of the rest."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("oxigraph")
    process = subprocess.Popen(
        [program, "serve", "--bind", f"127.0.0.1:{port}", "--timeout-s", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        statements = b"".join(TRIPLE % number for number in range(10_000))
        while True:
            assert time.monotonic() < deadline
            with contextlib.suppress(httpx.TransportError):
                httpx.post(
                    f"{url}/store?default", content=statements, headers={"Content-Type": NTRIPLES.media_type}
                ).raise_for_status()
                break
            time.sleep(0.05)
        product = "{ ?s ?p ?o . ?t ?q ?r }"
        for query, accept in (
            (f"SELECT * {product}", CSV),
            (f"CONSTRUCT {{ ?s ?p ?r }} {product}", NTRIPLES),
        ):
            with pytest.raises(EndpointError, match="cut"):
                asyncio.run(whole(RemoteStore(f"{url}/query"), query, accept, accept))
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


async def whole(store, query, results=JSON_RESULTS, graphs=NTRIPLES, **more):
    """An answer that has passed through a pool, and the answer's own facts."""
    async with RemotePool(store, size=2, timeout_seconds=LIMIT_SECONDS, queue_length=1) as pool:
        await pool.start(b"", ())
        async with await pool.answer(query, results=results, graphs=graphs, **more) as running:
            return running, b"".join([chunk async for chunk in running])


def passed(part, query, *formats, **more):
    with Played(this=part) as endpoint:
        return asyncio.run(
            whole(RemoteStore(endpoint.url, limit_bytes=1 << 20), f"{query} # this", *formats, **more)
        )


BAD_XML = fixed(JSON, HEAD + b'{"x":{"type":"literal","value":"\\u0001"}}]}}')
NO_NAME = fixed(NTRIPLES.media_type, b"<urn:a> <https://example.org/p/1> <urn:b> .\n")


def test_what_xml_cannot_carry_is_refused_before_the_first_byte():
    with pytest.raises(QueryError, match="control character"):
        passed(BAD_XML, "SELECT ?x {}", XML_RESULTS)
    with pytest.raises(QueryError, match="no name for the predicate"):
        passed(NO_NAME, "CONSTRUCT {} {}", JSON_RESULTS, RDFXML)
    assert b"<urn:a>" in passed(NO_NAME, "CONSTRUCT {} {}", JSON_RESULTS, TURTLE)[1]


def test_a_body_whose_variables_come_last_is_held_up_to_the_limit_only():
    def backwards(count):
        return fixed(
            JSON, b'{"results":{"bindings":[' + b",".join([ROW] * count) + b']},"head":{"vars":["x"]}}'
        )

    assert passed(backwards(10), "SELECT ?x {}", CSV)[1].count(b"vvv") > 0
    with pytest.raises(QueryMemoryError):
        passed(backwards(20_000), "SELECT ?x {}", CSV)


def test_a_cap_of_the_endpoint_is_said():
    """Virtuoso says so in a header."""
    running, _ = passed(fixed(JSON, HEAD + ROW + b"]}}", X_SPARQL_MaxRows="1048576"), "SELECT ?x {}")

    assert (running.is_cut, running.cut_after) == (True, "1048576 rows")


def test_half_an_answer_is_none():
    with pytest.raises(EndpointError, match="half-way"):
        passed(fixed(JSON, HEAD + ROW + b"]}}", X_SQL_State="S1TAT"), "SELECT ?x {}")


def test_statements_of_unknown_length_could_be_cut_and_are_refused():
    def unending(reply):
        reply.begin(NTRIPLES.media_type, Connection="close")
        reply.wfile.write(TRIPLE % 1)

    with pytest.raises(EndpointError, match="how long"):
        passed(unending, "CONSTRUCT {} {}")


def test_names_of_anonymous_nodes_that_are_none_are_mended_in_their_place_only():
    node = b'{"x":{"type":"bnode","value":"nodeID://b1"}}'
    text = b'{"x":{"type":"literal","value":"\\"type\\":\\"bnode\\",\\"value\\":\\"nodeID://b1"}}'
    padded = b",".join([node, *[ROW] * 1500, text, node])
    _, body = passed(fixed(JSON, HEAD + padded + b"]}}"), "SELECT ?x {}")
    values = [row["x"]["value"] for row in json.loads(body)["results"]["bindings"]]

    assert len(values) == 1503
    assert values[0] == values[-1] != "nodeID://b1"
    assert values[-2] == '"type":"bnode","value":"nodeID://b1'


@pytest.mark.parametrize(("bindings", "verdict"), [(ROW.replace(b"v" * 100, b"1"), b"true"), (b"", b"false")])
def test_yes_and_no_are_understood_as_rows_too(bindings, verdict):
    """As Virtuoso says them."""
    running, body = passed(fixed(JSON, HEAD + bindings + b"]}}"), "ASK {}")

    assert running.form is Form.ASK
    assert verdict in body


def test_a_line_that_is_cut_ends_a_silent_request_at_once():
    reached = threading.Event()

    def mute(reply):
        reached.set()
        reply.connection.settimeout(LIMIT_SECONDS)
        assert reply.rfile.read(1) == b""

    line = Line()
    with Played(this=mute) as endpoint:
        threading.Thread(target=lambda: reached.wait(LIMIT_SECONDS) and line.cut()).start()
        began = time.monotonic()
        with pytest.raises(EndpointError):
            RemoteStore(endpoint.url).ask("ASK {} # this", line=line)

    assert time.monotonic() - began < 5


def test_a_silent_endpoint_is_left_when_the_time_is_over():
    with Played(this=lambda reply: reply.rfile.read(1)) as endpoint:
        began = time.monotonic()
        with pytest.raises(EndpointTimeoutError):
            asyncio.run(whole(RemoteStore(endpoint.url), "ASK {} # this", timeout_seconds=0.5))

    assert time.monotonic() - began < 5


def test_the_address_names_the_graphs_of_queries_that_name_none():
    def graphs_sent(query, **more):
        with Played() as endpoint:
            address = f"{endpoint.url}?default-graph-uri=urn%3Aall&key=1"
            with RemoteStore(address).ask(query, **more) as reply:
                reply.results()
        path, _, form = endpoint.asked[0]
        assert path == "/query?key=1"
        return form.get("default-graph-uri", [])

    assert graphs_sent("ASK {}") == ["urn:all"]
    assert graphs_sent("ASK FROM <urn:x> {}") == []
    assert graphs_sent("ASK {}", default_graphs=["urn:y"]) == ["urn:y"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * {}", (Form.SELECT, False)),
        ("# ask\nBASE <urn:select> PREFIX ask: <urn:a#select>\n describe ask:from", (Form.CONSTRUCT, False)),
        (
            'SELECT ?from { ?from ?x \'from\', """a "from" <b"""@en ; <from> ?y FILTER(?x < 2) }',
            (Form.SELECT, False),
        ),
        ("CONSTRUCT { ?s ?p ?o } from named <urn:g> WHERE { ?s ?p ?o }", (Form.CONSTRUCT, True)),
        ("ASK { GRAPH ?g { ?s ?p ?o } }", (Form.ASK, False)),
        ("ASK { ?graph ?p 'graph' . GRAPH # one\n <urn:g> { ?s ?p ?o } }", (Form.ASK, True)),
        ("PREFIX g: <urn:g> ASK { graph g: {} }", (Form.ASK, True)),
        (r"\u0041SK {}", (None, False)),
    ],
)
def test_form_and_graphs_show_without_reading_a_query_whole(query, expected):
    assert asked(query) == expected
