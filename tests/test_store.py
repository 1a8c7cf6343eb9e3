import contextlib
import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib
from rdflib.compare import isomorphic

from cnrs_graph.endpoint import RemoteStore
from cnrs_graph.errors import EndpointError, QueryError
from cnrs_graph.store import Answer, Form, LocalStore

GRAPH = ox.NamedNode("https://example.org/graph/a")
OTHER = ox.NamedNode("https://example.org/graph/b")
XSD = "http://www.w3.org/2001/XMLSchema#"
LIMIT_SECONDS = 20

# Lexical forms that a store keeps; it rewrites others, which is why documents are not made from it.
VALUES = [
    ox.NamedNode("https://example.org/é?a=b&c=%3Cd%3E"),
    ox.NamedNode("urn:x"),
    ox.Literal("plain"),
    ox.Literal(""),
    ox.Literal("été", language="fr"),
    ox.Literal("colour", language="en-gb"),
    ox.Literal("7", datatype=ox.NamedNode(f"{XSD}integer")),
    ox.Literal("1.5", datatype=ox.NamedNode(f"{XSD}decimal")),
    ox.Literal("true", datatype=ox.NamedNode(f"{XSD}boolean")),
    ox.Literal("2020", datatype=ox.NamedNode(f"{XSD}gYear")),
    ox.Literal("2020-02-29", datatype=ox.NamedNode(f"{XSD}date")),
    ox.Literal("x", datatype=ox.NamedNode("https://example.org/type")),
    ox.Literal("not a number", datatype=ox.NamedNode(f"{XSD}integer")),
    ox.Literal("<&>\"' \\ \t \n \r\n \r \b \f"),
    ox.Literal("\x01\x7f￾"),
    ox.Literal("  spaces  "),
    ox.Literal("\U0001f9ea 中文 ‏עברית é"),
]


def quads():
    for number, value in enumerate(VALUES):
        yield ox.Quad(
            ox.NamedNode(f"https://example.org/{number:02}"),
            ox.NamedNode("https://example.org/p"),
            value,
            GRAPH,
        )


@contextlib.contextmanager
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield port


@contextlib.contextmanager
def oxigraph_server(content, *options):
    """The real server, started for the test and stopped by its own process."""
    program = Path(sys.executable).with_name("oxigraph")
    with free_port() as port:
        process = subprocess.Popen(
            [program, "serve", "--bind", f"127.0.0.1:{port}", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + LIMIT_SECONDS
            while True:
                try:
                    request = urllib.request.Request(
                        f"http://127.0.0.1:{port}/store",
                        data=content,
                        headers={"Content-Type": "application/n-quads"},
                        method="POST",
                    )
                    with urllib.request.urlopen(request, timeout=5):
                        break
                except OSError:
                    assert process.poll() is None, "the server did not start"
                    assert time.monotonic() < deadline, "the server did not answer"
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/query"
        finally:
            process.terminate()
            process.wait(LIMIT_SECONDS)


@contextlib.contextmanager
def a_server_that(behave):
    """A server of one behaviour: a function that gets the request handler."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            with contextlib.suppress(OSError):
                behave(self)
            self.close_connection = True

        def log_message(self, *args):
            pass

    with a_server(Handler) as endpoint:
        yield endpoint


@contextlib.contextmanager
def a_server(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/sparql"
        finally:
            server.shutdown()
            thread.join()


def replies(status, media_type, body, *, length=None):
    def behave(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", media_type)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


@pytest.fixture(scope="module")
def remote():
    with oxigraph_server(
        ox.serialize(quads(), format=ox.RdfFormat.N_QUADS), "--union-default-graph"
    ) as endpoint:
        yield RemoteStore(endpoint, timeout_seconds=LIMIT_SECONDS)


@pytest.fixture
def local():
    return LocalStore.of(quads(), default=[GRAPH.value])


@pytest.fixture(params=["local", "remote"])
def store(request):
    return request.getfixturevalue(request.param)


def test_every_kind_of_term_comes_back_in_rows_as_it_is(store):
    rows = store.query("SELECT ?o { ?s ?p ?o } ORDER BY ?s").rows()

    assert [row["o"] for row in rows] == VALUES


def test_every_kind_of_term_comes_back_in_graphs_as_it_is(store):
    answer = store.query("CONSTRUCT WHERE { ?s ?p ?o }")
    expected = rdflib.Graph()
    for quad in quads():
        expected.parse(data=f"{quad.subject} {quad.predicate} {quad.object} .", format="nt")

    assert answer.form is Form.CONSTRUCT
    assert len(answer.graph()) == len(VALUES)
    assert {triple.object for triple in ox.parse(input=answer.body, format=ox.RdfFormat.N_TRIPLES)} == set(
        VALUES
    )
    assert isomorphic(answer.graph(), expected)


@pytest.mark.parametrize(
    "text", ["SELECT ?s ?o { ?s ?p ?o }", "SELECT ?nothing {}", "SELECT ?s { ?s <a:b> ?o }"]
)
def test_the_two_stores_agree_on_rows(local, remote, text):
    here, there = local.query(text), remote.query(text)

    assert here.form is there.form is Form.SELECT
    assert here.variables() == there.variables()
    assert sorted(map(str, here.rows())) == sorted(map(str, there.rows()))


@pytest.mark.parametrize(("pattern", "verdict"), [("?s ?p 7", True), ("?s ?p 8", False)])
def test_an_ask_is_answered_yes_or_no(store, pattern, verdict):
    answer = store.query(f"ASK {{ {pattern} }}")

    assert answer.form is Form.ASK
    assert answer.verdict() is verdict


def test_a_describe_answer_is_a_construct_answer(store):
    answer = store.query("DESCRIBE <https://example.org/06>")

    assert answer == Answer(
        Form.CONSTRUCT, f'<https://example.org/06> <https://example.org/p> "7"^^<{XSD}integer> .\n'.encode()
    )


def test_an_unbound_variable_is_absent_from_its_row(store):
    rows = store.query("SELECT ?a ?b { VALUES (?a ?b) { (1 UNDEF) (2 3) } } ORDER BY ?a").rows()

    assert [sorted(row) for row in rows] == [["a"], ["a", "b"]]


def test_words_of_updates_in_a_query_do_not_make_it_one(store):
    text = "PREFIX insert: <a:> SELECT ('DELETE' AS ?x) { # INSERT DATA\n }"

    assert store.query(text).rows() == [{"x": ox.Literal("DELETE")}]


def test_an_answer_is_read_only_as_what_it_is():
    with pytest.raises(TypeError, match="ASK, not a SELECT"):
        Answer(Form.ASK, b"").rows()
    with pytest.raises(TypeError, match="SELECT, not a CONSTRUCT"):
        Answer(Form.SELECT, b"").graph()


def test_an_empty_graph_is_an_answer(store):
    answer = store.query("CONSTRUCT WHERE { ?s <a:b> ?o }")

    assert answer == Answer(Form.CONSTRUCT, b"")
    assert len(answer.graph()) == 0


def test_the_default_graph_is_merged_and_from_replaces_it():
    subject, predicate = ox.NamedNode("a:s"), ox.NamedNode("a:p")
    claims = ox.NamedNode("a:claims")
    said = [
        ox.Quad(subject, predicate, ox.Literal("both"), GRAPH),
        ox.Quad(subject, predicate, ox.Literal("both"), OTHER),
        ox.Quad(subject, predicate, ox.Literal("claim"), claims),
    ]
    store = LocalStore.of(said[:1], said[1:], default=[GRAPH.value, OTHER.value])

    def values(text):
        return sorted(row["o"].value for row in store.query(text).rows())

    assert values("SELECT ?o { ?s ?p ?o }") == ["both"]
    assert values("SELECT ?o FROM <a:claims> { ?s ?p ?o }") == ["claim"]
    assert values("SELECT ?o FROM NAMED <a:claims> { ?s ?p ?o }") == []
    assert values("SELECT ?o { GRAPH ?g { ?s ?p ?o } }") == ["both", "both", "claim"]


def test_an_unreadable_query_is_refused_with_its_line(local):
    with pytest.raises(QueryError) as caught:
        local.query("SELECT ?s\n}")

    assert caught.value.line == 2


def test_a_query_the_endpoint_cannot_read_is_an_error_with_its_words(remote):
    with pytest.raises(EndpointError, match=r"refused the query with 400: .*expected"):
        remote.query("SELECT ?s WHRE { ?s ?p ?o }")


def test_an_update_is_refused_by_the_endpoint_and_changes_nothing(remote):
    with pytest.raises(EndpointError, match="refused the query with 400"):
        remote.query("INSERT DATA { <a:b> <a:c> <a:d> }")

    assert not remote.query("ASK { <a:b> ?p ?o }").verdict()


def test_whatever_the_words_a_query_is_sent_as_one():
    received = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            replies(200, "application/sparql-results+json", b'{"head":{},"boolean":true}')(self)

        def log_message(self, *args):
            pass

    with a_server(Recorder) as endpoint:
        RemoteStore(endpoint).query("INSERT DATA { <a:b> <a:c> <a:d> }")

    ((headers, body),) = received
    assert b"query=INSERT" in body
    assert b"update=" not in body
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Accept"] == "application/sparql-results+json, application/n-triples"


def test_an_endpoint_that_is_not_there_is_an_error():
    with free_port() as port, pytest.raises(EndpointError, match="cannot be reached"):
        RemoteStore(f"http://127.0.0.1:{port}/").query("ASK {}")


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "ftp://example.org/", "example.org/sparql", "http:///x"]
)
def test_only_the_web_has_endpoints(address):
    with pytest.raises(EndpointError, match="starts with http"):
        RemoteStore(address)


@pytest.mark.parametrize("status", [401, 403, 404, 414, 500, 502, 503])
def test_a_refusal_says_its_status_and_what_the_endpoint_said(status):
    with (
        a_server_that(replies(status, "text/plain", "fermé\n  aujourd'hui".encode())) as endpoint,
        pytest.raises(EndpointError) as caught,
    ):
        RemoteStore(endpoint).query("ASK {}")

    assert caught.value.endpoint == endpoint
    assert caught.value.reason == f"refused the query with {status}: fermé aujourd'hui"


def test_a_page_instead_of_an_answer_is_an_error():
    with (
        a_server_that(replies(200, "text/html; charset=utf-8", b"<p>Welcome</p>")) as endpoint,
        pytest.raises(EndpointError, match=r"answered with text/html.*Welcome"),
    ):
        RemoteStore(endpoint).query("ASK {}")


RESULTS = b'{"head":{"vars":["x"]},"results":{"bindings":[{"x":{"type":"literal","value":"1"}}]}}'


@pytest.mark.parametrize("cut", [1, 2, 20, 60])
def test_results_that_are_cut_are_an_error_even_when_the_length_fits(cut):
    with (
        a_server_that(replies(200, "application/sparql-results+json", RESULTS[:-cut])) as endpoint,
        pytest.raises(EndpointError, match="the answer is cut"),
    ):
        RemoteStore(endpoint).query("SELECT ?x {}")


def test_statements_that_are_cut_are_an_error_even_between_two_lines():
    line = b"<a:b> <a:c> <a:d> .\n"
    with (
        a_server_that(replies(200, "application/n-triples", line, length=2 * len(line))) as endpoint,
        pytest.raises(EndpointError, match="the answer is cut"),
    ):
        RemoteStore(endpoint).query("CONSTRUCT {} {}")


def test_an_error_text_inside_the_results_is_an_error():
    body = RESULTS[:-3] + b"ERROR: time is up"
    with (
        a_server_that(replies(200, "application/sparql-results+json", body)) as endpoint,
        pytest.raises(EndpointError, match="the answer is cut"),
    ):
        RemoteStore(endpoint).query("SELECT ?x {}")


def test_a_silent_endpoint_is_given_up():
    over = threading.Event()
    with a_server_that(lambda _: over.wait(LIMIT_SECONDS)) as endpoint:
        started = time.monotonic()
        with pytest.raises(EndpointError, match="took longer than 1 seconds"):
            RemoteStore(endpoint, timeout_seconds=1).query("ASK {}")
        taken = time.monotonic() - started
        over.set()

    assert 0.9 < taken < 2.5


def test_an_endpoint_that_trickles_is_given_up():
    over = threading.Event()

    def trickle(handler):
        replies(200, "application/n-triples", b"", length=10_000)(handler)
        for _ in range(100):
            if over.wait(0.05):
                return
            handler.wfile.write(b"#")

    with a_server_that(trickle) as endpoint:
        started = time.monotonic()
        with pytest.raises(EndpointError, match="took longer than 1 seconds"):
            RemoteStore(endpoint, timeout_seconds=1).query("CONSTRUCT {} {}")
        taken = time.monotonic() - started
        over.set()

    assert 0.9 < taken < 2.5


def test_a_server_that_hangs_up_is_an_error():
    with (
        a_server_that(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)) as endpoint,
        pytest.raises(EndpointError, match="cut"),
    ):
        RemoteStore(endpoint).query("ASK {}")


def test_the_cut_body_of_a_server_whose_time_ran_out_is_an_error():
    lines = "".join(f'<a:{number}> <a:p> "{number}" .\n' for number in range(600)).encode()
    with oxigraph_server(lines, "--timeout-s", "1") as endpoint, pytest.raises(EndpointError):
        RemoteStore(endpoint, timeout_seconds=LIMIT_SECONDS).query(
            "SELECT * { ?a ?p ?b . ?c ?q ?d . ?e ?r ?f FILTER(?b = 'x' || STRLEN(?f) < 2) }"
        )
