"""The front page: what is announced and named, a map and a chart from the answers of saved queries."""

import re
from dataclasses import replace

import pyoxigraph as ox
import pytest
from garden import a_publication

from cnrs_graph import front_page as front
from cnrs_graph.config import read_config
from cnrs_graph.errors import ConfigError
from cnrs_graph.publication import build
from cnrs_graph.queries import SavedQuery
from cnrs_graph.site import reply


def page(publication, path="/"):
    return reply(publication, path, accept="text/html").body.decode()


def test_bars_show_as_many_squares_as_were_announced(publication):
    text = page(publication)
    bars = re.findall(r'<svg viewBox="0 0 600 24".*?</svg>', text, re.DOTALL)
    counted = [[bar.count(f'"{sort}"') for sort in ("named", "inferred", "unnamed")] for bar in bars]
    assert counted == [[13, 1, 1], [4, 3, 25]]
    assert "named 14 of 15" in text
    assert "named 7 of 32" in text


def test_a_bar_of_many_is_three_lengths_and_never_hides_a_small_one():
    cells = front._cells(100_000, 3, 0)
    assert [(cell.sort, cell.width) for cell in cells] == [("named", 2), ("unnamed", 600)]
    assert front._cells(5, 7, 0)[-1].sort == "named"
    assert front._cells(0, 0, 0) == []


def test_the_table_says_what_the_chart_and_the_map_show(publication):
    text = page(publication)
    table = text[text.index('<table class="parts numbers">') :]
    numbers = [int(n) for n in re.findall(r'<td class="number"[^>]*>(\d+)</td>', table)]
    chart = re.search(r'<svg class="bars".*?</svg>', text, re.DOTALL)[0]
    assert numbers
    assert {str(n) for n in numbers if n} <= set(re.findall(r">(\d+)</text>", chart))
    drawn = re.search(r'<svg class="map".*?</svg>', text, re.DOTALL)
    if drawn is not None:
        totals = sorted(int(n) for n in re.findall(r'class="number" data-label="Total">(\d+)', table))
        assert sorted(int(n) for n in re.findall(r">(\d+)</text>", drawn[0])) == totals


def test_without_outlines_the_page_has_the_table_and_no_map(publication, monkeypatch):
    monkeypatch.setattr(front, "outlines", dict)
    text = page(replace(publication))
    assert '<svg class="map"' not in text
    assert '<table class="parts numbers">' in text


def test_without_chosen_queries_there_are_only_the_ways_in():
    text = page(a_publication())
    assert "<svg" not in text
    assert 'class="doors"' in text


def rows_of(**columns):
    header, values = " ".join(f"?{name}" for name in columns), " ".join(columns.values())
    return f"SELECT {header} WHERE {{ VALUES ({header}) {{ ({values}) }} }}"


def test_any_data_can_be_drawn_and_hostile_answers_stay_text():
    hostile = "<https://example.org/g/id/garden/hostile>"
    text = rows_of(area=hostile, kind="<https://example.org/g/ontology#Garden>", count="3", code='"999"')
    saved = SavedQuery("places", "<b>places</b>", (), text, None)
    shown = page(a_publication(catalogue={"places": saved}, front={"cooperations": "places"}))
    assert "&lt;b&gt;places&lt;/b&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert '<svg class="bars"' in shown
    assert '<svg class="map"' not in shown


@pytest.mark.parametrize("missing", ["area", "kind", "count"])
def test_a_row_without_what_is_needed_is_left_out(missing):
    row = {"area": ox.NamedNode("urn:a"), "kind": ox.NamedNode("urn:k"), "count": ox.Literal(1)}
    saved = SavedQuery("q", "q", (), "", None)
    full = front.overview({"cooperations": "q"}, {"q": saved}, lambda _: [row])
    assert full.rows("cooperations") == [row]
    del row[missing]
    assert full.rows("cooperations") == []


def test_a_query_that_is_not_there_is_told(tmp_path):
    config = replace(read_config(environ={}), front={"announced": "cq-a4-announced-against-namd"})
    with pytest.raises(ConfigError, match=r"front\.announced.*cq-a4-announced-against-named"):
        build(config, validated=False)


def test_queries_from_elsewhere_are_published_without_the_front_of_the_file(tmp_path):
    config = read_config(environ={"CNRS_GRAPH_QUERIES": str(tmp_path)})
    assert (config.queries, dict(config.front)) == (tmp_path, {})
    assert read_config(environ={}).front
