"""Where statements stand: the locator against the parser, counted independently."""

from collections import Counter
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import BNode, Graph
from rdflib.plugins.parsers.notation3 import BadSyntax, RDFSink, SinkParser

from cnrs_graph.dataset import canonical, source_files
from cnrs_graph.errors import Place
from cnrs_graph.inputs import READABLE
from cnrs_graph.places import LINED, find, index, locate, place_of
from cnrs_graph.terms import to_rdflib

ROOT = Path(__file__).parents[1]
BASE = "https://example.org/graph/x"
EX = "https://example.org/ns#"
FOLDERS = [ROOT / name for name in ("ontology", "shapes", "data", "tests/fixtures")]
SHIPPED = sorted(
    path
    for folder in FOLDERS
    if folder.is_dir()
    for path in folder.rglob("*")
    if path.suffix in LINED and "unreadable" not in path.parts
)

TRICKY = {
    "commas and semicolons": "@prefix : <#> .\n:a :p 1 ,\n  2 ; ; :q 3 ;\n .\n:b :p :c .",
    "nested blank nodes": (
        "@prefix : <#> .\n:a :p [ :q [ :r 1 ] ,\n [ ] ; :s [] ] .\n[ :t 5 ] .\n[] :u [ :v :w ] ."
    ),
    "collections": "@prefix : <#> .\n:a :p ( 1 ( 2 3 ) [ :q ( ) ] ) ,\n () .\n( :x ) :p ( :y ) .",
    "long strings": (
        '@prefix : <#> .\n:a :p """one\n"two" ; . [ # not a comment\n""" , \'\'\'it\'s\n\'\'\' ;\n :q "z" .'
    ),
    "quotes at the end of a long string": (
        '@prefix : <#> .\n:a :p """he said \\"yes\\"""" ; :q """a""b""" , "" , \'\' .'
    ),
    "numbers": (
        "@prefix : <#> .\n:a :p 1 , -1 , +1.0 , .5 , 1e3 , 1.E3 , -.5e-3 , 1.5E+3 .\n:b :p 4.\n:c :p 5 ."
    ),
    "booleans": "@prefix : <#> .\n:a :p true , false ; a :true .",
    "languages and datatypes": (
        '@prefix : <#> .\n:a :p "x"@en-GB , "y" @fr , "z"^^:t , "w" ^^ <#u> ; :q "v"^^\n :t .'
    ),
    "escapes": (
        '@prefix : <#> .\n:a :p "tab\\t\\u00e9\\U0001F600\\\\ \\"" , <#\\u00e9> , :x\\,y , :a%20b , :c\\~d .'
    ),
    "names with dots, colons, digits": (
        "@prefix a.b: <#> .\n@prefix : <#> .\na.b:x.y :1 :a:b , :_z , :é-1 . :q :r :s."
    ),
    "relative names": "@base <http://example.org/a/b?c#d> .\n<e> <../f> <#g> , <?h> , <> , <//i/j> .",
    "several bases": (
        "@base <http://example.org/> .\n@base <x/> .\n<y> <p> <z> .\nBASE <http://other.org/>\n<y> <p> <z> ."
    ),
    "directives of SPARQL": "PREFIX : <#>\nprefix x: <#x>\nBASE <http://example.org/>\n:a x:p <b> .",
    "a prefix declared again": "@prefix : <#a> .\n:x :p :y .\n@prefix : <#b> .\n:x :p :y .",
    "comments": "# one\n@prefix : <#> . # two\n:a # three . ; ,\n :p # four\n :b # five\n .# six",
    "words that look like others": (
        "@prefix a: <#a> .\n@prefix graph: <#g> .\na:a a a:a .\ngraph:b a graph:c ."
    ),
    "lines of another system": "@prefix : <#> .\r\n:a :p 1 ;\r\n :q 2 .\r\n",
    "blank nodes with names": "@prefix : <#> .\n_:a.b :p _:1 , _:c . _:1 :p _:a.b .",
    "beyond the basic plane": '@prefix : <#> .\n:a :p "😀" , :𝒳 , "é" .',
}
TRICKY_TRIG = {
    "graphs": (
        "@prefix : <#> .\n:g { :a :p 1 ; :q 2 }\nGRAPH :h { :a :p 3 . :b :p 4 . }\n{ :c :p 5 }\n:d :p 6 ."
    ),
    "blank graph names": "@prefix : <#> .\n_:g { :a :p [ :q 1 ] }\n[] { :b :p ( 1 2 ) }\ngraph [] { }",
    "graphs and directives": "PREFIX : <#>\n:g { }\n@prefix x: <#x> .\nx:g { x:a a x:b . }",
}


def parsed(text, form):
    return [
        ox.Quad(q.subject, q.predicate, q.object)
        for q in ox.parse(input=text.encode(), format=form, base_iri=BASE)
    ]


def triples(located):
    return [
        ox.Quad(row.subject, row.predicate, row.value)
        for row in located
        if row.predicate is not None and row.value is not None
    ]


def places(text, form=ox.RdfFormat.TURTLE):
    """Where the object of each ground triple stands, counted without the locator: by parsing beginnings.

    A triple is said when its object has been read and the document is ended there; the object stands where
    the shortest beginning that says it started to be longer than the one before.
    """
    found = {}
    for end in range(1, len(text) + 1):
        for closing in (" .", " . }"):
            try:
                said = Counter(parsed(text[:end] + closing, form))
            except SyntaxError:
                continue
            for triple in said:
                found.setdefault(triple, end)
            break
    return found


def offset(text, line, column):
    return sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + column - 1


@pytest.mark.parametrize("text", TRICKY.values(), ids=TRICKY)
def test_the_locator_reads_the_same_triples_as_the_parser(text):
    assert canonical(triples(locate(text, base=BASE))) == canonical(parsed(text, ox.RdfFormat.TURTLE))


@pytest.mark.parametrize("text", [*TRICKY_TRIG.values(), *TRICKY.values()], ids=[*TRICKY_TRIG, *TRICKY])
def test_the_locator_reads_the_same_triples_in_trig(text):
    assert canonical(triples(locate(text, base=BASE))) == canonical(parsed(text, ox.RdfFormat.TRIG))


def test_the_locator_reads_lines_of_triples_and_quads():
    text = '<x:a> <x:p> "1"@en .\n_:b <x:p> <x:c> <x:g> .\n<x:a> <x:q> "2"^^<x:d> _:g .\n'

    rows = [(row.value, row.line, row.column) for row in locate(text) if row.predicate]

    assert rows == [
        (ox.Literal("1", language="en"), 1, 13),
        (ox.NamedNode("x:c"), 2, 11),
        (ox.Literal("2", datatype=ox.NamedNode("x:d")), 3, 13),
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_file_is_read_like_the_parser_reads_it(path):
    text = path.read_text(encoding="utf-8")
    try:
        expected = parsed(text, READABLE[path.suffix])
    except SyntaxError:
        pytest.skip("not meant to be readable")
    assert canonical(triples(locate(text, base=BASE))) == canonical(expected)


class CountingParser(SinkParser):
    """rdflib's own Turtle parser, made to note where each object starts."""

    def __init__(self, graph):
        super().__init__(RDFSink(graph), baseURI=BASE, turtle=True)
        self.starts, self.waiting, self.places = {}, [], {}

    def object(self, text, start, found):
        self.text = text
        begins = self.skipSpace(text, start)
        before = len(found)
        end = super().object(text, start, found)
        if end >= 0 and len(found) > before:
            self.starts[id(found), before] = begins
        return end

    def objectList(self, text, start, found):
        end = super().objectList(text, start, found)
        self.waiting = [self.starts.pop((id(found), number)) for number in range(len(found))]
        return end

    def makeStatement(self, statement):
        super().makeStatement(statement)
        if self.waiting:
            predicate, subject, value = (self._store.normalise(None, term) for term in statement[1:])
            begins = self.waiting.pop(0)
            if not isinstance(subject, BNode) and not isinstance(value, BNode):
                line = self.text.count("\n", 0, begins) + 1
                column = begins - self.text.rfind("\n", 0, begins)
                self.places.setdefault((subject, predicate, value), set()).add((line, column))


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.suffix == ".ttl"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_place_in_shipped_turtle_agrees_with_a_parser_that_counts(path):
    text = path.read_text(encoding="utf-8")
    parser = CountingParser(Graph(bind_namespaces="none"))
    try:
        parser.loadBuf(text)
    except BadSyntax:
        pytest.skip("not meant to be readable")
    ours = {}
    for row in locate(text, base=BASE):
        if (
            row.predicate
            and not isinstance(row.subject, ox.BlankNode)
            and not isinstance(row.value, ox.BlankNode)
        ):
            key = tuple(to_rdflib(term) for term in (row.subject, row.predicate, row.value))
            ours.setdefault(key, set()).add((row.line, row.column))
    assert ours == parser.places


def test_there_are_shipped_files():
    assert len(SHIPPED) > 20
    assert len(source_files(ROOT / "ontology")) > 10


@pytest.mark.parametrize(
    "name",
    [
        "commas and semicolons",
        "long strings",
        "booleans",
        "numbers",
        "relative names",
        "comments",
        "beyond the basic plane",
        "words that look like others",
        "lines of another system",
    ],
)
def test_the_place_agrees_with_counting_by_beginnings(name):
    text = TRICKY[name]
    counted = places(text)
    rows = [row for row in locate(text, base=BASE) if row.predicate]
    assert rows
    for row in rows:
        triple = ox.Quad(row.subject, row.predicate, row.value)
        start, end = offset(text, row.line, row.column), counted[triple]
        # The shortest beginning that says the triple ends inside or right after the object.
        said = text[start:end]
        alone = f"@prefix : <#> . @prefix a: <#a> . @prefix graph: <#g> . <x:s> <x:p> {said} ."
        base = "http://example.org/a/b?c#d" if name == "relative names" else BASE
        assert said == said.strip()
        (quad,) = ox.parse(input=alone.encode(), format=ox.RdfFormat.TURTLE, base_iri=base)
        assert quad.object == row.value, said


def test_columns_count_characters_and_lines_count_from_one():
    (standing, said) = locate('<x:é> <x:p> "😀" .')
    assert (standing.line, standing.column, standing.predicate) == (1, 1, None)
    assert (said.line, said.column) == (1, 13)


def test_a_nested_node_stands_where_its_bracket_opens():
    rows = list(locate("@prefix : <#> .\n:a :p [\n  :q ( 1\n 2 ) ] .", base=BASE))
    by_predicate = {
        row.predicate.value.rpartition("#")[2]: (row.line, row.column) for row in rows if row.predicate
    }
    assert by_predicate["p"] == (2, 7)
    assert by_predicate["q"] == (3, 6)
    assert [(r.line, r.column) for r in rows if r.predicate and r.predicate.value.endswith("first")] == [
        (3, 8),
        (4, 2),
    ]


def test_only_the_wanted_subjects_are_located():
    text = "@prefix : <#> .\n:a :p 1 .\n:b :p 2 .\n:a :q 3 ."
    wanted = ox.NamedNode(f"{BASE}#a")
    assert {row.subject for row in locate(text, base=BASE, subjects=[wanted])} == {wanted}


@pytest.mark.parametrize(
    "text", ["<x:a> <x:p> <<( <x:b> <x:p> <x:c> )>> .", ":a :b :c .", "<x:a> <x:p> ] .", "% ."]
)
def test_what_is_not_known_is_refused_after_what_is(text):
    rows = []
    with pytest.raises(ValueError, match="offset"):
        rows.extend(locate(f"<x:k> <x:p> 1 .\n{text}"))


iris = st.from_regex(r"[a-z]{1,3}:[a-zé]{1,5}", fullmatch=True).map(ox.NamedNode)
literals = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(ox.Literal),
    st.builds(
        lambda text, tag: ox.Literal(text, language=tag),
        st.text("ab\n\"'\\"),
        st.sampled_from(["en", "fr-ca"]),
    ),
    st.builds(lambda text, iri: ox.Literal(text, datatype=iri), st.text("01\t."), iris),
)


@given(st.lists(st.builds(ox.Triple, iris, iris, st.one_of(iris, literals)), min_size=1, max_size=8))
def test_what_the_engine_writes_is_located_line_by_line(said):
    text = ox.serialize(said, format=ox.RdfFormat.N_TRIPLES).decode()
    rows = [row for row in locate(text) if row.predicate]
    assert [ox.Triple(row.subject, row.predicate, row.value) for row in rows] == said
    assert [row.line for row in rows] == list(range(1, len(said) + 1))
    for row, line in zip(rows, text.split("\n"), strict=False):
        assert line[row.column - 1 :] == f"{row.value} ."


@given(st.lists(st.builds(ox.Triple, iris, iris, st.one_of(iris, literals)), min_size=1, max_size=8))
def test_turtle_of_the_engine_is_read_back(said):
    text = ox.serialize(said, format=ox.RdfFormat.TURTLE, prefixes={"p": "a:"}).decode()
    assert Counter(triples(locate(text))) == Counter(ox.Quad(t.subject, t.predicate, t.object) for t in said)


@pytest.fixture
def files(tmp_path):
    texts = {
        "a.ttl": "@prefix : <https://example.org/ns#> .\n\n:other :p :x .\n:x :q 7 .\n",
        "b.ttl": "@prefix : <https://example.org/ns#> .\n:x a :Thing ;\n    :p 1 ,\n      2 ;\n"
        '    :r "é" , [ :s "in" ] .\n',
        "c.jsonld": f'{{"@id": "{EX}y", "{EX}p": "here"}}',
        "d.rdf": (
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="https://example.org/ns#">'
            f'<rdf:Description rdf:about="{EX}z" e:p="there"/></rdf:RDF>'
        ),
        "e.ttl": "@prefix : <https://example.org/ns#> .\n:t :p <<( :a :b :c )>> .\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {f"https://example.org/graph/{Path(name).stem}": tmp_path / name for name in texts}


def node(name):
    return ox.NamedNode(EX + name)


def number(text):
    return ox.Literal(text, datatype=ox.NamedNode("http://www.w3.org/2001/XMLSchema#integer"))


@pytest.mark.parametrize(
    ("subject", "predicate", "value", "expected"),
    [
        ("x", "p", number("2"), ("b.ttl", 4, 7)),
        ("x", "p", number("1"), ("b.ttl", 3, 8)),
        ("x", "p", number("3"), ("b.ttl", 3, 8)),
        ("x", "p", None, ("b.ttl", 3, 8)),
        ("x", "r", ox.Literal("é"), ("b.ttl", 5, 8)),
        ("x", "q", None, ("a.ttl", 4, 7)),
        ("x", "missing", None, ("b.ttl", 2, 1)),
        ("x", None, None, ("b.ttl", 2, 1)),
        ("x", None, number("7"), ("a.ttl", 4, 7)),
        ("y", "p", None, ("c.jsonld", None, None)),
        ("z", None, None, ("d.rdf", None, None)),
        ("t", None, None, ("e.ttl", 2, 1)),
        ("nowhere", "p", None, None),
    ],
)
def test_the_place_is_the_value_or_the_property_or_the_subject(files, subject, predicate, value, expected):
    place = place_of(files, node(subject), node(predicate) if predicate else None, value)
    if expected is None:
        assert place is None
    else:
        assert place == Place(next(iter(files.values())).parent / expected[0], *expected[1:])


def test_a_blank_node_is_found_by_what_is_said_about_it(files):
    path = files["https://example.org/graph/b"]
    quads = list(ox.parse(path=path, format=ox.RdfFormat.TURTLE, rename_blank_nodes=True))
    (blank,) = {quad.subject for quad in quads if isinstance(quad.subject, ox.BlankNode)}

    located = index(files, [blank, node("x")], quads)

    assert find(located, blank, node("s")) == Place(path, 5, 19)
    assert find(located, blank) == Place(path, 5, 14)
    assert find(located, node("x"), node("r"), blank) == Place(path, 5, 14)
