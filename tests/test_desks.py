"""Desks answer at once what they were taught; all else is the hall's, and nobody sees the difference."""

import contextlib
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest
from conftest import Server
from hypothesis import given, settings
from hypothesis import strategies as st

from cnrs_graph import desk
from cnrs_graph.desks import are_possible
from cnrs_graph.protocol import read_get

pytestmark = pytest.mark.skipif(not are_possible(), reason="this system has no epoll, memfd or /proc")

JSON = "application/sparql-results+json"
SLOW = "SELECT (COUNT(*) AS ?n) { ?a ?p ?b . ?c ?q ?d . ?e ?r ?f FILTER(?b != ?d) }"


def ask(client, query, accept=JSON, **headers):
    return client.get("/sparql", params={"query": query}, headers={"Accept": accept, **headers})


def get(query):
    """A request as it is sent."""
    return f"GET /sparql?query={quote(query, safe='')} HTTP/1.1\r\nHost: a\r\nAccept: {JSON}\r\n\r\n".encode()


def number(server, name):
    """One of the numbers that the server counts."""
    page = httpx.get(f"{server.url}/metrics").text
    found = [line.rpartition(" ")[2] for line in page.splitlines() if line.startswith(f"{name} ")]
    assert len(found) == 1, f"{name} is not among the numbers"
    return float(found[0])


def at_desk(server):
    time.sleep(0.2)
    page = httpx.get(f"{server.url}/metrics").text
    name = 'cnrs_graph_query_seconds_count{lane="desk",outcome="answered"}'
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name))


def at_desk_at_last(server, send):
    """The first answer that comes from a desk: on a busy machine one may have to ask some times."""
    for _ in range(20):
        before = at_desk(server)
        answer = send()
        if at_desk(server) == before + 1:
            return answer
    raise AssertionError("no desk has learnt to answer this")


def raw(server):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.settimeout(10)
    return connection


def read_answers(connection, count):
    """So many whole answers with a length, from a connection."""
    got, answers = b"", []
    while len(answers) < count:
        head, end, rest = got.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if end and b"transfer-encoding" in fields and rest.endswith(b"0\r\n\r\n"):
            answers.append((head, rest))
            got = b""
        elif end and b"content-length" in fields and len(rest) >= int(fields[b"content-length"]):
            length = int(fields[b"content-length"])
            answers.append((head, rest[:length]))
            got = rest[length:]
        else:
            more = connection.recv(65536)
            assert more, f"the connection ended after {got!r}"
            got += more
    return answers


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("ASK { ?s a ?o }", JSON),
        ("ASK { ?s a ?o }", "application/sparql-results+xml"),
        ("SELECT ?s { ?s a ?o } ORDER BY ?s LIMIT 5", "text/csv"),
        (
            "SELECT ?s ?o { ?s a ?o } ORDER BY ?o ?s LIMIT 5",
            "text/tab-separated-values, text/csv;q=0.1",
        ),
        ("CONSTRUCT { ?s a ?o } WHERE { ?s a ?o } LIMIT 5", "text/turtle"),
        ("DESCRIBE <https://w3id.org/cnrs-graph/id/cooperation/ln2>", "application/rdf+xml"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "FORM"])
def test_a_desk_says_what_the_hall_says(server, client, query, accept, method):
    def send():
        headers = {"Accept": accept}
        if method == "GET":
            return client.get("/sparql", params={"query": query}, headers=headers)
        if method == "FORM":
            return client.post("/sparql", data={"query": query}, headers=headers)
        headers["Content-Type"] = "application/sparql-query"
        return client.post("/sparql", content=query.encode(), headers=headers)

    marked = client.get("/sparql", params={"query": query, "by": "the hall"}, headers={"Accept": accept})
    answer = at_desk_at_last(server, send)
    assert answer.content == marked.content
    # A desk packs nothing.
    by_the_way = {"date", "x-request-id", "content-length", "transfer-encoding", "content-encoding"}
    assert {**answer.headers, **dict.fromkeys(by_the_way, "")} == {
        **marked.headers,
        **dict.fromkeys(by_the_way, ""),
    }


def test_who_has_the_answer_is_not_sent_it_again(server, client):
    query = "SELECT ?s { ?s a ?o } ORDER BY ?s LIMIT 7"
    tags = {ask(client, query).headers["etag"] for _ in range(3)}
    assert len(tags) == 1, "hall and desks make the same tag"
    (tag,) = tags
    for headers in ({"If-None-Match": tag}, {"If-None-Match": f'"x", {tag}', "X-Request-Id": "mine"}):
        again = ask(client, query, **headers)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["vary"] == "Accept, Accept-Encoding"
    assert ask(client, query, accept="text/csv", **{"If-None-Match": tag}).status_code == 200
    assert ask(client, query, **{"If-None-Match": 'W/"0123"'}).status_code == 200


def test_what_differs_each_time_has_no_tag(client):
    for _ in range(3):
        assert "etag" not in ask(client, "SELECT (RAND() AS ?x) {}").headers


def test_a_slow_answer_is_remembered(server, client):
    some = "{ SELECT * { ?%s ?p%s ?o%s } LIMIT 800 }"
    query = f"SELECT (COUNT(*) AS ?n) {{ {some % (('a',) * 3)} {some % (('b',) * 3)} FILTER(?a != ?b) }}"
    first = ask(client, query)
    assert first.status_code == 200
    again = at_desk_at_last(server, lambda: ask(client, query))
    assert again.content == first.content
    assert again.elapsed < first.elapsed


def test_requests_in_pieces_and_in_a_row_are_answered_in_order(server, client):
    for _ in range(3):
        ask(client, "ASK {}")
    one = get("ASK {}")
    with raw(server) as connection:
        connection.sendall(one + one)
        assert len(read_answers(connection, 2)) == 2
        for start in range(0, len(one), 7):
            connection.sendall(one[start : start + 7])
            time.sleep(0.002)
        assert read_answers(connection, 1)[0][1].count(b"true") == 1
        connection.sendall(one)
        ((head, body),) = read_answers(connection, 1)
        assert b" 200 " in head
        assert b"true" in body


def test_a_connection_may_ask_for_pages_and_queries_in_turn(client):
    for _ in range(5):
        assert client.get("/").status_code == 200
        assert ask(client, "ASK {}").json()["boolean"] is True
        assert client.get("/nowhere").status_code == 404


def test_a_connection_is_closed_when_it_is_asked_for(server, client):
    for _ in range(3):
        ask(client, "ASK {}")
    with raw(server) as connection:
        connection.sendall(
            b"GET /sparql?query=ASK%20%7B%7D HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Accept: " + JSON.encode() + b"\r\n\r\n"
        )
        got = b""
        while more := connection.recv(65536):
            got += more
    assert b"connection: close" in got.lower()
    assert b"true" in got


def test_a_large_answer_reaches_a_slow_reader_whole(server):
    query = "SELECT * { ?s ?p ?o } LIMIT 6000"
    with httpx.Client(base_url=server.url) as client:
        whole = [ask(client, query).content for _ in range(3)][-1]
    assert len(whole) > 1_000_000
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(get(query))
        time.sleep(0.5)
        ((_, body),) = read_answers(connection, 1)
        connection.sendall(
            b"GET /sparql?query=ASK%7B%7D HTTP/1.1\r\nHost: a\r\nAccept: " + JSON.encode() + b"\r\n\r\n"
        )
        assert b"true" in read_answers(connection, 1)[0][1]
    assert body == whole


def test_a_query_that_takes_long_for_one_value_goes_to_the_hall_and_holds_nobody_up(server):
    quick = (
        'SELECT (COUNT(*) AS ?n) { VALUES ?x { "no" } ?a ?p ?b . ?c ?q ?d FILTER(?x = "yes" && ?b != ?d) }'
    )
    slow = quick.replace('"no"', '"yes"').replace('"yes" &&', '"yes" &&')
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for _ in range(4):
            ask(client, "ASK {}")
    waits, over = [], threading.Event()

    def knock():
        with httpx.Client(base_url=server.url, timeout=60) as other:
            while not over.is_set():
                started = time.perf_counter()
                assert ask(other, "ASK {}").status_code == 200
                waits.append(time.perf_counter() - started)
                time.sleep(0.01)

    knocking = [threading.Thread(target=knock) for _ in range(6)]
    for thread in knocking:
        thread.start()
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            for query in (quick, quick, slow, slow):
                answer = ask(client, query)
                assert answer.status_code in (200, 504), answer.text
    finally:
        over.set()
        for thread in knocking:
            thread.join()
    assert len(waits) > 20
    assert sorted(waits)[len(waits) // 2] < 0.1


def processes_of(server):
    """The desks of a server: its zygote's children that wait for many connections at once."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = []
    for process, parent in parents.items():
        with contextlib.suppress(OSError):
            is_forked = parents.get(parent) == server.process.pid
            if is_forked and any(
                "eventpoll" in str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir()
            ):
                found.append(process)
    return found


def test_the_end_of_a_desk_ends_no_connection():
    with Server("--no-validate") as own, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=own.url, timeout=20)) for _ in range(8)]
        for client in clients * 2:
            assert ask(client, "ASK {}").status_code == 200
        desks = processes_of(own)
        assert len(desks) == 3, "two and a spare"
        for process in desks:
            os.kill(process, signal.SIGKILL)
            for client in clients:
                assert ask(client, "ASK {}").status_code == 200
        time.sleep(1)
        assert len(set(processes_of(own)) - set(desks)) == 3
        assert number(own, "cnrs_graph_desks") == 3


def test_the_end_of_the_process_that_holds_the_data_ends_no_connection():
    with Server("--no-validate") as own, httpx.Client(base_url=own.url, timeout=20) as client:
        for _ in range(3):
            assert ask(client, "ASK {}").status_code == 200
        (first, *_) = processes_of(own)
        zygote = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(zygote, signal.SIGKILL)
        until = time.monotonic() + 15
        while (answer := ask(client, "ASK {}")).status_code != 200 and time.monotonic() < until:
            assert answer.status_code in (500, 503)
            time.sleep(0.1)
        assert answer.status_code == 200
        assert client.get("/").status_code == 200


# ------------------------------------------------------------------------------ pages and documents


@pytest.mark.parametrize(
    "path", ["/", "/doc/cooperation/ln2", "/data/cooperation/ln2.ttl", "/id/cooperation/ln2", "/ontology"]
)
@pytest.mark.parametrize("accept", ["text/html", "text/turtle", "*/*", None])
def test_a_desk_shows_what_the_hall_shows(server, path, accept):
    def look(**more):
        headers = {**({"Accept": accept} if accept else {}), **more}
        with httpx.Client(base_url=server.url, headers={"Accept": "*/*"}) as client:
            if accept is None:
                del client.headers["accept"]
            return client.get(path, headers=headers)

    first, second = look(), look()
    # The hall understands a range, and may ignore it.
    hall = look(TE="trailers")
    for answer in (first, second):
        assert answer.status_code == hall.status_code
        assert answer.content == hall.content
        by_the_way = dict.fromkeys(("date", "x-request-id", "transfer-encoding", "content-length"))
        assert {**answer.headers, **by_the_way} == {**hall.headers, **by_the_way}
    if tag := first.headers.get("etag"):
        for wanted in (tag, f"W/{tag}", f'"other", {tag}'):
            again = look(**{"If-None-Match": wanted})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        assert look(**{"If-None-Match": '"other"'}).status_code == 200


def test_pages_come_from_a_desk_the_second_time(server):
    def numbers():
        page = httpx.get(f"{server.url}/metrics").text
        return sum(
            float(line.rpartition(" ")[2])
            for line in page.splitlines()
            if line.startswith("cnrs_graph_requests_total{") and 'route="data"' in line
        )

    with httpx.Client(base_url=server.url) as client:
        times = []
        for _ in range(30):
            started = time.perf_counter()
            assert client.get("/data/cooperation/cpb.ttl").status_code == 200
            times.append(time.perf_counter() - started)
    time.sleep(0.3)
    assert numbers() >= 30, "what desks do is counted"
    assert min(times[1:]) < times[0]


def test_what_depends_on_the_time_is_never_kept(server):
    before = number(server, "cnrs_graph_statements")
    for path in ("/health", "/metrics", "/ready"):
        ids = {httpx.get(f"{server.url}{path}").headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3
    first, second = (httpx.get(f"{server.url}/metrics").text for _ in range(2))
    assert first != second
    assert before > 0


# ------------------------------------------------------------------------------- reading a request


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=500, deadline=None)
@given(TEXTS, st.sampled_from([quote, quote_plus, lambda text: quote(text, safe="")]))
def test_a_desk_decodes_as_the_protocol_does(text, escape):
    field = f"query={escape(text)}"
    assert desk.decoded(field.encode()[len("query=") :]) == text
    if text.strip():
        assert read_get(field).query == text


@pytest.mark.parametrize("field", [b"a&b=c", b"%zz", b"%", b"a%4", b"\xe9", b"a b", b"%e9", b"a\x00"])
def test_what_is_escaped_wrongly_is_left_to_the_hall(field):
    with contextlib.suppress(UnicodeDecodeError):
        assert desk.decoded(field) is None


@pytest.mark.parametrize(
    "fields",
    [
        b"Accept: a",
        b"Host: a\r\nHost: b",
        b"Host: a\r\nAccept: a\r\nAccept: b",
        b"Host: a\r\nTransfer-Encoding: chunked",
        b"Host: a\r\nContent-Length: 1\r\nContent-Length: 2",
        b"Host: a\r\nContent-Length: +1",
        b"Host: a\r\nContent-Length: 0x1",
        b"Host: a\r\nExpect: 100-continue",
        b"Host: a\r\nUpgrade: h2c\r\nConnection: upgrade",
        b"Host: a\r\nContent-Encoding: gzip",
        b"Host : a",
        b"Host: a\r\n folded",
        b"Host: a\r\nX: \x00",
        b"Host: a\nX: b",
        b"",
    ],
)
def test_a_header_that_says_more_than_usual_is_left_to_the_hall(fields):
    assert desk.read_head(fields) is None


def test_a_header_is_read_as_it_is():
    head = desk.read_head(
        b"hOST: a\r\nAccept:text/csv  \r\nContent-Length: 7\r\nConnection: Close\r\nX-Other: 1"
    )
    assert head == desk.Head("text/csv", None, None, "", 7, True, "", None)


def test_no_bytes_end_the_server(server):
    dice = random.Random(7)  # noqa: S311  (nothing secret)
    pieces = [
        *(
            b"GET /sparql?query=",
            b"POST /sparql HTTP/1.1\r\n",
            b"ASK%7B%7D",
            b" HTTP/1.1\r\n",
            b"Host: a\r\n",
        ),
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"Content-Length: 6\r\n",
            b"ASK {}",
            b"\x00",
            b"\xff" * 9,
            b"Accept: a/b\r\n",
        ),
        *(
            b"Content-Type: application/sparql-query\r\n",
            b"Content-Type: ",
            b" " * 99,
            b"&",
            b"%7",
            b"query=",
        ),
        f"Content-Type: {'a' * 70000}\r\n".encode(),
        urlencode({"query": "ASK {}"}).encode(),
    ]
    for _ in range(150):
        with raw(server) as connection, contextlib.suppress(OSError):
            connection.sendall(b"".join(dice.choices(pieces, k=dice.randint(1, 9))))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    assert httpx.get(f"{server.url}/sparql", params={"query": "ASK {}"}).status_code == 200
