"""Announced against named: at the terminal, as a page, as data; and what the query behind it must give."""

import csv
import io
import json

import pytest

from cnrs_graph.counts import Count, counts_text, read_counts
from cnrs_graph.errors import QueryError
from cnrs_graph.store import Answer, Form

TOTAL = "https://w3id.org/cnrs-graph/id/count/founding-irl-north-america"


def an_answer(*rows, columns=("figure", "name", "announced", "named")):
    bindings = [
        {
            name: {"type": "uri" if name in ("figure", "total") else "literal", "value": value}
            for name, value in zip(columns, row, strict=True)
        }
        for row in rows
    ]
    return Answer(
        Form.SELECT, json.dumps({"head": {"vars": columns}, "results": {"bindings": bindings}}).encode()
    )


def test_four_columns_are_enough():
    [count] = read_counts(an_answer(("https://e.org/f", "gardens", "5", "3")))

    assert count == Count("https://e.org/f", "gardens", 5, 3)
    assert (count.unnamed, count.overfull, count.is_part) == (2, 0, False)


def test_more_named_than_announced_is_said():
    text = counts_text([Count("f", "gardens", 2, 3)])

    assert "3 of 2 named, 1 more than announced" in text
    assert "█" * 20 in text


def test_parts_stand_below_their_total_and_bars_show_what_is_inferred():
    lines = counts_text(
        [Count("t", "all", 10, 5, 5, "partial", "t"), Count("p", "north", 0, 0, total="t")]
    ).splitlines()

    assert lines[0].startswith(
        "all      ▒▒▒▒▒▒▒▒▒▒··········  5 of 10 named, 5 by inference, 5 unknown, partial"
    )
    assert lines[1].startswith("  north")


def test_a_query_without_a_needed_column_is_refused_by_name():
    with pytest.raises(QueryError, match="announced, named"):
        read_counts(an_answer(("https://e.org/f", "x"), columns=("figure", "name")))


def test_a_number_that_is_none_is_refused_with_its_column():
    with pytest.raises(QueryError, match=r"'many' where \?named"):
        read_counts(an_answer(("https://e.org/f", "x", "5", "many")))


def test_reconcile_prints_what_the_saved_query_says(run):
    code, text, _ = run("reconcile")

    assert code == 0
    assert "14 of 15 named" in text.splitlines()[0]
    assert run("reconcile", "--format", "xyz")[0] == 2


def test_reconcile_takes_the_parameters_of_the_query(run):
    assert run("reconcile", "--param", "year=1800")[0] == 2
    assert run("reconcile", "--param", "nothing=1")[0] == 2


def test_reconcile_without_a_query_for_it_says_what_to_write(run, tmp_path):
    file = tmp_path / "publication.toml"
    file.write_text('base = "https://e.org/"\ndata = "."\nontology = "."\nshapes = "."\nqueries = "."\n')

    code, _, said = run("reconcile", "--config", file)

    assert code == 2
    assert "counts = " in said


def test_the_page_of_counts_shows_every_figure_of_the_query(client):
    rows = list(csv.DictReader(io.StringIO(client.get("/queries/cq-a4-announced-against-named.csv").text)))
    page = client.get("/counts", headers={"Accept": "text/html"})

    assert rows
    assert page.status_code == 200
    assert "<script" not in page.text
    assert page.text.count("<svg") == len(rows)
    assert page.text.count('aria-label="14 of 15 named"') == 1
    for row in rows:
        assert f'/doc/count/{row["figure"].rpartition("/")[2]}"' in page.text


def test_the_counts_are_data_too_and_take_the_parameters_of_the_query(client):
    assert client.get("/counts", headers={"Accept": "text/csv"}).text.startswith("totalName")
    assert client.get("/counts", params={"year": "2020"}, headers={"Accept": "text/html"}).status_code == 200
    assert client.get("/counts", params={"year": "1800"}, headers={"Accept": "text/html"}).status_code == 400
    assert client.get("/COUNTS", headers={"Accept": "text/html"}).status_code == 308
