"""Maps, time lines, neighbours; the rules that look at a thing; citations; what points at it."""

import json
import re
from dataclasses import replace

import pytest
from garden import BASE, a_publication

from cnrs_graph import descriptions, documents
from cnrs_graph.citations import BIBTEX, CSL, RIS, Citation, citation_bytes
from cnrs_graph.drawings import Span, around, counted_map, spot_map, stacks, time_line
from cnrs_graph.outlines import read_outlines
from cnrs_graph.publication import build
from cnrs_graph.rulebook import rulebook
from cnrs_graph.sights import means
from cnrs_graph.site import reply, site_of

SQUARE = {"001": [[(0, 0), (10, 0), (10, 10), (0, 10)]], "002": [[(12, 0), (20, 0), (20, 8), (12, 8)]]}
BEHIND = {**SQUARE, "003": [[(180, 0), (190, 0), (190, 10), (180, 10)]]}


@pytest.fixture(scope="module")
def garden():
    return a_publication()


def page(publication, path, **rest):
    answer = reply(publication, path, accept="text/html", **rest)
    assert answer.status == 200
    return answer.body.decode()


def test_a_map_shades_what_is_counted_and_leaves_out_what_is_behind_the_world():
    drawn = counted_map({"001": 4, "002": 1, "009": 3}, BEHIND)
    assert [country.shade for country in drawn.countries] == [1, 4]
    assert {spot.key for spot in drawn.spots} == {"001", "002"}
    assert all(0 <= spot.x <= drawn.width and 0 <= spot.y <= drawn.height for spot in drawn.spots)
    first, second = (next(spot for spot in drawn.spots if spot.key == key) for key in ("001", "002"))
    assert first.x < second.x
    assert all(re.fullmatch(r"(M-?\d+ -?\d+l[-\d ]+z)+", country.path) for country in drawn.countries)


def test_there_is_no_map_without_outlines_or_places():
    assert counted_map({"001": 1}, {}) is None
    assert counted_map({"009": 1}, SQUARE) is None
    assert spot_map({"x": (1, 1)}, {}) is None
    assert spot_map({}, SQUARE) is None
    assert spot_map({"x": (1, 1)}, SQUARE).spots


def test_north_is_up():
    drawn = spot_map({"north": (5, 9), "south": (5, 1)}, SQUARE)
    north, south = (next(spot for spot in drawn.spots if spot.key == key) for key in ("north", "south"))
    assert north.y < south.y


def test_outlines_are_read_where_they_were_built_and_missed_quietly(tmp_path):
    assert read_outlines(tmp_path) == {}
    (tmp_path / "manifest.json").write_text('{"script": "x.js"}')
    assert read_outlines(tmp_path) == {}
    (tmp_path / "manifest.json").write_text('{"outlines": "o.json"}')
    (tmp_path / "o.json").write_text('{"124": [[[-1000, 500], [-900, 500], [-900, 600]]]}')
    assert read_outlines(tmp_path) == {"124": [[(-100, 50), (-90, 50), (-90, 60)]]}


def test_a_time_line_draws_what_is_known_and_marks_open_ends():
    drawn = time_line(
        [Span("a", 2000, 2010), Span("b", 2010, None), Span("c", None, 2004), Span("d", None, None)]
    )
    assert [bar.name for bar in drawn.bars] == ["a", "b", "c"]
    assert [bar.is_open for bar in drawn.bars] == [False, True, True]
    whole, begun, ended = drawn.bars
    assert whole.x + whole.width == pytest.approx(begun.x, abs=1)
    assert ended.width < whole.width
    assert begun.width < whole.width
    assert all(bar.x >= 0 and bar.x + bar.width <= drawn.width for bar in drawn.bars)
    assert [year for year, _ in drawn.years] == sorted({year for year, _ in drawn.years})
    assert time_line([Span("d", None, None)]) is None
    assert time_line([]) is None


def test_bars_are_to_one_scale_and_nothing_is_too_small_to_see():
    first, second = stacks([[1000, 1], [500, 0]], width=100)
    assert [part.width for part in first] == [100, 2]
    assert [part.width for part in second] == [50]
    assert stacks([], width=100) == []


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_neighbours_stand_apart(count):
    assert len({(x, y) for x, y, _ in around(count)}) == count


def test_a_property_means_what_it_is_matched_with(publication):
    index = site_of(publication).documents.index
    ours = f"{publication.base}ontology#"
    assert means(index, f"{ours}startYear", ("https://schema.org/startDate",))
    assert means(index, f"{ours}role", ("http://www.w3.org/ns/org#role",))
    assert not means(index, f"{ours}endYear", ("https://schema.org/startDate",))


def test_the_page_of_a_cooperation_draws_its_terms_and_groups_who_takes_part_by_role(publication):
    text = page(publication, "/doc/cooperation/ln2")
    line = re.search(r'<svg class="time".*?</svg>', text, re.DOTALL)[0]
    assert line.count('<rect class="span') == 3
    roles = [re.sub(r"<[^>]+>", "", role) for role in re.findall(r'<tr class="role">(.*?)</tr>', text)]
    assert roles == ["steering institute", "supervising body", "partner", "host"]
    assert '<svg class="neighbours"' in text


def test_the_page_of_a_laboratory_tells_its_places_in_words(publication):
    text = page(publication, "/doc/laboratory/gt-cnrs")
    places = text[text.index('<section class="where">') :]
    assert places.index("Atlanta") < places.index("</section>")
    assert "Latitude 49.11911" in places


# ---------------------------------------------------------------------------------------------------- rules


def test_a_thing_names_the_rules_that_look_at_it_and_what_they_found(config):
    checked = build(config)
    text = page(checked, "/doc/roster/founding-irp-canada")
    check = text[text.index('<section class="check">') :].partition("</section>")[0]
    assert ">RO3</a>" in check
    assert "4 of 14 named" in check
    kept = page(checked, "/doc/country/can")
    assert "All of them are kept." in kept


def test_what_was_not_checked_is_not_called_kept(publication):
    text = page(publication, "/doc/country/can")
    assert "Nothing was checked when this was published." in text
    assert "All of them are kept." not in text


def test_every_rule_that_found_something_looks_at_what_it_found(config):
    checked = build(config)
    index = site_of(checked).documents.index
    book = rulebook(index, checked.report)
    assert len(book.rules) > 50
    found = {(key, result.rule) for key, results in book.found.items() for result in results}
    assert len(found) > 10
    for key, code in found:
        assert code in {rule.code for rule in book.looking_at(index, [key])}, (key, code)


def test_targets_of_every_sort_are_seen(garden):
    index = site_of(garden).documents.index
    book = rulebook(index, None)
    assert not book.checked
    beds = {rule.code for rule in book.looking_at(index, [f"{BASE}id/bed/north/1"])}
    assert "BD1" in beds
    assert book.looking_at(index, [f"{BASE}id/nothing"]) == []


# ------------------------------------------------------------------------------------------------ citations

TITLE = r"50 % of {A} & B\C_d ~ ^ #1 $"
ESCAPED = r"50 \% of \{A\} \& B\textbackslash{}C\_d \textasciitilde{} \textasciicircum{} \#1 \$"
HARD = Citation("https://example.org/id/x/café", TITLE, "All\nof it", "P", "2026-02-03", "1.0", "en")


def test_a_citation_is_escaped_for_bibtex_and_whole_in_the_others():
    bibtex = citation_bytes(HARD, BIBTEX).decode()
    assert bibtex.startswith("@misc{")
    assert f"title = {{{{{ESCAPED}}}}}" in bibtex
    assert re.sub(r"\\[{}]", "", bibtex).count("{") == re.sub(r"\\[{}]", "", bibtex).count("}")
    ris = citation_bytes(HARD, RIS).decode()
    assert ris.startswith("TY  - DATA\r\n")
    assert ris.endswith("ER  - \r\n")
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in ris.splitlines())
    entry = json.loads(citation_bytes(HARD, CSL))[0]
    assert (entry["title"], entry["issued"]) == (HARD.title, {"date-parts": [[2026, 2, 3]]})


def test_every_thing_and_the_dataset_can_be_cited(publication):
    for fmt in (BIBTEX, RIS, CSL):
        answer = reply(publication, f"/cite/cooperation/ln2.{fmt.extension}")
        assert (answer.status, answer.header("Content-Type")) == (200, fmt.content_type)
        assert b"https://w3id.org/cnrs-graph/id/cooperation/ln2" in answer.body
        assert reply(publication, f"/cite/dataset.{fmt.extension}").status == 200
        assert reply(publication, f"/cite/cooperation/nowhere.{fmt.extension}").status == 404
    assert reply(publication, "/cite/cooperation/ln2.ttl").status == 404


def test_an_error_is_reported_where_the_publication_says():
    where = replace(a_publication(), report_to="https://errors.example/?about={iri}")
    assert 'href="https://errors.example/?about=https%3A%2F%2Fexample.org%2Fg%2Fid%2Fgarden%2Fnorth"' in page(
        where, "/doc/garden/north"
    )
    assert "Report an error" not in page(a_publication(), "/doc/garden/north")


# ------------------------------------------------------------------------------------------- what points here


def test_what_points_at_a_thing_comes_in_pages(monkeypatch, publication):
    monkeypatch.setattr(descriptions, "INCOMING_LIMIT", 1)
    monkeypatch.setattr(documents, "INCOMING_LIMIT", 1)
    many = replace(publication)
    path = "/doc/country/can"
    assert f'href="/incoming{path}/1"' in page(many, path)
    first, second = page(many, f"/incoming{path}/1"), page(many, f"/incoming{path}/2")
    assert f'rel="next" href="/incoming{path}/2"' in first
    assert f'rel="prev" href="/incoming{path}/1"' in second
    assert first != second
    for wrong in ("0", "999", "x", "01", ""):
        assert reply(many, f"/incoming{path}/{wrong}", accept="text/html").status == 404
