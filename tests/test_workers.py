import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET  # what we parse here we wrote ourselves
from pathlib import Path

import pyoxigraph as ox
import pytest

from cnrs_graph.errors import (
    QueryError,
    QueryMemoryError,
    QueryTimeoutError,
    SourceError,
    TooManyLongQueriesError,
    TooManyQueriesError,
    WorkerDiedError,
)
from cnrs_graph.formats import CSV, JSONLD, NTRIPLES, RDFXML, TSV, TURTLE, XML_RESULTS
from cnrs_graph.lanes import Lane, Ticket
from cnrs_graph.store import Answer, Form
from cnrs_graph.workers import Pool, Wall, answer_once

GRAPH = "https://example.org/graph/a"
OTHER = "https://example.org/graph/b"
NUMBERS = "".join(
    f'<https://example.org/{i}> <https://example.org/p> "{i}" <{GRAPH}> .\n' for i in range(1000)
).encode()
PRODUCT = "SELECT (COUNT(*) AS ?n) { ?a ?p ?b . ?c ?q ?d . ?e ?r ?f . ?g ?s ?h }"
HOG = """SELECT (GROUP_CONCAT(CONCAT(STR(?a), STR(?c), STR(?e))) AS ?all)
{ ?a ?p ?b . ?c ?q ?d . ?e ?r ?f }"""
LONG_ANSWER = "SELECT ?a ?c ?e { ?a ?p ?b . ?c ?q ?d . ?e ?r ?f }"
DIGITS = "(0) (1) (2) (3) (4) (5) (6) (7) (8) (9)"
ENDLESS = "SELECT (COUNT(*) AS ?n) {" + "".join(f"VALUES (?v{i}) {{ {DIGITS} }} " for i in range(12)) + "}"
LIMIT_SECONDS = 60


def pooled(work, quads=NUMBERS, default_graphs=(GRAPH,), **settings):
    """Run `work(pool)` over a pool that is closed afterwards; the whole within a minute."""

    async def main():
        async with asyncio.timeout(LIMIT_SECONDS), Pool(**settings) as pool:
            await pool.start(quads, default_graphs)
            return await work(pool)

    return asyncio.run(main())


async def read(running):
    async with running:
        return b"".join([chunk async for chunk in running])


async def asks(pool):
    return (await pool.run("ASK { ?s ?p ?o }")).verdict()


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def mixed_numbers_and_strings():
    """Values over which the order of the engine is no order: 9 < 10 as numbers, "10" < "9" as strings."""
    chosen = random.Random(3)  # noqa: S311  (the same values each time)
    lines = []
    for number in range(3000):
        value = chosen.randrange(10_000)
        kind = "^^<http://www.w3.org/2001/XMLSchema#integer>" if chosen.random() < 0.5 else ""
        lines.append(f'<https://example.org/{number}> <https://example.org/p> "{value}"{kind} <{GRAPH}> .\n')
    return "".join(lines).encode()


def test_each_form_of_query_is_answered_in_its_own_form():
    async def work(pool):
        return [
            await pool.run("ASK { ?s ?p '7' }"),
            await pool.run("SELECT ?s { ?s ?p '7' }"),
            await pool.run("CONSTRUCT WHERE { ?s ?p '7' }"),
            await pool.run("DESCRIBE <https://example.org/7>"),
        ]

    asked, selected, constructed, described = pooled(work)

    assert asked.verdict() is True
    assert selected.rows() == [{"s": ox.NamedNode("https://example.org/7")}]
    line = b'<https://example.org/7> <https://example.org/p> "7" .\n'
    assert constructed == described == Answer(Form.CONSTRUCT, line)


def test_the_form_decides_between_the_two_formats_that_were_asked_for():
    async def work(pool):
        found = []
        for text in ("SELECT ?o { ?s ?p ?o FILTER(?o = '7') }", "ASK {}", "CONSTRUCT WHERE { ?s ?p '7' }"):
            running = await pool.answer(text, results=CSV, graphs=TURTLE)
            found.append((running.form, running.format, await read(running)))
        return found

    assert pooled(work) == [
        (Form.SELECT, CSV, b"o\r\n7\r\n"),
        (Form.ASK, CSV, b"true"),
        (Form.CONSTRUCT, TURTLE, pooled(turtle_of_seven)),
    ]


async def turtle_of_seven(pool):
    body = await read(await pool.answer("CONSTRUCT WHERE { ?s ?p '7' }", graphs=TURTLE))
    (triple,) = ox.parse(input=body, format=ox.RdfFormat.TURTLE)
    assert triple.object == ox.Literal("7")
    return body


def test_turtle_is_written_with_the_prefixes_we_know():
    text = "PREFIX skos: <http://www.w3.org/2004/02/skos/core#> CONSTRUCT { skos:a skos:b skos:c } {}"

    async def work(pool):
        return await read(await pool.answer(text, graphs=TURTLE))

    assert b"skos:a skos:b skos:c" in pooled(work)


VALUES = [
    ox.NamedNode("https://example.org/é?a=b&c=<d>".replace("<", "%3C").replace(">", "%3E")),
    ox.Literal("plain"),
    ox.Literal("1", datatype=ox.NamedNode("http://www.w3.org/2001/XMLSchema#integer")),
    ox.Literal("été", language="fr"),
    ox.Literal("x", datatype=ox.NamedNode("https://example.org/type")),
    ox.Literal("<&>\"' \\ \t tab \n line \r\n both \r return"),
    ox.Literal("  spaces  "),
    ox.Literal(""),
    ox.Literal("\U0001f9ea 中文 ‏עברית ]]>"),
]
ONE_VALUE_EACH = ox.serialize(
    (
        ox.Quad(
            ox.NamedNode(f"https://example.org/{number}"),
            ox.NamedNode("https://example.org/p"),
            value,
            ox.NamedNode(GRAPH),
        )
        for number, value in enumerate(VALUES)
    ),
    format=ox.RdfFormat.N_QUADS,
)


@pytest.mark.parametrize("fmt", [XML_RESULTS, TSV], ids=lambda fmt: fmt.name)
def test_every_kind_of_term_survives_the_formats_of_rows(fmt):
    async def work(pool):
        return await read(await pool.answer("SELECT ?s ?o { ?s ?p ?o }", results=fmt))

    body = pooled(work, ONE_VALUE_EACH)
    rows = ox.parse_query_results(body, format=ox.QueryResultsFormat.from_media_type(fmt.media_type))

    assert {row["s"].value: row["o"] for row in rows} == {
        f"https://example.org/{number}": value for number, value in enumerate(VALUES)
    }


@pytest.mark.parametrize("fmt", [NTRIPLES, TURTLE, RDFXML, JSONLD], ids=lambda fmt: fmt.name)
def test_every_kind_of_term_survives_the_formats_of_graphs(fmt):
    async def work(pool):
        return await read(await pool.answer("CONSTRUCT WHERE { ?s ?p ?o }", graphs=fmt))

    body = pooled(work, ONE_VALUE_EACH)
    triples = ox.parse(input=body, format=ox.RdfFormat.from_media_type(fmt.media_type))

    assert {triple.subject.value: triple.object for triple in triples} == {
        f"https://example.org/{number}": value for number, value in enumerate(VALUES)
    }


def test_a_carriage_return_reaches_the_reader_of_xml():
    async def work(pool):
        text = "SELECT ('a\\rb' AS ?x) {}"
        return await read(await pool.answer(text, results=XML_RESULTS))

    (literal,) = ET.fromstring(pooled(work)).iter("{http://www.w3.org/2005/sparql-results#}literal")  # noqa: S314

    assert literal.text == "a\rb"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ('a\\u0001b' AS ?x) {}",
        "SELECT ('\\uFFFE' AS ?x) {}",
        "CONSTRUCT { <a:b> <a:c> ?x } { BIND('\\u0000' AS ?x) }",
        "CONSTRUCT { <a:b> <https://example.org/p/123> 1 } {}",
    ],
)
def test_what_xml_cannot_carry_is_refused_before_the_first_byte(text):
    async def work(pool):
        with pytest.raises(QueryError, match="ask for another format"):
            await pool.answer(text, results=XML_RESULTS, graphs=RDFXML)
        return await asks(pool)

    assert pooled(work)


@pytest.mark.parametrize(
    "end", ["p", "p1", "1", "1p", "é", "p.", "-", "_", "a-b", "·", "a·", "x%20y", "?q=1", "#", "ª"]
)
def test_rdf_xml_is_well_formed_for_any_predicate_or_refused(end):
    text = f"CONSTRUCT {{ <a:b> <https://example.org/n/{end}> 1 }} {{}}"

    async def work(pool):
        try:
            return await read(await pool.answer(text, graphs=RDFXML))
        except QueryError:
            return None

    body = pooled(work, size=1)
    if body is not None:
        ET.fromstring(body)  # noqa: S314
        (triple,) = ox.parse(input=body, format=ox.RdfFormat.RDF_XML)
        assert triple.predicate.value == f"https://example.org/n/{end}"
    else:
        assert not end[-1].isascii() or not end[-1].isalpha()


def test_the_default_graph_is_merged_and_from_replaces_it():
    quads = (
        f'<a:s> <a:p> "both" <{GRAPH}> .\n<a:s> <a:p> "both" <{OTHER}> .\n'
        f'<a:s> <a:p> "claim" <https://example.org/graph/claims> .\n'
    ).encode()
    select = "SELECT ?o {} {{ ?s ?p ?o }}"

    async def work(pool):
        async def values(running):
            return sorted(row["o"].value for row in Answer(Form.SELECT, await read(running)).rows())

        claims = "https://example.org/graph/claims"
        plain, named = select.format(""), "SELECT ?o { GRAPH ?g { ?s ?p ?o } }"
        return [
            await values(await pool.answer(plain)),
            await values(await pool.answer(select.format(f"FROM <{claims}>"))),
            await values(await pool.answer(select.format(f"FROM NAMED <{claims}>"))),
            await values(await pool.answer(named)),
            await values(await pool.answer(select.format(f"FROM <{claims}>"), default_graphs=[GRAPH])),
            await values(await pool.answer(named, default_graphs=[GRAPH])),
            await values(await pool.answer(plain, named_graphs=[OTHER])),
            await values(await pool.answer(named, named_graphs=[OTHER])),
        ]

    assert pooled(work, quads, (GRAPH, OTHER)) == [
        ["both"],
        ["claim"],
        [],
        ["both", "both", "claim"],
        ["both"],
        [],
        [],
        ["both"],
    ]


def test_an_unreadable_query_is_refused_with_its_line():
    async def work(pool):
        with pytest.raises(QueryError) as caught:
            await pool.answer("SELECT ?s\n}")
        assert await asks(pool)
        return caught.value, pool.process_ids

    error, _ = pooled(work)

    assert error.line == 2


def test_quads_that_cannot_be_read_are_refused_and_nothing_stays_behind():
    with pytest.raises(SourceError, match="line 1"):
        answer_once(b"this is no quad", "ASK {}", default_graphs=())


def test_a_late_query_is_stopped_on_time_and_nobody_else_notices():
    async def work(pool):
        before = set(pool.process_ids)
        started = time.perf_counter()
        late = asyncio.create_task(pool.run(PRODUCT, timeout_seconds=1))
        await asyncio.sleep(0.3)
        asked = time.perf_counter()
        assert (await pool.run("ASK {}")).verdict()
        beside = time.perf_counter() - asked
        with pytest.raises(QueryTimeoutError) as caught:
            await late
        taken = time.perf_counter() - started
        asked = time.perf_counter()
        assert all(await asyncio.gather(*(asks(pool) for _ in range(4))))
        after = time.perf_counter() - asked
        return caught.value.seconds, taken, beside, after, before

    seconds, taken, beside, after, before = pooled(work)

    assert seconds == 1
    assert 1 <= taken < 1.3
    assert beside < 0.1
    assert after < 0.2
    assert not [pid for pid in before if is_alive(pid)]


def test_a_killed_worker_is_replaced_by_another():
    async def work(pool):
        before = set(pool.process_ids)
        with pytest.raises(QueryTimeoutError):
            await pool.run(PRODUCT, timeout_seconds=0.2)
        await asyncio.sleep(0.5)
        return before, set(pool.process_ids)

    before, after = pooled(work)

    assert len(before) == len(after)
    assert len(before - after) == len(after - before) == 1


def test_sorting_mixed_numbers_and_strings_ends_its_own_worker_only():
    async def work(pool):
        with pytest.raises(WorkerDiedError, match="total order"):
            await pool.run("SELECT ?o { ?s ?p ?o } ORDER BY ?o")
        return await asks(pool)

    assert pooled(work, mixed_numbers_and_strings())


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * " + "{" * 5000 + "}" * 5000,
        "SELECT (" + "IF(" * 3000 + "true" + ",1,2)" * 3000 + " AS ?x) {}",
    ],
    ids=["braces", "IF"],
)
def test_deep_nesting_ends_its_own_worker_only(text):
    async def work(pool):
        with pytest.raises(WorkerDiedError, match="nested too deeply"):
            await pool.run(text)
        return await asks(pool)

    assert pooled(work)


def test_a_query_that_takes_too_much_memory_ends_its_own_worker_only():
    async def work(pool):
        if Wall.MEMORY not in pool.walls:
            pytest.skip("this system does not say how much memory a process maps")
        beside = asyncio.create_task(asks(pool))
        with pytest.raises(QueryMemoryError) as caught:
            await pool.run(HOG)
        return caught.value.limit_bytes, await beside, await asks(pool)

    assert pooled(work, memory_bytes=200 << 20) == (200 << 20, True, True)


def test_the_engine_does_not_print_into_our_terminal(capfd):
    async def work(pool):
        with pytest.raises(WorkerDiedError):
            await pool.run("SELECT ?o { ?s ?p ?o } ORDER BY ?o")
        with pytest.raises(QueryMemoryError):
            await pool.run(HOG)

    pooled(work, mixed_numbers_and_strings(), memory_bytes=100 << 20)

    assert capfd.readouterr() == ("", "")


def test_forty_queries_at_once_are_all_answered_by_two_workers():
    async def work(pool):
        texts = [f"SELECT ?s {{ ?s ?p '{number}' }}" for number in range(40)]
        return await asyncio.gather(*(pool.run(text) for text in texts))

    answers = pooled(work, size=2)

    assert [answer.rows() for answer in answers] == [
        [{"s": ox.NamedNode(f"https://example.org/{number}")}] for number in range(40)
    ]


def test_a_query_beyond_the_queue_is_refused_and_those_in_it_are_answered():
    async def work(pool):
        slow = asyncio.create_task(pool.run(PRODUCT, timeout_seconds=1))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(asks(pool)) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(TooManyQueriesError) as caught:
            await pool.run("ASK {}")
        with pytest.raises(QueryTimeoutError):
            await slow
        return caught.value.waiting, await asyncio.gather(*waiting)

    assert pooled(work, size=1, queue_length=3, timeout_seconds=5, slow_after_seconds=60) == (
        3,
        [True, True, True],
    )


def test_a_query_waits_for_a_worker_no_longer_than_it_may_run():
    async def work(pool):
        slow = asyncio.create_task(pool.run(PRODUCT, timeout_seconds=2))
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        with pytest.raises(TooManyQueriesError):
            await pool.run("ASK {}", timeout_seconds=0.3)
        taken = time.perf_counter() - started
        slow.cancel()
        return taken, await asks(pool)

    taken, answered = pooled(work, size=1, slow_after_seconds=60)

    assert 0.3 <= taken < 0.6
    assert answered


def scheduling(pid):
    return os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid)


def test_a_query_that_takes_long_moves_to_the_slow_lane_and_its_process_has_the_lowest_priority():
    async def work(pool):
        ordinary = {pid: scheduling(pid) for pid in pool.process_ids}
        slow = asyncio.create_task(pool.run(PRODUCT, timeout_seconds=4))
        await asyncio.sleep(0.2)
        before = pool.running(Lane.FAST), pool.running(Lane.SLOW)
        while pool.running(Lane.FAST):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        after = pool.running(Lane.FAST), pool.running(Lane.SLOW)
        lowered = [pid for pid in pool.process_ids if scheduling(pid) == (os.SCHED_IDLE, 19)]
        workers = len(pool.process_ids)
        with pytest.raises(QueryTimeoutError):
            await slow
        await asyncio.sleep(0.2)
        return ordinary, before, after, lowered, workers, pool.process_ids, pool.running(Lane.SLOW)

    ordinary, before, after, lowered, workers, left, slow = pooled(work, size=1, slow_after_seconds=0.4)

    assert set(ordinary.values()) == {(os.SCHED_OTHER, 0)}
    assert (before, after) == ((1, 0), (0, 1))
    assert len(lowered) == 1
    assert workers == len(ordinary) + 1, "another worker has taken its place"
    assert len(left) == len(ordinary)
    assert not set(lowered) & set(left)
    assert slow == 0


def test_a_slow_query_is_answered_in_full_and_its_worker_is_not_used_again():
    text = "SELECT (COUNT(*) AS ?n) { ?a ?p ?b . ?c ?q ?d . VALUES ?x { 1 2 } FILTER(?b != ?d) }"

    async def work(pool):
        answer = asyncio.create_task(pool.run(text))
        while not pool.running(Lane.SLOW):
            await asyncio.sleep(0.001)
        (lowered,) = [pid for pid in pool.process_ids if os.getpriority(os.PRIO_PROCESS, pid) == 19]
        rows = (await answer).rows()
        return lowered, rows, pool.process_ids, await asks(pool)

    lowered, rows, left, answered = pooled(work, size=1, slow_after_seconds=0.05)

    assert [row["n"].value for row in rows] == [str(1000 * 999 * 2)]
    assert lowered not in left
    assert answered


def test_with_eight_endless_queries_at_once_a_short_one_is_answered_soon():
    async def work(pool):
        endless = [asyncio.create_task(pool.run(ENDLESS)) for _ in range(8)]
        await asyncio.sleep(0.01)
        times = []
        while len(times) < 20:
            started = time.perf_counter()
            assert (await pool.run("ASK {}")).verdict()
            times.append(time.perf_counter() - started)
            await asyncio.sleep(0.05)
        for each in endless:
            each.cancel()
        await asyncio.gather(*endless, return_exceptions=True)
        return times, sum(pool.running(lane) for lane in Lane), await asks(pool)

    times, running, answered = pooled(work)

    assert max(times) < 1, times
    assert sorted(times)[10] < 0.1, times
    assert running == 0
    assert answered


def test_where_there_is_no_more_room_a_long_query_makes_room_for_others_and_not_for_nobody():
    async def work(pool):
        first, second, third = (asyncio.create_task(pool.run(ENDLESS, timeout_seconds=8)) for _ in range(3))
        while pool.running(Lane.FAST) < 1 or pool.running(Lane.SLOW) < 1 or pool.running(Lane.SIDE) < 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        alone = [each for each in (first, second, third) if each.done()]
        answered = await asks(pool)
        ends = await asyncio.gather(first, second, third, return_exceptions=True)
        return alone, answered, ends

    alone, answered, ends = pooled(work, size=1, slow_workers=1, slow_after_seconds=0.3)

    assert alone == []
    assert answered
    refused = [end for end in ends if isinstance(end, TooManyLongQueriesError)]
    assert 1 <= len(refused) < len(ends)
    assert "try again in 2 s" in str(refused[0])
    assert {type(end) for end in ends} == {TooManyLongQueriesError, QueryTimeoutError}


def test_a_query_that_waits_for_a_core_is_not_slow():
    now = {"computed": 0.2}
    ticket = Ticket(0.0)
    ticket.computed_seconds = lambda: now["computed"]

    assert ticket.age(5.0, 1.0) == 0.2
    now["computed"] = 1.5
    assert ticket.age(5.0, 1.0) == 1.5
    ticket.has_begun = True
    assert ticket.age(5.0, 1.0) == 5.0, "it may wait for its reader"


def test_nothing_burns_a_core_after_its_caller_has_gone():
    async def work(pool):
        endless = [asyncio.create_task(pool.run(ENDLESS)) for _ in range(8)]
        await asyncio.sleep(1.5)
        for each in endless:
            each.cancel()
        await asyncio.gather(*endless, return_exceptions=True)
        await asyncio.sleep(0.5)
        before = cpu_seconds(pool.process_ids)
        await asyncio.sleep(1)
        return cpu_seconds(pool.process_ids) - before, len(pool.process_ids)

    used, processes = pooled(work, slow_after_seconds=0.5)

    assert used < 0.1
    assert processes <= 1 + 2 + 4, "the zygote, two workers, a few to spare"


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_a_long_answer_streams_while_the_parent_stays_small():
    async def work(pool):
        running = await pool.answer(LONG_ANSWER.replace("?a ?c ?e", "?a ?c"), results=CSV)
        chunks, size = 0, 0
        async for chunk in running:
            chunks, size = chunks + 1, size + len(chunk)
            assert len(chunk) <= 1 << 16
            if size > 20_000_000:
                break
        await running.aclose()
        return chunks, await asks(pool)

    chunks, answered = pooled(work)

    assert chunks > 300
    assert answered


def test_a_whole_answer_of_many_frames_arrives_complete():
    async def work(pool):
        text = "SELECT ?a ?c { ?a ?p ?b . ?c ?q ?d FILTER(STRLEN(STR(?c)) < 23) }"
        body = await read(await pool.answer(text, results=CSV))
        return body, pool.process_ids, await asks(pool)

    body, _, answered = pooled(work)
    lines = body.decode().splitlines()

    assert lines[0] == "a,c"
    assert len(lines) == len(set(lines)) == 1 + 1000 * 100
    assert answered


def test_a_reader_that_stops_is_cut_off_at_the_deadline_and_frees_its_worker():
    async def work(pool):
        running = await pool.answer(LONG_ANSWER, timeout_seconds=0.5)
        await anext(running)
        started = time.perf_counter()
        assert await asks(pool)
        waited = time.perf_counter() - started
        with pytest.raises(QueryTimeoutError):
            await read(running)
        return waited

    assert 0.3 < pooled(work, size=1, slow_after_seconds=60) < 0.8


def test_closing_an_answer_frees_its_worker_at_once():
    async def work(pool):
        running = await pool.answer(LONG_ANSWER)
        await anext(running)
        await running.aclose()
        started = time.perf_counter()
        assert await asks(pool)
        with pytest.raises(StopAsyncIteration):
            await anext(running)
        return time.perf_counter() - started

    assert pooled(work, size=1) < 0.3


def test_a_caller_that_is_cancelled_frees_its_worker_at_once():
    async def work(pool):
        task = asyncio.create_task(pool.run(PRODUCT))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        started = time.perf_counter()
        assert await asks(pool)
        return time.perf_counter() - started

    assert pooled(work, size=1) < 0.3


def test_an_error_after_the_first_bytes_never_looks_like_an_end():
    text = "SELECT (IF(?b = '500' && ?d = '7', '\\u0001', ?d) AS ?x) { ?a ?p ?b . ?c ?q ?d }"

    async def work(pool):
        running = await pool.answer(text, results=XML_RESULTS)
        with pytest.raises(QueryError, match="control character"):
            await read(running)
        return await asks(pool)

    assert pooled(work)


def test_when_the_process_with_the_data_dies_another_takes_over():
    async def work(pool):
        before = pool.process_ids
        running = asyncio.create_task(pool.run(PRODUCT))
        await asyncio.sleep(0.2)
        os.kill(before[0], signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            await running
        answers = await asyncio.gather(*(asks(pool) for _ in range(5)))
        return before, pool.process_ids, answers

    before, after, answers = pooled(work)

    assert answers == [True] * 5
    assert not set(before) & set(after)
    assert not [pid for pid in before if is_alive(pid)]


def test_a_worker_that_dies_while_idle_costs_nobody_a_query():
    async def work(pool):
        victims = pool.process_ids[1:]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.1)
        return await asyncio.gather(*(asks(pool) for _ in range(5))), victims, pool.process_ids

    answers, victims, after = pooled(work)

    assert answers == [True] * 5
    assert not set(victims) & set(after)


def test_no_process_stays_after_close_even_when_queries_run():
    async def main():
        pool = Pool(size=2)
        await pool.start(NUMBERS, [GRAPH])
        running = [asyncio.create_task(pool.run(PRODUCT)) for _ in range(2)]
        await asyncio.sleep(0.2)
        pids = pool.process_ids
        started = time.perf_counter()
        await pool.close()
        assert time.perf_counter() - started < 1
        ends = await asyncio.gather(*running, return_exceptions=True)
        return pids, ends, pool.process_ids

    pids, ends, left = asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))

    assert len(pids) == 4
    assert [type(end) for end in ends] == [WorkerDiedError] * 2
    assert not [pid for pid in pids if is_alive(pid)]
    assert left == ()


def test_no_process_stays_when_the_parent_is_killed_while_a_query_runs():
    program = f"""
import asyncio
from cnrs_graph.workers import Pool
async def main():
    async with Pool(size=1) as pool:
        await pool.start(b'<a:s> <a:p> <a:o> <a:g> .', ['a:g'])
        for number in range(30):
            await pool.run("ASK {{}}")
        running = asyncio.create_task(pool.run({ENDLESS!r}))
        await asyncio.sleep(0.2)
        print(*pool.process_ids, flush=True)
        await running
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(is_alive(pid) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not [pid for pid in pids if is_alive(pid)]


def test_a_pool_works_in_a_thread_that_is_not_the_main_one():
    answers = []
    thread = threading.Thread(target=lambda: answers.append(pooled(asks)))
    thread.start()
    thread.join(LIMIT_SECONDS)

    assert answers == [True]


def test_a_closed_pool_answers_nothing_until_it_is_started_again():
    pool = Pool(size=1)

    async def once():
        await pool.start(NUMBERS, [GRAPH])
        answers = await asyncio.gather(*(asks(pool) for _ in range(5)))
        await pool.close()
        with pytest.raises(WorkerDiedError, match="closed"):
            await asks(pool)
        return answers

    assert asyncio.run(once()) == asyncio.run(once()) == [True] * 5


def test_service_in_a_worker_reaches_nobody():
    caught = []
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        port = trap.getsockname()[1]
        stop = threading.Event()

        def listen():
            while not stop.is_set():
                try:
                    connection, _ = trap.accept()
                except TimeoutError:
                    continue
                caught.append(connection.recv(100))
                connection.close()

        listener = threading.Thread(target=listen)
        listener.start()
        text = f"SELECT * {{ SERVICE <http://127.0.0.1:{port}/sparql> {{ ?s ?p ?o }} }}"

        async def work(pool):
            if Wall.NETWORK not in pool.walls:
                pytest.skip("this system does not let a process leave the network")
            with pytest.raises(QueryError):
                await pool.run(text, timeout_seconds=10)
            return await asks(pool)

        try:
            # Seen from a process with a network the trap does spring.
            with pytest.raises(Exception, match=r"."):
                list(ox.Store().query(text))
            sprung = len(caught)
            answered = pooled(work)
        finally:
            stop.set()
            listener.join()

    assert sprung > 0
    assert len(caught) == sprung
    assert answered


def test_updates_are_no_queries():
    async def work(pool):
        with pytest.raises(QueryError):
            await pool.run("INSERT DATA { <a:b> <a:c> <a:d> }")
        return await asks(pool)

    assert pooled(work)


def test_one_query_can_be_answered_without_keeping_a_pool(tmp_path):
    path = tmp_path / "all.nq"
    path.write_bytes(NUMBERS)

    answer = answer_once(path, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", default_graphs=[GRAPH])

    assert [row["n"].value for row in answer.rows()] == ["1000"]


def test_a_pool_works_under_uvloop():
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async with asyncio.timeout(LIMIT_SECONDS), Pool(size=1) as pool:
            await pool.start(NUMBERS, [GRAPH])
            with pytest.raises(QueryTimeoutError):
                await pool.run(PRODUCT, timeout_seconds=0.3)
            running = await pool.answer(LONG_ANSWER, timeout_seconds=0.3)
            await anext(running)
            await asyncio.sleep(0.5)
            with pytest.raises(QueryTimeoutError):
                await anext(running)
            return await asks(pool)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main())
