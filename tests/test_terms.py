import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnrs_graph import terms
from cnrs_graph.terms import ResourceName

BASE = "https://example.org/graph/"
segment = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)


@given(kind=segment, parts=st.lists(segment, min_size=1, max_size=4))
def test_taking_an_iri_apart_undoes_minting_it(kind, parts):
    name = ResourceName(kind, "/".join(parts))
    assert terms.resource_name(BASE, terms.resource_iri(BASE, name)) == name


@pytest.mark.parametrize("slug", ["", "LN2", "ln2/", "a//b", "été", "a_b", "-a", "a-", "a b", "a%20b"])
def test_what_is_no_slug_is_not_minted(slug):
    with pytest.raises(ValueError, match="is not a slug"):
        terms.resource_iri(BASE, ResourceName("cooperation", slug))


@pytest.mark.parametrize(
    "iri", [BASE, f"{BASE}id/", f"{BASE}id/x", f"{BASE}id/x/", f"{BASE}vocab/role", "urn:x"]
)
def test_what_is_no_thing_of_ours_has_no_name(iri):
    assert terms.resource_name(BASE, iri) is None


def test_compact_and_expand_undo_each_other_for_every_prefix():
    assert terms.PREFIXES
    for prefix, namespace in terms.PREFIXES.items():
        assert terms.compact(f"{namespace}name") == f"{prefix}:name"
        assert terms.expand(f"{prefix}:name") == f"{namespace}name"


@pytest.mark.parametrize(
    "iri", ["http://www.w3.org/2004/02/skos/core#a/b", "urn:isbn:1", "https://example.org/"]
)
def test_what_cannot_be_shortened_stays_whole(iri):
    assert terms.compact(iri) == f"<{iri}>"
    assert terms.expand(terms.compact(iri)) == iri


@pytest.mark.parametrize("text", ["", "ln2", "<not an iri>", "http://exa mple.org/", "skos:a b"])
def test_what_is_no_iri_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the engine words some of these messages
        terms.expand(text)


language = st.sampled_from(["en", "fr", "fr-fr", "es-419", "x-klingon"])
datatype = st.sampled_from(["integer", "gYear", "date", "boolean", "decimal", "string", "nonNegativeInteger"])
literal = st.one_of(
    st.builds(ox.Literal, st.text()),
    st.builds(lambda text, tag: ox.Literal(text, language=tag), st.text(), language),
    st.builds(
        lambda text, name: ox.Literal(text, datatype=ox.NamedNode(terms.PREFIXES["xsd"] + name)),
        st.text(),
        datatype,
    ),
)


@given(literal)
def test_a_literal_comes_back_from_rdflib_as_it_was_written(written):
    assert terms.to_oxigraph(terms.to_rdflib(written)) == written


@pytest.mark.parametrize("term", [ox.NamedNode("https://example.org/é?a=b#c"), ox.BlankNode("b0")])
def test_a_node_comes_back_from_rdflib(term):
    assert terms.to_oxigraph(terms.to_rdflib(term)) == term


def test_leading_zeros_survive_the_way_to_rdflib():
    code = ox.Literal("007", datatype=ox.NamedNode(terms.PREFIXES["xsd"] + "integer"))
    assert str(terms.to_rdflib(code)) == "007"


def test_a_graph_is_named_after_its_file():
    from pathlib import PurePath

    assert terms.graph_iri(BASE, PurePath("claims/founding-text.ttl")) == f"{BASE}graph/claims/founding-text"
    assert terms.graph_iri(BASE, PurePath("a b/ü.ttl")) == f"{BASE}graph/a%20b/%C3%BC"
    assert terms.graph_family(BASE, f"{BASE}graph/claims/founding-text") == "claims"
