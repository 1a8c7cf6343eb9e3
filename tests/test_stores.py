"""The same site over three stores: in memory, on disk, and at an endpoint elsewhere.

The endpoint is an oxigraph server, and where it is installed Virtuoso 7 too. What a store does not do stands
with its reason in tests/conformance/excused.toml.
"""

import base64
import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.parse
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import Server
from virtuoso import INSTALLED, Virtuoso

from cnrs_graph import census, cli, disk
from cnrs_graph import publication as publications
from cnrs_graph.descriptions import describe
from cnrs_graph.endpoint import Credentials, RemoteStore
from cnrs_graph.errors import (
    ConfigError,
    EndpointBusyError,
    EndpointError,
    EndpointTimeoutError,
    QueryMemoryError,
    SourceError,
)
from cnrs_graph.inventory import census_of
from cnrs_graph.lookup import NODE_LIMIT, Fetched, Kept, Shelves, index_over
from cnrs_graph.progress import line
from cnrs_graph.remote import _Fresh
from cnrs_graph.site import reply, site_of
from cnrs_graph.sitemap import Sitemaps
from cnrs_graph.store import LocalStore
from cnrs_graph.terms import expand

KINDS = ("memory", "disk", "remote", "virtuoso")
EXCUSES = tomllib.loads((Path(__file__).parent / "conformance/excused.toml").read_text(encoding="utf-8"))
EXCUSED = {each["case"]: each["reason"] for each in EXCUSES["excused"] if each["suite"] == "virtuoso"}
LIMIT_SECONDS = 30
PAGE = {"Accept": "text/html"}


class Endpoint:
    """The real oxigraph server, which can be stopped and started again at its port."""

    def __init__(self, publication):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.nquads = publication.nquads()
        self.default_graphs = publication.default_graphs()
        self.url = f"http://127.0.0.1:{self.port}/query"
        self.process = None

    def start(self):
        program = Path(sys.executable).with_name("oxigraph")
        self.process = subprocess.Popen(
            [program, "serve", "--bind", f"127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            assert time.monotonic() < deadline, "the endpoint did not start"
            with contextlib.suppress(httpx.TransportError):
                sent = httpx.post(
                    f"http://127.0.0.1:{self.port}/store",
                    content=self.nquads,
                    headers={"Content-Type": "application/n-quads"},
                    timeout=LIMIT_SECONDS,
                )
                assert sent.is_success, sent.text
                break
            time.sleep(0.05)

        merge = " ;\n".join(f"ADD SILENT <{graph}> TO DEFAULT" for graph in self.default_graphs)
        merged = httpx.post(
            f"http://127.0.0.1:{self.port}/update", data={"update": merge}, timeout=LIMIT_SECONDS
        )
        assert merged.is_success, merged.text

    def stop(self):
        self.process.terminate()
        self.process.wait(LIMIT_SECONDS)


@pytest.fixture(scope="module")
def folder(config, tmp_path_factory):
    """The shipped data as a store on disk."""
    place = tmp_path_factory.mktemp("stores") / "shipped"
    publications.load_into(config, place, dumping=True)
    return place


@pytest.fixture(scope="module")
def endpoint(publication):
    """The shipped data at an endpoint, loaded through its Graph Store Protocol."""
    started = Endpoint(publication)
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def sites(folder, endpoint, publication, tmp_path_factory):
    """A client of each site, all of the same data."""
    with contextlib.ExitStack() as running:
        # Before the servers, which run from here on: what fails here leaves nothing behind.
        virtuoso = None
        if INSTALLED:
            virtuoso = running.enter_context(Virtuoso(publication, tmp_path_factory.mktemp("virtuoso")))
        servers = {
            "memory": Server("--no-validate"),
            "disk": Server("--store", folder),
            "remote": Server("--store", endpoint.url, query_seconds=10),
        }
        if virtuoso is not None:
            servers["virtuoso"] = Server("--store", virtuoso.url, query_seconds=10)
        yield {
            kind: running.enter_context(
                httpx.Client(base_url=running.enter_context(server).url, timeout=LIMIT_SECONDS)
            )
            for kind, server in servers.items()
        }


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param == "virtuoso" and not INSTALLED:
        pytest.skip("virtuoso-t is not installed: apt-get install virtuoso-opensource-7-bin")
    case = request.node.name.replace("virtuoso-", "").replace("[virtuoso]", "")
    if request.param == "virtuoso" and case in EXCUSED:
        request.applymarker(pytest.mark.xfail(reason=EXCUSED[case], strict=True))
    return request.param


@pytest.fixture
def site(sites, kind):
    return sites[kind]


def agree(found, case):
    """Every store gives what memory gives, but for what is excused, which then has to differ."""
    assert len(found) >= 3
    for kind, value in found.items():
        if kind == "virtuoso" and case in EXCUSED:
            assert value != found["memory"], f"{case}: no excuse is needed any more"
        else:
            assert value == found["memory"], (kind, case)


def normal(turtle):
    """Statements with the lexical forms that a store gives them."""
    store = ox.Store()
    store.load(turtle, format=ox.RdfFormat.TURTLE)
    return {str(quad.triple) for quad in store}


def alike(row):
    """A row with each value written in one way: a store keeps values, not spellings."""
    turtle = "".join(f"<urn:row> <urn:{name}> {written(term)} .\n" for name, term in sorted(row.items()))
    return sorted(normal(turtle))


def written(term):
    """A term of results JSON in Turtle; the datatypes that only bound a whole number are left out."""
    if term["type"] == "uri":
        return str(ox.NamedNode(term["value"]))
    if term["type"] == "bnode":
        return "<urn:anonymous>"
    datatype = term.get("datatype")
    if datatype and datatype.endswith("#nonNegativeInteger"):
        datatype = datatype.replace("nonNegativeI", "i")
    if "xml:lang" in term:
        return str(ox.Literal(term["value"], language=term["xml:lang"]))
    return str(ox.Literal(term["value"], datatype=ox.NamedNode(datatype) if datatype else None))


def answered(client, query):
    """The rows of an answer in an order of their own; the status where there are none."""
    answer = client.get(
        "/sparql", params={"query": query}, headers={"Accept": "application/sparql-results+json"}
    )
    if answer.status_code != 200:
        return answer.status_code
    return sorted(map(alike, answer.json()["results"]["bindings"]))


def rows(client, query):
    answer = client.get(
        "/sparql", params={"query": query}, headers={"Accept": "application/sparql-results+json"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]["bindings"]


def test_what_is_excused_of_virtuoso_exists_and_has_a_reason(publication):
    assert EXCUSED
    for case, reason in EXCUSED.items():
        assert case == "the sizes of the graphs" or case.removesuffix(".csv") in publication.catalogue, case
        assert len(reason) > 40, case


def test_a_thing_has_its_page(site):
    page = site.get("/doc/cooperation/ln2", headers=PAGE)

    assert page.status_code == 200
    assert "Laboratoire Nanotechnologies" in page.text or "LN2" in page.text
    assert "Sherbrooke" in page.text


def test_every_store_says_the_same_of_a_thing(sites):
    for thing in ("cooperation/ln2", "country/can", "institution/cnrs", "question/gdri-count"):
        said = {kind: client.get(f"/data/{thing}.ttl") for kind, client in sites.items()}
        if said["memory"].status_code == 404:
            assert {answer.status_code for answer in said.values()} == {404}
            continue
        found = {kind: normal(answer.content) for kind, answer in said.items()}
        assert len(found["memory"]) > 10
        agree(found, thing)


def test_a_thing_is_negotiated(site):
    sent_on = site.get("/id/cooperation/ln2", headers={"Accept": "text/turtle"})

    assert (sent_on.status_code, sent_on.headers["location"]) == (303, "/data/cooperation/ln2.ttl")
    data = site.get(sent_on.headers["location"])
    again = site.get(sent_on.headers["location"], headers={"If-None-Match": data.headers["etag"]})
    assert again.status_code == 304


def test_another_spelling_is_sent_to_the_right_one(site):
    moved = site.get("/doc/Cooperation/LN2/")

    assert (moved.status_code, moved.headers["location"]) == (308, "/doc/cooperation/ln2")


def test_things_are_listed_by_class(sites):
    lists = {
        kind: (client.get("/browse", headers=PAGE).text, client.get("/browse/Laboratory", headers=PAGE).text)
        for kind, client in sites.items()
    }

    assert lists["memory"][1].count("/doc/laboratory/") > 10
    agree(lists, "things listed by class")


@pytest.mark.parametrize(
    "path", ["/", "/ontology", "/shapes", "/vocab", "/vocab/role", "/queries", "/graph/inferred"]
)
def test_every_other_page_is_there(site, path):
    assert site.get(path, headers=PAGE).status_code == 200


def test_an_unknown_thing_is_not_found_and_near_names_are_told(site):
    missing = site.get("/doc/cooperation/ln3")

    assert missing.status_code == 404
    assert "https://w3id.org/cnrs-graph/id/cooperation/ln2" in missing.json()["near"]


@pytest.mark.parametrize("path", ["/doc/x%20y", "/doc/a%3Eb", "/doc/" + "a" * 5000, "/doc/%22%7D", "/doc/"])
def test_no_path_breaks_out_of_the_query_that_looks_it_up(site, path):
    assert site.get(path).status_code == 404


def test_saved_queries_are_answered_alike(sites, publication):
    names = [name for name in publication.catalogue if name.startswith("cq-")]
    assert len(names) > 5
    filled = 0
    for name in names:
        text = publication.catalogue[name].text
        found = {kind: answered(client, text) for kind, client in sites.items()}
        filled += bool(found["memory"])
        agree(found, name)
    assert filled > 5


def test_saved_queries_are_an_api_over_every_store(sites, publication):
    names = [name for name in publication.catalogue if name.startswith("cq-b")]
    assert len(names) > 3
    for name in names:
        got = {kind: client.get(f"/queries/{name}.csv") for kind, client in sites.items()}
        lines = {kind: sorted(answer.text.splitlines()) for kind, answer in got.items()}
        assert got["memory"].status_code == 200, got["memory"].text
        agree(lines, f"{name}.csv")


def test_a_graph_is_had_by_its_name(sites):
    graph = "https://w3id.org/cnrs-graph/graph/curated/cooperations"
    asked = {"params": {"graph": graph}, "headers": {"Accept": "text/turtle"}}
    found = {kind: normal(client.get("/graphs", **asked).content) for kind, client in sites.items()}

    assert len(found["memory"]) > 100
    agree(found, "a graph by its name")


def test_the_editor_is_told_what_each_store_holds(sites):
    told = {kind: client.get("/sparql/completions.json").json() for kind, client in sites.items()}
    classes = {
        kind: {
            t["iri"]: t["count"] for t in known["terms"] if t["kind"] == "class" and "/ontology#" in t["iri"]
        }
        for kind, known in told.items()
    }

    assert len(classes["memory"]) > 10
    agree(classes, "the classes for the editor")
    for known in told.values():
        assert sum(term["kind"] == "property" for term in known["terms"]) > 50


@pytest.mark.parametrize("path", ["/graphs", "/graphs/default"])
def test_the_graphs_are_listed(site, path):
    assert site.get(path, headers=PAGE).status_code == 200


QUERIES = {
    "SELECT": "SELECT ?s ?n { GRAPH ?g { ?s <http://www.w3.org/2000/01/rdf-schema#label> ?n } } LIMIT 5",
    "ASK": "ASK { GRAPH ?g { ?s ?p ?o } }",
    "CONSTRUCT": "CONSTRUCT { ?s ?p ?o } WHERE { GRAPH ?g { ?s ?p ?o } } LIMIT 5",
}


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("SELECT", "application/sparql-results+json"),
        ("SELECT", "application/sparql-results+xml"),
        ("SELECT", "text/csv"),
        ("SELECT", "text/tab-separated-values"),
        ("SELECT", "text/html"),
        ("ASK", "application/sparql-results+json"),
        ("ASK", "application/sparql-results+xml"),
        ("CONSTRUCT", "text/turtle"),
        ("CONSTRUCT", "application/n-triples"),
        ("CONSTRUCT", "application/ld+json"),
        ("CONSTRUCT", "application/rdf+xml"),
    ],
)
def test_each_form_is_answered_in_each_format(site, form, media_type):
    answer = site.post("/sparql", data={"query": QUERIES[form]}, headers={"Accept": media_type})

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(media_type)
    assert len(answer.content) > 10


def test_the_graphs_of_a_request_replace_those_of_the_query(site):
    graph = "https://w3id.org/cnrs-graph/graph/curated/cooperations"
    asked = {"query": "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", "default-graph-uri": graph}
    answer = site.get("/sparql", params=asked, headers={"Accept": "application/sparql-results+json"})
    named = rows(site, f"SELECT (COUNT(*) AS ?n) {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}")

    assert answer.json()["results"]["bindings"] == named
    assert int(named[0]["n"]["value"]) > 100


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }",
        "SELECT * FROM <http://127.0.0.1:1/> { ?s ?p ?o }",
    ],
)
def test_a_query_that_would_leave_is_refused_before_any_store_sees_it(site, query):
    assert site.get("/sparql", params={"query": query}).status_code == 403


def test_what_is_no_query_is_refused_with_its_place(site):
    answer = site.get("/sparql", params={"query": "SELECT * { ?s ?p "})

    assert answer.status_code == 400
    assert answer.json()["line"] == 1


def test_the_dataset_is_described_with_counted_numbers(sites):
    """Objects are fewer in a store, where two spellings of one value are one; an endpoint has no files."""
    void = "http://rdfs.org/ns/void#"
    numbers = {
        kind: {
            line
            for line in client.get("/dataset.nt").text.splitlines()
            if void in line and "distinctObjects" not in line and "dataDump" not in line
        }
        for kind, client in sites.items()
    }

    assert len(numbers["memory"]) > 500
    agree(numbers, "the numbers of the dataset")


def test_a_store_on_disk_has_the_very_files_that_memory_has(sites):
    names = ("dataset.nq", "dataset.trig", "accepted.ttl")
    for name in (*names, *(f"{name}.gz" for name in names), "SHA256SUMS"):
        held = {kind: client.get(f"/dump/{name}") for kind, client in sites.items()}
        assert held["memory"].status_code == held["disk"].status_code == 200
        assert held["disk"].content == held["memory"].content, name
        assert held["disk"].headers["etag"] == held["memory"].headers["etag"]
        assert held["remote"].status_code == 404


def test_every_store_is_described_for_catalogues(sites):
    lines = {kind: set(client.get("/catalog.nt").text.splitlines()) for kind, client in sites.items()}

    assert len(lines["memory"]) > 100
    assert lines["disk"] == lines["memory"]
    assert not [line for line in lines["remote"] if "/dump/" in line]
    assert {line for line in lines["memory"] if "sparql#service" in line} <= lines["remote"]


def test_every_store_names_the_same_pages_to_crawlers(sites):
    pages = {kind: set(client.get("/sitemap.xml").text.splitlines()) for kind, client in sites.items()}

    assert len(pages["memory"]) > 1000
    agree(pages, "the pages for crawlers")


def test_a_store_that_was_loaded_without_files_offers_none(tmp_path, config):
    publications.load_into(config, tmp_path / "bare")
    bare = publications.on_store(config, disk.open_store(tmp_path / "bare"))

    assert reply(bare, "/dump/dataset.nq").status == 404
    assert b"/dump/" not in reply(bare, "/dataset", accept="text/html").body
    assert b"/dump/" not in reply(bare, "/catalog.ttl").body
    assert reply(bare, "/sitemap.xml").status == 200


def test_the_pages_of_a_large_store_are_split_over_sitemaps(folder, config):
    shipped = publications.on_store(config, disk.open_store(folder))
    documents = site_of(shipped).documents
    split, whole = Sitemaps(documents, part=300), Sitemaps(documents)
    named = [split.at(path).decode().splitlines()[2:-1] for path in split.paths()[1:]]

    assert len(named) > 3
    assert all(0 < len(part) <= 300 for part in named)
    assert sorted(each for part in named for each in part) == sorted(
        whole.at("/sitemap.xml").decode().splitlines()[2:-1]
    )


def test_the_service_names_its_graphs_with_their_sizes(sites):
    sizes = {
        kind: {
            s
            for s in normal(client.get("/sparql", headers={"Accept": "text/turtle"}).content)
            if "void#triples" in s
        }
        for kind, client in sites.items()
    }

    assert len(sizes["memory"]) > 20
    agree(sizes, "the sizes of the graphs")


def test_an_endpoint_that_dies_is_told_from_our_own_mistakes_and_comes_back(publication):
    endpoint = Endpoint(publication)
    endpoint.start()
    with (
        Server("--store", endpoint.url, query_seconds=5) as server,
        httpx.Client(base_url=server.url) as site,
    ):
        assert site.get("/doc/cooperation/ln2", headers=PAGE).status_code == 200
        endpoint.stop()
        gone = site.get("/doc/cooperation/takuvik", headers=PAGE)
        asked = site.get("/sparql", params={"query": "ASK {}"})
        ready, alive = site.get("/ready"), site.get("/health")
        endpoint.start()
        back = site.get("/doc/cooperation/takuvik", headers=PAGE)
        endpoint.stop()

    assert (gone.status_code, asked.status_code, ready.status_code, alive.status_code) == (502, 502, 502, 200)
    assert str(endpoint.port) not in gone.text + asked.text
    assert "cannot be reached" in asked.json()["detail"]
    assert back.status_code == 200


# ------------------------------------------------------------------------------------------ endpoints


class Scripted:
    """An endpoint of one behaviour: replies in turn, the last for ever; it keeps what it was sent."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []

    def __enter__(self):
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                script.requests.append((dict(self.headers), urllib.parse.parse_qs(body.decode())))
                reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
                status, headers, content, seconds = reply
                time.sleep(seconds)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)

            def do_GET(self):
                script.requests.append((dict(self.headers), {}))
                self.send_response(500)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/query"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


YES = (200, {"Content-Type": "application/sparql-results+json"}, b'{"head":{},"boolean":true}', 0)
BUSY = (503, {"Content-Type": "text/plain"}, b"later", 0)


def test_a_busy_endpoint_is_asked_again():
    with Scripted(BUSY, BUSY, YES) as busy:
        assert RemoteStore(busy.url).query("ASK {}").verdict()

    assert len(busy.requests) == 3


def test_an_endpoint_that_stays_busy_is_left_in_peace():
    with Scripted(BUSY) as busy, pytest.raises(EndpointBusyError):
        RemoteStore(busy.url).query("ASK {}")

    assert len(busy.requests) == 4


def test_an_endpoint_that_wants_a_longer_pause_than_there_is_time_is_not_asked_again():
    later = (503, {"Retry-After": "60"}, b"", 0)
    with Scripted(later) as busy, pytest.raises(EndpointBusyError):
        RemoteStore(busy.url, timeout_seconds=2).query("ASK {}")

    assert len(busy.requests) == 1


def test_a_late_endpoint_is_told_from_a_broken_one():
    with Scripted((*YES[:3], 3)) as late, pytest.raises(EndpointTimeoutError):
        RemoteStore(late.url, timeout_seconds=1).query("ASK {}")


def test_an_answer_above_the_limit_is_not_read_to_its_end():
    with Scripted((*YES[:2], b"{" + b" " * 1_000_000, 0)) as large, pytest.raises(QueryMemoryError):
        RemoteStore(large.url, limit_bytes=100_000).query("ASK {}")


def test_credentials_are_sent_and_shown_nowhere(caplog):
    credentials = Credentials("ada", "s3cret")
    with Scripted(YES, (401, {}, b"who?", 0)) as private:
        store = RemoteStore(private.url, credentials=credentials)
        store.query("ASK {}")
        with pytest.raises(Exception, match="401") as caught:
            store.query("ASK {}")

    sent = private.requests[0][0]["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == "ada:s3cret"
    assert "s3cret" not in f"{credentials!r} {caught.value} {caplog.text}"


def test_credentials_do_not_follow_a_redirect():
    credentials = Credentials("ada", "s3cret")
    with (
        Scripted(YES) as other,
        Scripted((303, {"Location": other.url}, b"", 0)) as first,
        pytest.raises(EndpointError, match="500"),
    ):
        RemoteStore(first.url, credentials=credentials).query("ASK {}")

    assert "Authorization" in first.requests[0][0]
    assert len(other.requests) == 1
    assert "Authorization" not in other.requests[0][0]


def test_an_address_with_a_password_is_refused_without_showing_it(run):
    code, out, err = run("serve", "--port", 0, "--store", "http://ada:s3cret@127.0.0.1:1/query")

    assert code == 6
    assert "s3cret" not in out + err
    assert "environment" in err


def test_a_server_does_not_start_on_an_endpoint_that_is_not_there(run):
    code, _, err = run("serve", "--port", 0, "--store", "http://127.0.0.1:1/query")

    assert code == 6
    assert "cannot be reached" in err


def test_statements_that_stand_in_the_default_graph_alone_are_found():
    """As in an endpoint that knows no named graphs."""
    engine = ox.Store()
    base, label = "https://example.org/", expand("skos:prefLabel")
    engine.update(
        f'INSERT DATA {{ <{base}id/a/b> <{label}> "B" . <{base}id/a/c> <{base}at> <{base}id/a/b> }}'
    )
    shelves = Shelves(base, ("claims",), named=False)
    index = index_over(
        Fetched(LocalStore(engine), shelves), lambda: census.count(LocalStore(engine), shelves)
    )

    said = describe(index, f"{base}id/a/b")
    assert [name.value for name in said.names] == ["B"]
    assert [part.key for part in said.parts] == [f"{base}id/a/c"]
    assert index.counted().census.triples == 2


@pytest.mark.parametrize("merged", [False, True])
def test_more_neighbours_than_are_fetched_are_still_counted(merged):
    engine, base = ox.Store(), "https://example.org/"
    hub, at, kind = (ox.NamedNode(f"{base}{name}") for name in ("id/a/hub", "at", "Kind"))
    said, elsewhere = ox.NamedNode(f"{base}graph/x"), ox.NamedNode(f"{base}graph/inferred")
    label, type_ = ox.NamedNode(expand("skos:prefLabel")), ox.NamedNode(expand("rdf:type"))
    quads = [ox.Quad(hub, label, ox.Literal("Hub"), said)]
    for number in range(NODE_LIMIT + 7):
        node = ox.NamedNode(f"{base}id/a/{number}")
        quads += [ox.Quad(node, at, hub, said), ox.Quad(node, label, ox.Literal(str(number)), said)]
        quads += [ox.Quad(node, type_, kind, said), ox.Quad(node, type_, kind, elsewhere)]
        follows = ox.Quad(ox.NamedNode(f"{base}id/b/{number}"), at, hub, elsewhere)
        quads += [follows, ox.Quad(follows.subject, type_, kind, said)]
    engine.extend(quads)
    for graph in (said, elsewhere):
        engine.update(f"ADD {graph} TO DEFAULT")
    shelves = Shelves(base, ("claims",), merged=merged)
    store = LocalStore(engine)
    index = index_over(Fetched(store, shelves), lambda: census.count(store, shelves))

    (group,) = describe(index, hub.value).incoming
    assert group.total == NODE_LIMIT + 7
    assert group.truncated


def test_the_links_to_a_hub_are_counted_when_the_store_is_built(tmp_path):
    base = "https://example.org/"
    lines = [f'<{base}id/a/hub> <{expand("skos:prefLabel")}> "Hub" .']
    for number in range(NODE_LIMIT + 7):
        node = f"<{base}id/a/{number}>"
        lines += [f"{node} <{base}at> <{base}id/a/hub> .", f"{node} a <{base}{'AB'[number % 2]}> ."]
        lines.append(f'{node} <{expand("skos:prefLabel")}> "{number}" .')
    (tmp_path / "x.ttl").write_text("\n".join(lines))
    files = list(disk.inputs(tmp_path / "x.ttl", base=base))
    disk.build(tmp_path / "store", files, base=base, version="0", outside_default=(), rules=None)
    asked = []

    class Watched(LocalStore):
        def query(self, text):
            asked.append(text)
            return super().query(text)

    index = disk.open_store(tmp_path / "store").index
    index.fetched.store.__class__ = Watched
    described = describe(index, f"{base}id/a/hub")

    assert [group.total for group in described.incoming] == [NODE_LIMIT // 2 + 4, NODE_LIMIT // 2 + 3]
    assert len(asked) > 1
    assert [text for text in asked if "LIMIT" not in text] == []


# ------------------------------------------------------------------------------------------ on disk


def test_what_is_counted_in_a_store_is_what_is_counted_in_memory(folder, publication):
    counted = disk.read_manifest(folder).counted.census
    in_memory = census_of(publication.said)
    same = {**vars(in_memory), "inferred": len(publication.inferred), "objects": counted.objects}

    assert vars(counted) == same
    assert 0 <= in_memory.objects - counted.objects < 50


def test_a_store_holds_each_graph_and_the_accepted_ones_merged(folder, publication):
    in_memory = LocalStore.of(publication.quads(), default=publication.default_graphs())
    on_disk = disk.open_store(folder).index.fetched.store
    for query in (
        "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g ORDER BY ?g",
        "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }",
        "SELECT ?p (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?p ORDER BY ?p",
    ):
        assert on_disk.query(query).rows() == in_memory.query(query).rows()


def test_a_store_that_is_there_is_kept_unless_it_is_to_be_replaced(run, folder, config, tmp_path):
    place = tmp_path / "graph.store"
    shutil.copytree(folder, place)
    before = (place / disk.MANIFEST).stat().st_ino

    refused = run("load", "--into", place)
    assert refused[0] == 2
    assert "--replace" in refused[2]
    assert (place / disk.MANIFEST).stat().st_ino == before

    assert run("load", "--into", place, "--replace")[0] == 0
    assert (place / disk.MANIFEST).stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["graph.store"]


def test_a_folder_that_is_no_store_is_never_replaced(run, tmp_path):
    place = tmp_path / "thesis"
    place.mkdir()
    (place / "chapter.txt").write_text("years of work")

    assert run("load", "--into", place, "--replace")[0] == 2
    assert (place / "chapter.txt").read_text() == "years of work"


def test_a_load_that_fails_leaves_nothing(run, tmp_path):
    (tmp_path / "bad.ttl").write_text("<https://example.org/a> <https://example.org/b> .")
    code, _, err = run("load", tmp_path / "bad.ttl", "--into", tmp_path / "graph.store")

    assert code == 3
    assert "bad.ttl:1:49: " in err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ttl"]


def test_a_load_that_is_killed_leaves_no_store_and_the_next_one_clears_up(config, tmp_path):
    place = tmp_path / "graph.store"

    def killed(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publications.load_into(config, place, progress=killed)
    assert list(tmp_path.iterdir()) == []

    left = place.with_name("graph.store.partial")
    left.mkdir()
    (left / "half").write_text("of it")
    publications.load_into(config, place)
    assert [path.name for path in tmp_path.iterdir()] == ["graph.store"]


def test_two_loads_into_one_folder_exclude_each_other(config, tmp_path, run):
    place, refused = tmp_path / "graph.store", []

    def meanwhile(done, total):
        if not refused:
            refused.append(run("load", "--into", place))

    publications.load_into(config, place, progress=meanwhile)

    code, _, err = refused[0]
    assert code == 2
    assert "another load into" in err
    assert "under way" in err
    assert [path.name for path in tmp_path.iterdir()] == ["graph.store"]
    assert disk.read_manifest(place).statements > 1000


def test_a_load_does_not_replace_what_another_one_finished_meanwhile(config, tmp_path):
    place, other = tmp_path / "graph.store", tmp_path / "other.store"
    publications.load_into(config, other)

    def meanwhile(done, total):
        if other.exists():
            other.rename(place)

    with pytest.raises(ConfigError, match="--replace"):
        publications.load_into(config, place, progress=meanwhile)
    assert [path.name for path in tmp_path.iterdir()] == ["graph.store"]


def test_what_follows_can_be_left_out(run, tmp_path, publication):
    place = tmp_path / "graph.store"

    assert run("load", "--into", place, "--no-infer")[0] == 0
    manifest = disk.read_manifest(place)
    assert manifest.counted.census.inferred == 0
    assert publication.inferred_graph not in manifest.default_graphs
    assert manifest.statements == len(set(publication.said.quads)) + len(publication.queries.quads)


def test_a_graph_that_stands_in_two_places_comes_from_the_first(tmp_path):
    for name, value in (("one", "1"), ("two", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.ttl").write_text(f"<https://example.org/a> <https://example.org/b> {value} .")
    files = [
        each for name in ("one", "two") for each in disk.inputs(tmp_path / name, base="https://example.org/")
    ]
    manifest = disk.build(
        tmp_path / "store", files, base="https://example.org/", version="0", outside_default=(), rules=None
    )

    assert manifest.graphs == {"https://example.org/graph/x": 1}
    held = disk.open_store(tmp_path / "store").index.accepted["https://example.org/a"]
    assert [quad.object.value for quad in held] == ["1"]


def test_a_store_of_another_layout_or_none_is_refused(folder, tmp_path, run):
    place = tmp_path / "graph.store"
    shutil.copytree(folder, place)
    kept = json.loads((place / disk.MANIFEST).read_text())
    (place / disk.MANIFEST).write_text(json.dumps({**kept, "layout": 99}))

    with pytest.raises(ConfigError, match="load it again"):
        disk.read_manifest(place)
    assert run("serve", "--port", 0, "--store", tmp_path)[0] == 2
    assert run("serve", "--port", 0, "--store", folder, "--base", "https://example.org/")[0] == 2
    assert run("serve", "--port", 0, "data", "--store", folder)[0] == 2


def test_a_missing_file_is_told_with_its_name(tmp_path):
    with pytest.raises(SourceError, match="gone"):
        list(disk.inputs(tmp_path / "gone", base="https://example.org/"))


def test_two_servers_read_one_store(folder):
    with Server("--store", folder) as one, Server("--store", folder) as other:
        pages = [httpx.get(f"{each.url}/doc/cooperation/ln2", headers=PAGE) for each in (one, other)]

    assert [page.status_code for page in pages] == [200, 200]
    assert pages[0].headers["etag"] == pages[1].headers["etag"]


# ------------------------------------------------------------------------------------------ small things


def test_a_value_is_forgotten_when_it_is_old_or_least_used():
    kept = Kept(2, 0.05)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)
    time.sleep(0.06)
    assert kept.get("a") is None


def test_an_old_value_serves_while_the_next_is_made():
    made, answers = [], threading.Event()

    def make():
        made.append(len(made))
        if len(made) > 1:
            answers.wait(LIMIT_SECONDS)
        return made[-1]

    fresh = _Fresh(0.01, make)
    assert fresh() == 0
    time.sleep(0.02)
    assert [fresh(), fresh()] == [0, 0]
    answers.set()
    deadline = time.monotonic() + LIMIT_SECONDS
    while fresh() == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert fresh() > 0


def test_the_bar_says_how_long_the_rest_takes():
    assert line(0, 100, 0).endswith("putting in order")
    assert "10 s left" in line(50, 100, 10)


def test_load_explains_itself(run):
    code, out, _ = run("load", "--help")

    assert code == 0
    assert "--into" in out
    assert cli.EXIT
