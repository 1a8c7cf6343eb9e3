from pathlib import Path

from cnrs_graph.errors import Place, QueryError, UnknownQueryError, UnknownResourceError, suggestion


def test_a_place_says_what_an_editor_can_open():
    assert str(Place(Path("data/a.ttl"))) == "data/a.ttl"
    assert str(Place(Path("data/a.ttl"), 3)) == "data/a.ttl:3"
    assert str(Place(Path("data/a.ttl"), 3, 9)) == "data/a.ttl:3:9"


def test_a_query_error_points_at_its_place():
    error = QueryError("a brace is missing", line=2, column=5, excerpt="ASK {", hint="add }")
    assert str(error).splitlines() == ["line 2, column 5: a brace is missing", "  ASK {", "      ^", "add }"]


def test_an_unknown_name_brings_a_near_one():
    error = UnknownQueryError("cq-a1-anounced", ["cq-a1-announced", "cq-b2-rules"])
    assert "did you mean cq-a1-announced?" in str(error)


def test_a_name_like_no_other_brings_the_known_ones():
    assert suggestion("zzzz", ["ln2", "takuvik"]) == "known are ln2, takuvik"
    assert suggestion("zzzz", []) == "none is known"
    assert suggestion("zzzz", [f"thing-{number}" for number in range(20)]).endswith("and 8 more")


def test_an_unknown_resource_names_itself():
    assert "https://example.org/x" in str(UnknownResourceError("https://example.org/x"))
