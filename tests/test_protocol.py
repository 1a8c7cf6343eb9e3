from urllib.parse import quote, urlencode

import pytest

from cnrs_graph.errors import RefusedQueryError, RequestError, UnsupportedMediaTypeError
from cnrs_graph.protocol import FORM, QUERY, UPDATE, QueryRequest, read_get, read_post

TEXT = 'SELECT * { ?s ?p "a+b & c = %20 é" }'


def test_the_three_ways_to_send_a_query_say_the_same():
    form = urlencode({"query": TEXT})
    assert read_get(form).query == TEXT
    assert read_post("", FORM, form.encode()).query == TEXT
    assert read_post("", f"{FORM}; charset=UTF-8", form.encode()).query == TEXT
    assert read_post("", QUERY, TEXT.encode()).query == TEXT


def test_an_iri_with_an_escape_is_decoded_once():
    text = "DESCRIBE <https://example.org/a%20b>"
    assert read_get(f"query={quote(text)}").query == text
    assert read_post("", FORM, f"query={quote(text)}".encode()).query == text


def test_the_dataset_may_be_named_several_times():
    fields = "default-graph-uri=urn:a&default-graph-uri=urn:b&named-graph-uri=urn:c"
    wanted = QueryRequest("ASK {}", ("urn:a", "urn:b"), ("urn:c",))
    assert read_get(f"query=ASK+%7B%7D&{fields}") == wanted
    assert read_post(fields, QUERY, b"ASK {}") == wanted
    assert read_post("", FORM, f"query=ASK+%7B%7D&{fields}".encode()) == wanted


def test_no_query_asks_about_the_service():
    assert read_get("").query is None
    assert read_get("format=json").query is None


def test_only_get_may_ask_about_the_service():
    with pytest.raises(RequestError, match="no query"):
        read_post("", FORM, b"format=json")
    with pytest.raises(RequestError, match="no query"):
        read_get("default-graph-uri=urn:a")


def test_a_graph_nobody_named_is_no_graph():
    assert read_get("query=ASK%7B%7D&default-graph-uri=&named-graph-uri=") == QueryRequest("ASK{}")


@pytest.mark.parametrize("name", ["default_graph_uri", "Named-Graph-URI", "Query", "using-graph-uri"])
def test_a_parameter_that_means_something_is_not_passed_over_in_silence(name):
    with pytest.raises(RequestError, match=name):
        read_get(f"query=ASK%7B%7D&{name}=urn:a")


@pytest.mark.parametrize("charset", ["UTF-8", "utf8", '"utf-8"', "us-ascii"])
def test_a_body_may_say_that_it_is_utf_8(charset):
    assert read_post("", f"{QUERY}; charset={charset}", b"\xef\xbb\xbfASK {}").query == "ASK {}"


@pytest.mark.parametrize("media_type", [FORM, QUERY])
@pytest.mark.parametrize("charset", ["utf-16", "ISO-8859-1", "x"])
def test_a_body_in_another_charset_is_refused(media_type, charset):
    with pytest.raises(UnsupportedMediaTypeError, match="charset=utf-8"):
        read_post("", f"{media_type};charset={charset}", b"query=ASK%7B%7D")


def test_what_clients_add_is_passed_over():
    assert read_get("query=ASK%7B%7D&format=json&output=json&results=json&timeout=0").query == "ASK{}"


@pytest.mark.parametrize("string", ["query=", "query=+%0A", "query=ASK%7B%7D&query=ASK%7B%7D", "query=%FF"])
def test_a_query_string_that_says_nothing_clear_is_refused(string):
    with pytest.raises(RequestError):
        read_get(string)


def test_a_query_in_two_places_is_refused():
    with pytest.raises(RequestError, match="send it once"):
        read_post("query=ASK%7B%7D", QUERY, b"ASK {}")
    with pytest.raises(RequestError, match="2 queries"):
        read_post("query=ASK%7B%7D", FORM, b"query=ASK%7B%7D")


def test_bodies_that_are_no_text_are_refused():
    with pytest.raises(RequestError, match="UTF-8"):
        read_post("", QUERY, b"ASK {} #\xff")


def test_updates_are_refused_wherever_they_stand():
    with pytest.raises(RefusedQueryError):
        read_post("", UPDATE, b"DROP ALL")
    with pytest.raises(RefusedQueryError):
        read_post("", FORM, b"update=DROP+ALL")
    with pytest.raises(RefusedQueryError):
        read_get("update=DROP+ALL")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json"])
def test_other_bodies_are_named_with_what_is_read(content_type):
    with pytest.raises(UnsupportedMediaTypeError, match="application/sparql-query"):
        read_post("", content_type, b"ASK {}")
