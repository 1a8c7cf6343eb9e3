"""Answers on their way: large ones, slow readers, failures after the first byte, a server that stops."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from conftest import Server
from SPARQLWrapper import CSV, SPARQLWrapper

ROWS = 200_000
MANY_ROWS = f"SELECT ?s ?p ?o {{ ?s ?p ?o . ?a ?b ?c }} LIMIT {ROWS}"
#: A character that XML cannot carry turns up long after the first bytes.
FAILS_LATE = "SELECT ?y { { SELECT (?o AS ?y) { ?s ?p ?o } LIMIT 3000 } UNION { BIND('\u0001' AS ?y) } }"
ENDLESS_ROWS = "SELECT ?s ?p ?o { ?s ?p ?o . ?a ?b ?c . ?d ?e ?f }"
ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
XML = {"Accept": "application/sparql-results+xml"}
TSV = {"Accept": "text/tab-separated-values"}


@pytest.fixture(scope="module")
def roomy():
    """A server with time for large answers, and a bound for their size."""
    with Server(
        "--no-validate", query_seconds=20, answer_bytes=60_000_000, describe_statements=50
    ) as started:
        yield started


def tree(pid):
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def resident_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def is_alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def send(server, query, accept, window_bytes=None):
    """Ask on a raw socket, and leave the reading to the caller."""
    connection = socket.socket()
    if window_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", server.port))
    path = f"/sparql?{urlencode({'query': query})}"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
    return connection


def entries(server):
    """What the server has written down about requests to /sparql."""
    time.sleep(0.3)
    lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request" and line["path"] == "/sparql"]


def test_a_large_answer_arrives_whole_while_the_server_stays_small(roomy):
    before = resident_bytes(roomy.process.pid)
    plain = {**TSV, "Accept-Encoding": "identity"}
    with httpx.stream("GET", f"{roomy.url}/sparql", params={"query": MANY_ROWS}, headers=plain) as answer:
        lines = sum(chunk.count(b"\n") for chunk in answer.iter_raw())
    assert lines == ROWS + 1
    assert resident_bytes(roomy.process.pid) - before < 16 << 20


def test_a_slow_reader_makes_neither_the_server_nor_the_worker_grow(roomy):
    """The answer has some thirty megabytes; the reader takes a little and waits."""
    pids = tree(roomy.process.pid)
    before = {pid: resident_bytes(pid) for pid in pids}
    with send(roomy, MANY_ROWS, "text/tab-separated-values", window_bytes=1 << 14) as connection:
        for _ in range(20):
            assert connection.recv(1 << 14)
            time.sleep(0.1)
            assert httpx.get(f"{roomy.url}/sparql", params={"query": "ASK {}"}).status_code == 200
        grown = {pid: resident_bytes(pid) - before.get(pid, 0) for pid in tree(roomy.process.pid)}
    assert grown[roomy.process.pid] < 16 << 20
    # A worker of its own is new; what it shares with the others counts too.
    assert max(grown.values()) < 200 << 20
    assert max(grown[pid] for pid in pids if pid in grown) < 32 << 20


def test_a_failure_after_the_first_byte_is_no_end(roomy):
    with send(roomy, FAILS_LATE, "application/sparql-results+xml") as connection:
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 20):
                received += chunk
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert len(received) > 10_000
    assert not received.endswith(b"0\r\n\r\n")
    assert b"</sparql>" not in received


def test_httpx_notices_a_failure_after_the_first_byte(roomy):
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{roomy.url}/sparql", params={"query": FAILS_LATE}, headers=XML)


def test_sparqlwrapper_notices_a_failure_after_the_first_byte(roomy):
    wrapper = SPARQLWrapper(f"{roomy.url}/sparql")
    wrapper.setQuery(FAILS_LATE)
    wrapper.setReturnFormat("xml")
    with pytest.raises(Exception, match="IncompleteRead"):
        wrapper.query().response.read()


def test_curl_notices_a_failure_after_the_first_byte(roomy):
    address = f"{roomy.url}/sparql?{urlencode({'query': FAILS_LATE})}"
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-H", "Accept: application/sparql-results+xml", address],
        check=False,
        timeout=30,
    )
    assert done.returncode == 18, "a transfer closed with outstanding read data"


def test_an_answer_past_its_size_is_broken_off_and_not_cut_in_silence(roomy):
    wrapper = SPARQLWrapper(f"{roomy.url}/sparql")
    wrapper.setQuery(ENDLESS_ROWS)
    wrapper.setReturnFormat(CSV)
    with pytest.raises(Exception, match="IncompleteRead"):
        wrapper.query().response.read()
    last = entries(roomy)[-1]
    assert last["outcome"] == "too-large"
    assert 50_000_000 < last["bytes"] <= 60_000_000


def test_a_description_of_too_much_says_that_it_is_cut(roomy):
    """Each thing that is something: more than the fifty statements that are given."""
    describe = {"query": "DESCRIBE ?s { ?s a ?class }"}
    for accept in ("application/n-triples", "text/turtle"):
        answer = httpx.get(f"{roomy.url}/sparql", params=describe, headers={"Accept": accept})
        assert answer.headers["x-cut"] == "after 50 statements"
        assert "X-Cut" in answer.headers["access-control-expose-headers"]
    lines = httpx.get(
        f"{roomy.url}/sparql", params=describe, headers={"Accept": "application/n-triples"}
    ).text.splitlines()
    assert len(lines) == len(set(lines)) == 50
    page = httpx.get(f"{roomy.url}/sparql", params=describe, headers={"Accept": "text/html"})
    assert "Only the first 50 statements" in page.text


def test_only_descriptions_are_cut(roomy):
    construct = "CONSTRUCT { ?s a ?class } { ?s a ?class } LIMIT 500"
    answer = httpx.get(f"{roomy.url}/sparql", params={"query": construct}, headers={"Accept": "text/turtle"})
    assert "x-cut" not in answer.headers
    small = "DESCRIBE <https://w3id.org/cnrs-graph/id/cooperation/ln2>"
    answer = httpx.get(f"{roomy.url}/sparql", params={"query": small})
    assert "x-cut" not in answer.headers
    count = httpx.get(f"{roomy.url}/sparql", params={"query": "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"})
    assert int(count.json()["results"]["bindings"][0]["n"]["value"]) > 10_000


def test_head_of_a_large_answer_does_not_make_it(roomy):
    started = time.monotonic()
    head = httpx.head(f"{roomy.url}/sparql", params={"query": ENDLESS_ROWS}, headers=TSV)
    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/tab-separated-values")
    assert time.monotonic() - started < 1


def test_a_reader_who_leaves_in_the_middle_frees_the_worker(roomy):
    with send(roomy, ENDLESS_ROWS, "text/csv") as connection:
        assert connection.recv(1 << 14)
    time.sleep(0.3)
    assert entries(roomy)[-1]["outcome"] == "left"
    metrics = httpx.get(f"{roomy.url}/metrics").text
    for lane in ("fast", "side", "slow"):
        assert f'cnrs_graph_workers{{state="{lane}"}} 0.0' in metrics


def test_a_server_that_is_told_to_stop_finishes_what_runs_and_leaves_no_process():
    with Server("--no-validate", query_seconds=20) as started:
        pids = tree(started.process.pid)
        with send(started, MANY_ROWS, "text/tab-separated-values") as connection:
            received = connection.recv(1 << 14)
            started.process.send_signal(signal.SIGTERM)
            while chunk := connection.recv(1 << 20):
                received += chunk
        code = started.process.wait(timeout=10)
    assert received.endswith(b"0\r\n\r\n"), "the whole answer has been sent"
    assert code == 0
    assert len(pids) >= 4
    assert not [pid for pid in pids if is_alive(pid)]


def test_a_reader_who_has_stopped_reading_does_not_hold_up_the_end_of_the_server():
    with Server("--no-validate", query_seconds=60) as started:
        pids = tree(started.process.pid)
        with send(started, ENDLESS_ROWS, "text/csv", window_bytes=1 << 14) as connection:
            assert connection.recv(100)
            time.sleep(0.5)
            before = time.monotonic()
            started.process.send_signal(signal.SIGTERM)
            started.process.wait(timeout=15)
            taken = time.monotonic() - before
    assert taken < 9
    assert not [pid for pid in pids if is_alive(pid)]


def test_a_query_that_never_ends_holds_the_end_of_the_server_up_for_seconds_only():
    with Server("--no-validate", query_seconds=60) as started:
        failed = []

        def ask():
            try:
                httpx.get(f"{started.url}/sparql", params={"query": ENDLESS}, timeout=30)
            except httpx.TransportError as error:
                failed.append(error)

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for each in asking:
            each.start()
        time.sleep(0.5)
        pids = tree(started.process.pid)
        before = time.monotonic()
        started.process.send_signal(signal.SIGTERM)
        started.process.wait(timeout=15)
        taken = time.monotonic() - before
        for each in asking:
            each.join()
    assert 4 < taken < 9
    assert not [pid for pid in pids if is_alive(pid)]


def test_a_server_that_is_killed_leaves_no_process():
    with Server("--no-validate", query_seconds=60) as started:
        with send(started, ENDLESS, "*/*"):
            time.sleep(0.3)
            pids = tree(started.process.pid)
            os.kill(started.process.pid, signal.SIGKILL)
            started.process.wait()
        deadline = time.monotonic() + 5
        while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(pids) >= 4
    assert not [pid for pid in pids if is_alive(pid)]
