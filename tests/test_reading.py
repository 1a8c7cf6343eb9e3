import asyncio
import time

import pytest

from cnrs_graph.errors import QueryError, QueryTimeoutError, RefusedQueryError
from cnrs_graph.reading import Reader, read

LONG = "SELECT ?x { VALUES ?x { " + "1 " * 20_000 + "} }"
ENDLESS = "SELECT ?x { VALUES ?x { " + "1 " * 500_000 + "} }"


def reads(query, **settings):
    return asyncio.run(Reader().read(query, **settings))


@pytest.mark.parametrize("words", [1, 600, 5_000])
def test_a_query_is_read_alike_whatever_its_length(words):
    query = "SELECT ?x { VALUES ?x { " + "1 " * words + "} ?x ?p ?o } ORDER BY ?o"
    assert reads(query) == read(query)


@pytest.mark.parametrize("blanks", [0, 2_000, 10_000])
@pytest.mark.parametrize("query", ["SELECT *\n{ ?s dct:title }", "SELECT * {\n?s }", "DROP ALL"])
def test_what_is_wrong_is_told_alike_whatever_the_length(query, blanks):
    with pytest.raises(QueryError) as told:
        reads(query + " " * blanks)
    with pytest.raises(QueryError) as expected:
        read(query + " " * blanks)
    assert type(told.value) is type(expected.value)
    assert vars(told.value) == vars(expected.value)
    assert str(told.value) == str(expected.value)
    assert isinstance(told.value, RefusedQueryError) == (query == "DROP ALL")


def test_while_a_long_query_is_read_others_go_on():
    async def work():
        reader = Reader()
        reading = asyncio.create_task(reader.read(LONG, seconds=30))
        longest, rounds = 0.0, 0
        while not reading.done():
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest, rounds = max(longest, time.perf_counter() - started), rounds + 1
        assert (await reading)[0].form == "SELECT"
        return longest, rounds

    longest, rounds = asyncio.run(work())
    assert longest < 0.3
    assert rounds > 50


def test_a_query_that_takes_too_long_to_read_is_given_up():
    async def work():
        reader = Reader(at_once=1)
        started = time.perf_counter()
        with pytest.raises(QueryTimeoutError):
            await reader.read(ENDLESS, seconds=1)
        taken = time.perf_counter() - started
        # The next one is read by another process.
        return taken, (await reader.read(LONG, seconds=60))[0].form

    taken, form = asyncio.run(work())
    assert 1 <= taken < 2
    assert form == "SELECT"
