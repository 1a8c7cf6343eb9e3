"""The server as clients meet it: a process of its own, real sockets, real clients."""

import concurrent.futures
import io
import json
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlencode

import httpx
import pyoxigraph as ox
import pytest
from SPARQLWrapper import CSV, JSON, N3, POST, RDFXML, TURTLE, XML, SPARQLWrapper

SKOS = "PREFIX skos: <http://www.w3.org/2004/02/skos/core#> "
LABELS = SKOS + "SELECT ?s ?l { ?s skos:prefLabel ?l } ORDER BY ?s LIMIT 5"
CARTESIAN = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
FORM = "application/x-www-form-urlencoded"
LN2 = "https://w3id.org/cnrs-graph/id/cooperation/ln2"


# ---------------------------------------------------------------------------------------- the SPARQL door


def ask(client, query, accept="*/*", **more):
    return client.get("/sparql", params={"query": query, **more}, headers={"Accept": accept})


def test_the_three_ways_to_ask_give_one_answer(client):
    by_get = ask(client, LABELS)
    by_form = client.post("/sparql", data={"query": LABELS})
    direct = client.post("/sparql", content=LABELS, headers={"Content-Type": "application/sparql-query"})
    assert by_get.status_code == by_form.status_code == direct.status_code == 200
    assert by_get.content == by_form.content == direct.content
    assert len(by_get.json()["results"]["bindings"]) == 5


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/sparql-results+json"),
        ("application/sparql-results+json", "application/sparql-results+json"),
        ("application/json", "application/sparql-results+json"),
        ("application/sparql-results+xml", "application/sparql-results+xml"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/tab-separated-values", "text/tab-separated-values; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
    ],
)
def test_rows_come_in_the_format_asked_for(client, accept, media_type):
    answer = ask(client, LABELS, accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert "accept" in answer.headers["vary"].lower()
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/turtle", ox.RdfFormat.TURTLE),
        ("application/turtle", ox.RdfFormat.TURTLE),
        ("application/n-triples", ox.RdfFormat.N_TRIPLES),
        ("application/ld+json", ox.RdfFormat.JSON_LD),
        ("application/rdf+xml", ox.RdfFormat.RDF_XML),
    ],
)
@pytest.mark.parametrize("query", [f"DESCRIBE <{LN2}>", f"CONSTRUCT WHERE {{ <{LN2}> ?p ?o }}"])
def test_graphs_come_in_the_format_asked_for(client, accept, form, query):
    answer = ask(client, query, accept)
    assert answer.status_code == 200, answer.text
    triples = {(str(q.subject), str(q.predicate)) for q in ox.parse(input=answer.content, format=form)}
    assert (f"<{LN2}>", "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>") in triples


def test_rows_cannot_be_asked_for_as_turtle(client):
    refused = ask(client, LABELS, "text/turtle")
    assert refused.status_code == 406
    assert "text/csv" in refused.text


def test_yes_or_no_has_two_formats(client):
    assert ask(client, "ASK {}").json()["boolean"] is True
    assert "<boolean>true</boolean>" in ask(client, "ASK {}", "application/sparql-results+xml").text
    assert ask(client, "ASK {}", "text/csv").status_code == 406


def test_a_term_comes_back_as_it_is_in_every_format(client):
    terms = '"a\\"b,\\t;\\u00e9"@fr-be "1"^^<http://www.w3.org/2001/XMLSchema#integer> <https://example.org/a%20b?x=1&y=2>'
    query = f"SELECT ?x {{ VALUES ?x {{ {terms} }} }}"
    for accept, form in (
        ("application/sparql-results+json", ox.QueryResultsFormat.JSON),
        ("application/sparql-results+xml", ox.QueryResultsFormat.XML),
        ("text/tab-separated-values", ox.QueryResultsFormat.TSV),
    ):
        rows = list(ox.parse_query_results(ask(client, query, accept).content, format=form))
        assert [row[0] for row in rows] == [
            ox.Literal('a"b,\t;é', language="fr-be"),
            ox.Literal("1", datatype=ox.NamedNode("http://www.w3.org/2001/XMLSchema#integer")),
            ox.NamedNode("https://example.org/a%20b?x=1&y=2"),
        ]


@pytest.mark.parametrize(
    ("query", "line", "column", "said"),
    [
        ("SELECT * {\n  ?s ?p\n}", 3, 1, ""),
        ("SELECT * { ?s dct:title ?o }", 1, 15, "the prefix dct: is not declared"),
        ("SELECT * WHERE { ?s ?p ?o", 1, 26, ""),
        ("", None, None, "empty"),
        ("hello", 1, 1, ""),
    ],
)
def test_a_broken_query_is_answered_with_its_place(client, query, line, column, said):
    refused = ask(client, query, "application/json")
    problem = refused.json()
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert (problem.get("line"), problem.get("column")) == (line, column)
    assert said in problem["detail"]
    if line:
        assert "^" in ask(client, query, "text/plain").text


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { \\u0053ERVICE SILENT <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { ?s ?p ?o OPTIONAL { FILTER EXISTS { SERVICE ?x { ?s ?p ?o } } } }",
        "SELECT * FROM <http://127.0.0.1:9/x> { ?s ?p ?o }",
        "SELECT * FROM NAMED <file:///etc/passwd> { ?s ?p ?o }",
        "INSERT DATA { <urn:a> <urn:b> <urn:c> }",
        "LOAD <http://127.0.0.1:9/x>",
        "PREFIX x: <urn:x> DROP ALL",
        "DELETE WHERE { ?s ?p ?o }",
    ],
)
def test_what_would_leave_the_process_or_change_it_is_refused(client, query):
    assert ask(client, query).status_code == 403
    assert client.post("/sparql", data={"query": query}).status_code == 403


def test_the_word_service_in_a_string_or_iri_is_no_service(client):
    query = (
        'SELECT ("SERVICE <http://x/>" AS ?x) { OPTIONAL { <urn:SERVICE> ?SERVICE "LOAD" } } # SERVICE <x> {}'
    )
    assert ask(client, query).status_code == 200


def test_updates_are_refused_by_their_form_too(client):
    assert client.post("/sparql", data={"update": "DROP ALL"}).status_code == 403
    update = {"Content-Type": "application/sparql-update"}
    assert client.post("/sparql", content="DROP ALL", headers=update).status_code == 403


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        ("ASK {}", "text/plain", 415),
        ("ASK {}", "", 415),
        ("query=ASK+%7B%7D&query=ASK+%7B%7D", FORM, 400),
        ("query=", FORM, 400),
        ("query=%FF", FORM, 400),
        ("x" * ((1 << 20) + 1), "application/sparql-query", 413),
    ],
)
def test_bodies_that_are_no_query_are_refused(client, content, content_type, status):
    refused = client.post("/sparql", content=content, headers={"Content-Type": content_type})
    assert refused.status_code == status
    assert refused.text
    assert refused.headers["access-control-allow-origin"] == "*"


def test_a_body_without_end_is_cut_off(server):
    """No length is declared, so only counting can stop it."""

    def endless():
        for _ in range(300):
            yield b"x" * (1 << 14)

    answer = httpx.post(
        f"{server.url}/sparql", content=endless(), headers={"Content-Type": "application/sparql-query"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND", "TRACE"])
def test_other_methods_are_refused_with_what_is_offered(client, method):
    refused = client.request(method, "/sparql")
    assert refused.status_code == 405
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "POST" in refused.headers["allow"]
    assert "POST" not in client.request(method, "/").headers["allow"]


def test_the_dataset_of_the_protocol_overrides_that_of_the_query(client):
    count = "SELECT (COUNT(*) AS ?n) {s} {{ ?s ?p ?o }}"
    graph = "https://w3id.org/cnrs-graph/graph/counts/founding-text"
    other = "https://w3id.org/cnrs-graph/graph/reference/countries"

    def number(query, **dataset):
        return int(ask(client, query, **dataset).json()["results"]["bindings"][0]["n"]["value"])

    everything = number(count.format(s=""))
    of_graph = number(count.format(s=f"FROM <{graph}>"))
    assert 0 < of_graph < everything
    assert number(count.format(s=""), **{"default-graph-uri": graph}) == of_graph
    assert number(count.format(s=f"FROM <{other}>"), **{"default-graph-uri": graph}) == of_graph
    both = number(count.format(s=""), **{"default-graph-uri": [graph, other]})
    assert both > of_graph
    named = "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }"
    assert number(named, **{"named-graph-uri": graph}) == of_graph
    assert ask(client, "ASK {}", **{"default-graph-uri": "http://127.0.0.1:9/x"}).status_code == 403


def test_claims_stay_out_of_simple_answers_but_can_be_named(client):
    term = "?t <https://w3id.org/cnrs-graph/ontology#durationYears> ?y"
    cpb = "FILTER(CONTAINS(STR(?t), '/cpb/'))"
    simple = ask(client, f"SELECT DISTINCT ?y {{ {term} {cpb} }}").json()["results"]["bindings"]
    claimed = ask(client, f"SELECT DISTINCT ?y {{ GRAPH ?g {{ {term} {cpb} }} }}").json()["results"][
        "bindings"
    ]
    assert len(simple) == 1
    assert {row["y"]["value"] for row in claimed} == {"4", "5"}


def test_simple_questions_stay_simple(client):
    base = "https://w3id.org/cnrs-graph/"
    prefixes = f"PREFIX : <{base}ontology#> PREFIX ctry: <{base}id/country/> "
    labs = ask(client, prefixes + "SELECT ?lab WHERE { ?lab a :Laboratory ; :inCountry ctry:can }").json()
    names = {row["lab"]["value"].rpartition("/")[2] for row in labs["results"]["bindings"]}
    assert names == {"crm-cnrs", "ln2", "pims-cnrs", "takuvik"}
    usa = ask(client, prefixes + "SELECT ?c { ?c :partnerCountry ctry:usa }").json()["results"]["bindings"]
    assert len(usa) == 8, "seven laboratories and one project"


# ------------------------------------------------------------------------------- queries that go astray


def test_a_query_past_its_time_costs_only_itself(client, server):
    """Four free patterns: 504, and everybody else is answered meanwhile."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        started = time.monotonic()
        slow = threads.submit(ask, client, CARTESIAN)
        time.sleep(0.3)
        waits = []
        while not slow.done():
            before = time.monotonic()
            assert ask(client, "ASK {}").json()["boolean"] is True
            assert client.get("/health").status_code == 200
            waits.append(time.monotonic() - before)
        answer = slow.result()
    assert answer.status_code == 504
    assert "stopped after 2 seconds" in answer.text
    assert time.monotonic() - started < 6
    waits.sort()
    assert waits[len(waits) // 2] < 0.1, waits
    assert ask(client, "ASK {}").status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("SELECT ?o { { BIND(1 AS ?o) } UNION { ?s ?p ?o } } ORDER BY ?o", (200,)),
        ("SELECT (" + "IF(true," * 3000 + "1" + ",2)" * 3000 + " AS ?x) {}", (400,)),
        ("SELECT * " + "{" * 5000 + "}" * 5000, (400,)),
        ("SELECT (GROUP_CONCAT(CONCAT(STR(?c), STR(?f))) AS ?x) { ?a ?b ?c . ?d ?e ?f }", (504,)),
    ],
)
def test_a_query_that_would_end_a_process_ends_only_its_own(client, query, status):
    assert client.post("/sparql", data={"query": query}).status_code in status
    assert ask(client, "ASK {}").json()["boolean"] is True


def test_a_caller_who_leaves_frees_the_worker(server, client):
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as gone:
            path = f"/sparql?{urlencode({'query': CARTESIAN})}"
            gone.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.05)
    before = time.monotonic()
    assert ask(client, "ASK {}").status_code == 200
    assert time.monotonic() - before < 1.5


def test_many_at_once_are_all_answered(client):
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: ask(client, LABELS).status_code, range(100)))
    assert answers == [200] * 100


def test_nothing_is_fetched_while_serving(server):
    """A trap that counts visits: no address in a query, a header or a body is visited."""
    visits = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self):
            visits.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    trap = HTTPServer(("127.0.0.1", 0), Trap)
    thread = threading.Thread(target=trap.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{trap.server_port}/x"
        with httpx.Client(base_url=server.url, timeout=10) as client:
            for query in (
                f"SELECT * FROM <{address}> {{ ?s ?p ?o }}",
                f"SELECT * {{ SERVICE <{address}> {{ ?s ?p ?o }} }}",
                f"LOAD <{address}>",
                f"DESCRIBE <{address}>",
                f"SELECT * {{ GRAPH <{address}> {{ ?s ?p ?o }} }}",
            ):
                ask(client, query)
                ask(client, "ASK {}", **{"default-graph-uri": address})
            client.get(
                "/",
                headers={
                    "Host": address.removeprefix("http://"),
                    "Referer": address,
                    "X-Forwarded-Host": address,
                },
            )
            client.get(f"/id/{address}")
    finally:
        trap.shutdown()
        thread.join(5)
        trap.server_close()
    assert visits == []


# -------------------------------------------------------------------------------------------- real clients


@pytest.mark.parametrize("method", ["GET", POST])
@pytest.mark.parametrize("wanted", [JSON, XML, CSV])
def test_sparqlwrapper_asks_for_rows(server, method, wanted):
    wrapper = SPARQLWrapper(f"{server.url}/sparql")
    wrapper.setMethod(method)
    wrapper.setQuery(LABELS)
    wrapper.setReturnFormat(wanted)
    answer = wrapper.query().convert()
    if wanted == JSON:
        assert len(answer["results"]["bindings"]) == 5
    elif wanted == CSV:
        assert len(answer.decode().splitlines()) == 6
    else:
        assert len(answer.getElementsByTagName("result")) == 5


@pytest.mark.parametrize("wanted", [TURTLE, N3, RDFXML])
def test_sparqlwrapper_asks_for_graphs(server, wanted):
    wrapper = SPARQLWrapper(f"{server.url}/sparql")
    wrapper.setQuery(f"DESCRIBE <{LN2}>")
    wrapper.setReturnFormat(wanted)
    answer = wrapper.query().convert()
    assert b"ln2" in (answer if isinstance(answer, bytes) else answer.serialize(format="nt").encode())


def test_sparqlwrapper_tells_a_bad_query_from_a_bad_endpoint(server):
    from SPARQLWrapper.SPARQLExceptions import QueryBadFormed

    wrapper = SPARQLWrapper(f"{server.url}/sparql")
    wrapper.setQuery("SELECT * {")
    with pytest.raises(QueryBadFormed):
        wrapper.query()


def test_curl_follows_a_thing_to_its_turtle(server):
    done = subprocess.run(
        ["curl", "-sSL", "-H", "Accept: text/turtle", f"{server.url}/id/cooperation/ln2"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    triples = list(ox.parse(input=done.stdout, format=ox.RdfFormat.TURTLE))
    assert any(triple.subject.value == LN2 for triple in triples)


def test_the_service_describes_itself(client):
    said = client.get("/sparql", headers={"Accept": "text/turtle"})
    sd = "http://www.w3.org/ns/sparql-service-description#"
    triples = list(ox.parse(input=said.content, format=ox.RdfFormat.TURTLE))
    predicates = {triple.predicate.value for triple in triples}
    assert {f"{sd}endpoint", f"{sd}supportedLanguage", f"{sd}resultFormat"} <= predicates
    form = client.get("/sparql", headers={"Accept": "text/html"})
    assert "<textarea" in form.text


def test_a_query_can_be_asked_by_the_form_of_the_page(client):
    page = ask(client, LABELS, "text/html")
    assert page.status_code == 200
    assert "<table" in page.text
    assert "SELECT ?s ?l" in page.text


# ------------------------------------------------------------------------------------------------- addresses


def raw(server, *requests):
    """Send requests on one connection and read all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall("".join(f"{each} HTTP/1.1\r\nHost: x\r\n\r\n" for each in requests[:-1]).encode())
        connection.sendall(f"{requests[-1]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = io.BytesIO()
        while chunk := connection.recv(1 << 16):
            received.write(chunk)
    return received.getvalue()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/doc/cooperation/ln2",
        "/data/cooperation/ln2.ttl",
        "/id/cooperation/none",
        "/sparql?query=ASK%7B%7D",
        "/health",
    ],
)
def test_head_is_get_without_a_body_and_the_connection_lives_on(server, client, path):
    got = client.get(path)
    head = client.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "vary", "link"):
        # RFC 9110, section 9.3.2: a length that is known only when the body is made may be left out.
        if name != "content-length" or name in head.headers:
            assert head.headers.get(name) == got.headers.get(name)
    both = raw(server, f"HEAD {path}", "GET /health")
    assert both.count(b"HTTP/1.1 ") == 2
    assert both.rstrip().endswith(b"}")


def test_a_thing_leads_to_its_document_and_back(client):
    for accept, path in (
        ("text/html", "/doc/cooperation/ln2"),
        ("text/turtle", "/data/cooperation/ln2.ttl"),
        ("application/ld+json", "/data/cooperation/ln2.jsonld"),
    ):
        seen = client.get("/id/cooperation/ln2", headers={"Accept": accept})
        assert seen.status_code == 303
        assert httpx.URL(seen.headers["location"]).path == path
        document = client.get(path, headers={"Accept": accept})
        assert document.status_code == 200
        again = client.get(path, headers={"Accept": accept, "If-None-Match": document.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == document.headers["etag"]


def test_unknown_things_and_formats_are_refused_with_words(client):
    unknown = client.get("/id/cooperation/ln3")
    assert unknown.status_code == 404
    assert "ln2" in unknown.text
    impossible = client.get("/id/cooperation/ln2", headers={"Accept": "image/png"})
    assert impossible.status_code == 406
    assert "text/turtle" in impossible.text
    for refused in (unknown, impossible):
        assert refused.headers["access-control-allow-origin"] == "*"
        assert "accept" in refused.headers["vary"].lower()


def test_a_spoofed_host_changes_nothing(client):
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for path in (
        "/",
        "/id/cooperation/ln2",
        "/doc/cooperation/ln2",
        "/data/cooperation/ln2.ttl",
        "/sparql",
        "/dataset",
    ):
        answer = client.get(path, headers={**spoofed, "Accept": "*/*"})
        assert b"evil.example" not in answer.content
        assert "evil.example" not in str(answer.headers)


def test_a_preflight_is_answered(client):
    answer = client.options(
        "/sparql", headers={"Origin": "https://yasgui.example", "Access-Control-Request-Method": "POST"}
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_the_server_says_how_it_is(client):
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["limits"]["query_seconds"] == 2
    assert client.get("/ready").json() == {"status": "ready"}


def test_another_spelling_of_the_endpoint_leads_to_it_with_its_query(client):
    moved = client.get("/sparql/?query=ASK%20%7B%7D", follow_redirects=False)
    assert moved.status_code == 308
    assert moved.headers["location"] == "/sparql?query=ASK%20%7B%7D"
    assert client.get("/Health/", follow_redirects=False).headers["location"] == "/health"


def test_openapi_lists_the_endpoint(client):
    answer = client.get("/openapi.json")
    assert answer.headers["access-control-allow-origin"] == "*"
    document = answer.json()
    assert {"get", "post"} <= set(document["paths"]["/sparql"])
    assert json.dumps(document)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/data/../pyproject.toml",
        "/static/..%2f..%2fpyproject.toml",
        "/id/%00/x",
        "/" + "a" * 9000,
        "/%ff%fe",
    ],
)
def test_strange_paths_are_just_not_found(client, path):
    answer = client.get(httpx.URL(client.base_url, raw_path=path.encode()))
    assert answer.status_code in (400, 404)
    assert b"hatchling" not in answer.content


def test_hundreds_of_half_open_requests_leave_room_for_others(server, client):
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(200)]
    try:
        for connection in idle:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert client.get("/health").status_code == 200
        assert ask(client, "ASK {}").status_code == 200
    finally:
        for connection in idle:
            connection.close()
