import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import (
    GRAPH_FORMATS,
    JSONLD,
    NTRIPLES,
    PAGE,
    RDFXML,
    RESULT_FORMATS,
    TRIG,
    TURTLE,
    by_name,
    negotiate,
)

OFFERED = (*GRAPH_FORMATS, PAGE)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TURTLE),
        ("", TURTLE),
        ("*/*", TURTLE),
        (BROWSER, PAGE),
        ("text/turtle", TURTLE),
        ("application/ld+json", JSONLD),
        ("application/trig", TRIG),
        ("text/turtle;q=0.5, application/ld+json;q=1.0", JSONLD),
        ("text/turtle;q=0.5, application/rdf+xml", RDFXML),
        ("text/*", TURTLE),
        ("application/*;q=0.3, text/html;q=0.2", NTRIPLES),
        ("text/turtle;q=0, */*", NTRIPLES),
        ("text/turtle;q=0, */*;q=0.1, application/ld+json;q=0.05", NTRIPLES),
        ("TEXT/TURTLE", TURTLE),
        ('application/ld+json;profile="http://www.w3.org/ns/json-ld#compacted, x"', JSONLD),
        ('application/ld+json;profile="a\\"b,c";q=0.9, text/html;q=0.1', JSONLD),
        ("application/turtle", TURTLE),
        ("text/turtle;q=nonsense, application/ld+json", JSONLD),
        ("text/turtle;q=1.5, application/ld+json", JSONLD),
        ("text/turtle , , application/ld+json;q=0.5", TURTLE),
        ("*/html, application/ld+json", JSONLD),
        ("text/turtle; q=0.5; charset=utf-8, text/html;q=0.4", TURTLE),
    ],
)
def test_the_header_decides(accept, chosen):
    assert negotiate(accept, OFFERED) is chosen


@pytest.mark.parametrize("accept", ["image/png", "text/turtle;q=0", "*/*;q=0", "nonsense", "text/html;q=abc"])
def test_what_fits_nothing_is_refused_with_what_is_offered(accept):
    with pytest.raises(NotAcceptableError) as refused:
        negotiate(accept, GRAPH_FORMATS)
    assert "text/turtle" in str(refused.value)


@given(st.text(max_size=80))
def test_any_header_gets_an_offer_or_a_refusal(accept):
    with contextlib.suppress(NotAcceptableError):
        assert negotiate(accept, OFFERED) in OFFERED


def test_extensions_and_media_types_name_one_format_each():
    for table in (GRAPH_FORMATS, RESULT_FORMATS):
        assert len({each.extension for each in table}) == len(table)
        assert len({each.media_type for each in table}) == len(table)
        for each in table:
            assert by_name(each.name, table) is by_name(each.media_type, table) is each
    assert by_name("ttl", GRAPH_FORMATS) is TURTLE
    assert by_name("exe", GRAPH_FORMATS) is None


def test_text_types_say_their_charset():
    assert TURTLE.content_type == "text/turtle; charset=utf-8"
    assert JSONLD.content_type == "application/ld+json"
