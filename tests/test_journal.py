"""What is written down about requests, and what is counted."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from conftest import Server
from prometheus_client.parser import text_string_to_metric_families

from cnrs_graph.errors import QueryTimeoutError
from cnrs_graph.journal import Entry, Journal, JsonLine, LateHandler, TextLine, entry_of
from cnrs_graph.metrics import Metrics
from cnrs_graph.workers import Pool

SECRET = 'SELECT ?o { ?s ?p ?o FILTER(?o = "a private word") }'


def passed(app, *headers, path="/x?secret=1", method="GET"):
    """Send one request through a journal: its entries, and what was sent back."""
    entries, sent = [], []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path.partition("?")[0],
        "raw_path": path.encode(),
        "headers": [*headers],
    }
    journal = Journal(app, [entries.extend])
    with contextlib.suppress(QueryTimeoutError, ZeroDivisionError):
        asyncio.run(journal(scope, receive, send))
    return entries, sent


async def answering(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    await send({"type": "http.response.body", "body": b"678"})


async def breaking(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise QueryTimeoutError(1)


async def mistaken(scope, receive, send):
    raise ZeroDivisionError


def test_an_entry_has_status_bytes_and_time_and_no_query_string():
    (entry,), sent = passed(answering)
    facts = entry.facts()
    assert {facts[name] for name in ("method", "path", "status", "bytes")} == {"GET", "/x", 200, 8}
    assert facts["ms"] >= 0
    assert "secret" not in str(facts)
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", facts["id"].encode())]


def test_every_request_has_a_number_of_its_own():
    numbers = {passed(answering)[0][0].request_id for _ in range(100)}
    assert len(numbers) == 100


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"abc-123_X.y", "abc-123_X.y"),
        (b"a" * 64, "a" * 64),
        (b"a" * 65, None),
        (b"", None),
        (b"a b", None),
        (b"a\nb", None),
        (b"abc\n", None),
        (b"<script>", None),
        (b"\xc3\xa9", None),
    ],
)
def test_a_number_that_came_along_is_written_down_if_plain_and_never_sent_back(sent, kept):
    (entry,), answer = passed(answering, (b"x-request-id", sent))
    assert entry.caller_id == kept
    assert sent not in dict(answer[0]["headers"]).values()


@pytest.mark.parametrize(("app", "outcome", "status"), [(breaking, "late", 200), (mistaken, "failed", 0)])
def test_what_fails_is_written_down_too(app, outcome, status):
    (entry,), _ = passed(app)
    assert (entry.outcome, entry.status) == (outcome, status)


def test_an_application_without_a_journal_can_write_into_nothing():
    entry_of({"type": "http", "method": "GET"}).ends()


def test_a_query_is_known_by_its_hash():
    one, same, other = (Entry("GET", "/sparql", None) for _ in range(3))
    one.asks(SECRET)
    same.asks(SECRET)
    other.asks("ASK {}")
    assert one.query == same.query != other.query
    assert len(one.query) == 12
    assert "private" not in str(one.facts())


@pytest.mark.parametrize("formatter", [JsonLine(), TextLine()])
def test_one_record_is_one_line_whatever_a_path_holds(formatter):
    entry = Entry("GET", '/a\n{"level": "fake"}\x1b[2J\u2028é', None)
    record = logging.makeLogRecord({"levelname": "INFO", "facts": entry.facts()})
    line = formatter.format(record)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    if isinstance(formatter, JsonLine):
        assert json.loads(line)["path"] == entry.path


def test_who_logs_does_not_wait_for_who_reads():
    """Nobody reads the pipe, which is full after 64 kB."""
    reading, writing = os.pipe()
    handler = LateHandler(writing)
    record = logging.makeLogRecord({"msg": "x" * 1000})
    started = time.monotonic()
    for _ in range(20_000):
        handler.emit(record)
    time.sleep(0.3)
    handler.emit(record)
    assert time.monotonic() - started < 2
    os.close(reading)


def lines_of(server):
    time.sleep(0.3)
    return [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]


def test_the_server_writes_one_line_of_json_for_each_request(server, client):
    sent = {"X-Request-Id": "from-the-proxy", "Accept-Encoding": "identity"}
    answer = client.get("/sparql", params={"query": SECRET}, headers=sent)
    (line,) = [each for each in lines_of(server) if each.get("id") == answer.headers["x-request-id"]]
    assert line["event"] == "request"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/sparql", 200)
    assert (line["form"], line["lane"], line["outcome"]) == ("SELECT", "fast", "answered")
    assert line["bytes"] == len(answer.content)
    assert line["caller_id"] == "from-the-proxy"
    assert "private" not in server.said
    assert "127.0.0.1:" not in str(line)


@pytest.mark.parametrize(
    ("query", "status", "outcome"),
    [
        ("SELECT * {", 400, "unfit"),
        ("SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", 403, "refused"),
        ("SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }", 504, "late"),
        ("SELECT (GROUP_CONCAT(CONCAT(STR(?c), STR(?f))) AS ?x) { ?a ?b ?c . ?d ?e ?f }", 504, None),
    ],
)
def test_how_a_query_ended_is_written_down_and_counted(server, client, query, status, outcome):
    answer = client.post("/sparql", data={"query": query})
    (line,) = [each for each in lines_of(server) if each.get("id") == answer.headers["x-request-id"]]
    assert answer.status_code == line["status"] == status
    # Which of the two limits is met first depends on the machine.
    assert line["outcome"] in ({outcome} if outcome else {"late", "memory"})
    assert f'outcome="{line["outcome"]}"' in client.get("/metrics").text


def test_metrics_are_counted_in_the_text_format_of_prometheus(client):
    def numbers():
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def requests(route, status):
        return ("cnrs_graph_requests_total", ("method", "GET"), ("route", route), ("status", status))

    before = numbers()
    # The second parameter means nothing, and is nothing for a desk.
    for path in ("/sparql?query=ASK%7B%7D&x=1", "/doc/cooperation/ln2", "/wp-login.php", "/" + "x" * 50):
        client.get(path)
    after = numbers()
    for route, status, more in (("sparql", "200", 1), ("doc", "200", 1), ("other", "404", 2)):
        assert after[requests(route, status)] - before.get(requests(route, status), 0) == more
    answered = ("cnrs_graph_query_seconds_count", ("lane", "fast"), ("outcome", "answered"))
    assert after[answered] - before.get(answered, 0) == 1
    assert after[("cnrs_graph_statements",)] > 10_000
    assert after[("cnrs_graph_queries_waiting",)] == 0
    assert after[("cnrs_graph_workers", ("state", "idle"))] >= 2
    assert after[("cnrs_graph_workers_killed_total",)] >= 0


def test_each_server_counts_for_itself():
    one, other = (Metrics(Pool(), statements=7) for _ in range(2))
    entry = Entry("BREW", "/doc/x", None)
    one.record([entry])
    assert b'method="other",route="doc"' in one.page()
    assert b"route=" not in other.page()


def test_a_server_whose_log_nobody_reads_answers_on():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cnrs_graph", "serve", "--no-validate", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline:
                    with contextlib.suppress(httpx.TransportError):
                        if client.get("/ready").status_code == 200:
                            break
                    time.sleep(0.1)
                assert {client.get("/health").status_code for _ in range(800)} == {200}
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=20)
    assert code == 0


def test_the_log_can_be_text_and_can_be_quiet():
    with Server("--no-validate", "--log", "text") as started:
        httpx.get(f"{started.url}/doc/cooperation/ln2")
    assert " info id=" in started.said
    assert "path=/doc/cooperation/ln2 status=200" in started.said
    with Server("--no-validate", "--quiet") as started:
        httpx.get(f"{started.url}/doc/cooperation/ln2")
    assert started.said == ""
