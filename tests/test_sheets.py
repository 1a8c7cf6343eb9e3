"""Answers as files for people: what stands in them is what was answered, and no cell is run."""

import csv
import datetime
import io
import json

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import DOWNLOAD_FORMATS, GEOJSON, RESULT_FORMATS, SAFE_CSV, XLSX
from cnrs_graph.sheets import has_positions, written
from cnrs_graph.terms import expand

SITES = "cq-b7-sites-of-laboratories"


def a_cell(value, curie=None, **more):
    datatype = {"datatype": expand(curie)} if curie else {}
    return {"type": "literal", "value": value, **datatype, **more}


def rows(variables, *found):
    return json.dumps({"head": {"vars": variables}, "results": {"bindings": found}}).encode()


def sheet(body):
    return [list(row) for row in openpyxl.load_workbook(io.BytesIO(body)).active.iter_rows(values_only=True)]


def table(body):
    assert body.startswith(b"\xef\xbb\xbf"), "spreadsheets tell UTF-8 by its mark"
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    "start", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1", "|x", "'=1"]
)
def test_a_text_that_begins_like_a_formula_is_a_text_in_both_spreadsheets(start):
    body = rows(["x"], {"x": a_cell(start)})

    assert table(written(body, SAFE_CSV))[1] == [f"'{start}"]
    workbook = openpyxl.load_workbook(io.BytesIO(written(body, XLSX)))
    cell = workbook.active["A2"]
    assert cell.data_type == "s"


@given(st.text(max_size=30))
def test_every_text_comes_back_from_the_safe_csv_but_for_its_guard(text):
    found = table(written(rows(["x"], {"x": a_cell(text)}), SAFE_CSV))[1][0]

    assert found in (text, f"'{text}")
    assert not found.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_negative_number_stays_a_number():
    body = rows(["x", "y"], {"x": a_cell("-73.5", "xsd:decimal"), "y": a_cell("-73.5")})

    assert table(written(body, SAFE_CSV))[1] == ["-73.5", "'-73.5"]
    assert sheet(written(body, XLSX))[1] == [-73.5, "-73.5"]


def test_a_workbook_has_numbers_days_yes_and_no_and_texts():
    cells = {
        "number": a_cell("5", "xsd:nonNegativeInteger"),
        "day": a_cell("2020-02-29", "xsd:date"),
        "old": a_cell("1789-07-14", "xsd:date"),
        "yes": a_cell("true", "xsd:boolean"),
        "year": a_cell("2020", "xsd:gYear"),
        "long": a_cell("12345678901234567890", "xsd:integer"),
        "iri": {"type": "uri", "value": "https://example.org/x"},
        "name": a_cell("Québec", **{"xml:lang": "fr"}),
    }

    head, row = sheet(written(rows([*cells, "none"], cells), XLSX))

    assert head == [*cells, "none"]
    assert row == [
        *(5, datetime.datetime(2020, 2, 29), "1789-07-14", True, "2020", "12345678901234567890"),
        *("https://example.org/x", "Québec", None),
    ]


def test_a_cell_too_long_for_a_workbook_is_refused_and_not_cut():
    with pytest.raises(NotAcceptableError, match="text/csv"):
        written(rows(["x"], {"x": a_cell("a" * 40_000)}), XLSX)


@pytest.mark.parametrize("fmt", DOWNLOAD_FORMATS, ids=lambda fmt: fmt.name)
def test_equal_answers_are_equal_bytes(fmt):
    body = rows(["lat", "long"], {"lat": a_cell("1", "xsd:decimal"), "long": a_cell("2", "xsd:decimal")})

    assert written(body, fmt) == written(body, fmt)


def test_a_map_has_the_longitude_first_and_what_else_is_known_as_properties():
    row = {
        "site": {"type": "uri", "value": "https://example.org/x"},
        "latitude": a_cell("45.4", "xsd:decimal"),
        "longitude": a_cell("-71.9", "xsd:decimal"),
        "count": a_cell("3", "xsd:integer"),
    }

    found = json.loads(written(rows(["site", "latitude", "longitude", "count", "none"], row), GEOJSON))

    assert found == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": "https://example.org/x",
                "geometry": {"type": "Point", "coordinates": [-71.9, 45.4]},
                "properties": {
                    "site": "https://example.org/x",
                    "latitude": 45.4,
                    "longitude": -71.9,
                    "count": 3,
                    "none": None,
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("POINT(-71.9 45.4)", [-71.9, 45.4]),
        ("<http://www.opengis.net/def/crs/OGC/1.3/CRS84> Point (-71.9 45.4)", [-71.9, 45.4]),
        ("<http://www.opengis.net/def/crs/EPSG/0/4326> POINT(45.4 -71.9)", [-71.9, 45.4]),
        ("<http://www.opengis.net/def/crs/EPSG/0/2154> POINT(45.4 -71.9)", None),
        ("POINT(-71.9 145.4)", None),
        ("LINESTRING(0 0, 1 1)", None),
    ],
)
def test_points_are_read_from_wkt_where_their_system_is_known(text, where):
    found = json.loads(written(rows(["siteWkt"], {"siteWkt": a_cell(text, "geo:wktLiteral")}), GEOJSON))

    geometry = found["features"][0]["geometry"]
    assert (geometry and geometry["coordinates"]) == where


def test_a_row_without_position_stays_as_a_feature_without_geometry():
    found = json.loads(written(rows(["lat", "long", "x"], {"x": a_cell("a")}), GEOJSON))

    assert found["features"][0]["geometry"] is None


def test_rows_without_positions_make_no_map():
    assert not has_positions(["name", "lat"])
    with pytest.raises(NotAcceptableError):
        written(rows(["name"], {"name": a_cell("a")}), GEOJSON)


# ----------------------------------------------------------------------------------------- over HTTP


def test_sites_are_a_map_a_workbook_and_safe_csv_by_address_and_by_accept(client):
    exact = client.get(f"/queries/{SITES}.csv")
    count = len(list(csv.reader(io.StringIO(exact.text, newline="")))) - 1
    assert count > 10

    points = client.get(f"/queries/{SITES}.geojson")
    assert points.headers["content-type"] == "application/geo+json"
    assert len(points.json()["features"]) == count
    assert client.get(f"/queries/{SITES}", headers={"Accept": GEOJSON.media_type}).json() == points.json()

    book = client.get(f"/queries/{SITES}.xlsx")
    assert book.headers["content-type"] == XLSX.media_type
    assert len(sheet(book.content)) == count + 1

    safe = client.get(f"/queries/{SITES}.safe.csv")
    assert safe.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(table(safe.content)) == count + 1
    assert client.get(f"/queries/{SITES}", headers={"Accept": "text/csv"}).content == exact.content


def test_plain_and_safe_csv_have_tags_of_their_own(client):
    tags = {}
    for extension in ("csv", "safe.csv", "xlsx"):
        first = client.get(f"/queries/{SITES}.{extension}")
        tags[extension] = first.headers["etag"]
        again = client.get(f"/queries/{SITES}.{extension}", headers={"If-None-Match": tags[extension]})
        assert again.status_code == 304

    assert len(set(tags.values())) == 3


def test_a_query_without_positions_offers_no_map(client):
    page = client.get("/queries/cq-d8-country-codes", headers={"Accept": "text/html"}).text

    assert ".xlsx" in page
    assert ".geojson" not in page
    assert client.get("/queries/cq-d8-country-codes.geojson").status_code == 406


def test_the_endpoint_answers_in_the_same_files(client):
    query = "SELECT ('=1' AS ?a) (1.5 AS ?lat) (2.5 AS ?long) {}"
    answers = {
        fmt: client.get("/sparql", params={"query": query}, headers={"Accept": fmt.media_type})
        for fmt in (GEOJSON, XLSX)
    }
    browser = {"Accept": "text/html"}
    form = client.get("/sparql", params={"query": query, "format": "safe-csv"}, headers=browser)

    assert answers[GEOJSON].json()["features"][0]["geometry"]["coordinates"] == [2.5, 1.5]
    assert sheet(answers[XLSX].content)[1] == ["=1", 1.5, 2.5]
    assert table(form.content)[1] == ["'=1", "1.5", "2.5"]
    asking = client.get("/sparql", params={"query": "ASK {}"}, headers={"Accept": XLSX.media_type})
    assert asking.status_code == 406


def test_no_two_formats_of_rows_share_an_address():
    extensions = [fmt.extension for fmt in (*RESULT_FORMATS, *DOWNLOAD_FORMATS)]

    assert len(set(extensions)) == len(extensions)
