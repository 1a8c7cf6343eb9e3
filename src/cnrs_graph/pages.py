"""How pages are made: the frame around them, links, and terms as readers see them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pyoxigraph as ox

from cnrs_graph.addresses import in_language, path_of
from cnrs_graph.descriptions import Fact, Index, chosen_name, name_of, node_key
from cnrs_graph.formats import Format
from cnrs_graph.languages import negotiate_language
from cnrs_graph.terms import Term, compact, expand, local_name
from cnrs_graph.words import LANGUAGES, PROPERTIES, WORDS, language_name, word

_TEMPLATES = Path(__file__).parent / "templates"
_BOOLEAN = expand("xsd:boolean")
#: Where a source can be read, the best first.
_SOURCE_LINKS = tuple(expand(curie) for curie in ("schema:url", "foaf:page", "foaf:homepage"))
_WEB = re.compile(r"https?://[^\s<>\"\\^`{|}\x00-\x20]+", re.IGNORECASE)


@dataclass(frozen=True)
class Shown:
    """A term as a page shows it: text with its language, a link if it may be one, and where it comes from."""

    text: str
    language: str | None = None
    href: str | None = None
    external: bool = False
    #: What to say when the text is in another language than the page.
    note: str = ""
    title: str = ""
    code: bool = False
    marks: tuple[int, ...] = ()
    derived: bool = False


@dataclass(frozen=True)
class Row:
    """A property and its values."""

    label: Shown
    values: tuple[Shown, ...]


@dataclass(frozen=True)
class SourceEntry:
    """A source in the list at the end of a page, under the number that its marks show."""

    number: int
    name: Shown
    href: str | None
    address: str = ""


@dataclass
class Marks:
    """The numbers that sources get on one page, in order of first use."""

    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, sources: Iterable[str]) -> tuple[int, ...]:
        """The numbers of these sources, new ones given where needed."""
        return tuple(sorted(self.numbers.setdefault(iri, len(self.numbers) + 1) for iri in sources))


def spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as spans, each with its first and last; two in a row stay two.

    >>> spans((1, 2, 3, 5, 6, 8))
    [(1, 3), (5, 5), (6, 6), (8, 8)]
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return [
        span
        for run in found
        for span in ([(run[0], run[-1])] if len(run) > 2 else [(number, number) for number in run])
    ]


@dataclass(frozen=True)
class Tongue:
    """The language of a page, and whether the address of the page names it: then its links name it too."""

    language: str
    addressed: bool = False


#: The first language there are words for, for who says nothing.
UNCHOSEN = Tongue(next(iter(WORDS)))


@dataclass(frozen=True)
class Desk:
    """What every page is made with: the index, the language, and where the site is served.

    *prefix* stands before every local link; links are never made from what a request says of its host.
    *path* is that of the page without its language, with its query; empty where it has none to come back to.
    """

    index: Index
    language: str
    prefix: str
    title: str
    notice: str
    licence: str = ""
    version: str = ""
    addressed: bool = False
    path: str = ""

    def word(self, key: str, **values: object) -> str:
        """A text of the interface in the language of the page."""
        return word(self.language, key, **values)

    def href(self, iri: str) -> tuple[str | None, bool]:
        """Where a link to an IRI leads and whether that is outside: only http and https are ever followed."""
        path = path_of(self.index.base, iri)
        if path is not None and self._answered(iri):
            return self.local(path), False
        if path is None and _WEB.fullmatch(iri):
            return iri, True
        return None, False

    def local(self, path: str) -> str:
        """A link to a page of this site, in the language that this page's address names, if it names one."""
        return self.local_in(self.language, path) if self.addressed else self.file(path)

    def local_in(self, language: str, path: str) -> str:
        """A link to a page of this site in a language."""
        return f"{self.prefix}/{language}{path}"

    def file(self, path: str) -> str:
        """A link to what has no language: data, stylesheets, pictures."""
        return f"{self.prefix}{path}"

    @property
    def languages(self) -> list[tuple[str, str, str]]:
        """The languages that this page can be read in: tag, own name, and the address of the page in it."""
        found = [(tag, LANGUAGES[tag][tag], self.local_in(tag, self.path)) for tag in WORDS]
        return found if self.path else []

    def name(self, iri: str, **changes: Any) -> Shown:
        """A thing by its name, linked."""
        named = name_of(self.index, iri, (self.language,))
        href, external = self.href(iri)
        has_name = iri in self.index.names or iri.startswith(f"{self.index.base}id/")
        text = named.value
        if external and text == iri:
            text = re.sub(r"^https?://(?:www\.)?", "", iri, flags=re.IGNORECASE).rstrip("/")
        return Shown(
            text=text,
            language=self._tag(named),
            href=href,
            external=external,
            note=self._note(named),
            title="" if href and (not external or compact(iri).startswith("<")) else compact(iri).strip("<>"),
            code=not has_name and not external,
            **changes,
        )

    def term(self, term: Term, **changes: Any) -> Shown:
        """Any term: a literal as its text, a link by its name, a nameless node by its structure."""
        if isinstance(term, ox.NamedNode):
            return self.name(term.value, **changes)
        if isinstance(term, ox.Literal):
            return self.literal(term, **changes)
        return Shown(self.expression(term), **changes)

    def literal(self, literal: ox.Literal, **changes: Any) -> Shown:
        """A text or a number; yes and no are said in words."""
        text = literal.value
        if literal.datatype.value == _BOOLEAN:
            text = self.word({"true": "yes", "1": "yes"}.get(text, "no"))
        return Shown(text, self._tag(literal), note=self._note(literal), **changes)

    def spoken(self, text: str, language: str, **changes: Any) -> Shown:
        """A text that is known to be in a language, which is said where it is another than the page's."""
        return self.literal(ox.Literal(text, language=language), **changes)

    def property(self, iri: str) -> Shown:
        """A property by the label it has in the ontology, else by our plain name for it, else by its own."""
        plain, language = PROPERTIES[self.language].get(compact(iri)), None
        if plain is None or iri.startswith(self.index.base):
            label = chosen_name(self.index.names.get(iri, ()), (self.language,))
            plain = label.value if label is not None else plain or spelled(local_name(iri))
            language = self._tag(label) if label is not None else None
        href = self.href(iri)[0] if iri.startswith(self.index.base) else None
        return Shown(plain, language, href, title="" if href else compact(iri).strip("<>"))

    def kind(self, iri: str) -> Shown:
        """A class by its name; one of a standard vocabulary by our plain name for it."""
        plain = PROPERTIES[self.language].get(compact(iri))
        if plain is None or iri in self.index.names:
            return self.name(iri)
        return Shown(plain, title=compact(iri).strip("<>"))

    def texts(self, key: str, *curies: str) -> tuple[Shown, ...]:
        """The texts of a node under these properties, in the language of the page where there are any."""
        found = [
            value
            for curie in curies
            for value in self.index.values(key, expand(curie))
            if isinstance(value, ox.Literal)
        ]
        return tuple(self.literal(text) for text in self.preferred(found))

    def preferred(self, literals: Sequence[ox.Literal]) -> list[ox.Literal]:
        """The literals without language, and those in the page's language, or in the first there is."""
        plain = [text for text in literals if not text.language]
        tagged = [text for text in literals if text.language]
        best = chosen_name(tagged, (self.language,))
        if best is None:
            return plain
        return plain + [text for text in tagged if text.language == best.language]

    def rows(self, facts: Iterable[Fact], marks: Marks) -> list[Row]:
        """Facts by property, each value with the marks of its sources."""
        table: dict[str, list[Fact]] = {}
        for fact in facts:
            table.setdefault(fact.predicate, []).append(fact)
        return [Row(self.property(predicate), self.values(held, marks)) for predicate, held in table.items()]

    def values(self, facts: Sequence[Fact], marks: Marks) -> tuple[Shown, ...]:
        """The values of facts with one property; of texts in several languages those that fit the page."""
        texts = self.preferred([f.object for f in facts if isinstance(f.object, ox.Literal)])
        kept = [f for f in facts if not isinstance(f.object, ox.Literal) or f.object in texts]
        return tuple(
            self.term(fact.object, marks=marks.of(fact.sources), derived=fact.derived) for fact in kept
        )

    def source_entries(self, marks: Marks) -> list[SourceEntry]:
        """The list of sources that the marks of a page point to."""
        entries = []
        for iri, number in marks.numbers.items():
            links = [node_key(value) for value in self.index.values(iri, *_SOURCE_LINKS)]
            address = next((link for link in links if _WEB.fullmatch(link)), None)
            entries.append(SourceEntry(number, self.name(iri), address, address or ""))
        return entries

    def expression(self, node: Term, depth: int = 0) -> str:
        """A class expression or a list of the ontology, in words."""
        if depth > 6 or not isinstance(node, ox.BlankNode):
            return name_of(self.index, node_key(node), (self.language,)).value if depth else "…"
        about = {q.predicate.value: q.object for q in self.index.accepted.get(node_key(node), ())}
        for curie, glue in self._glues():
            if expand(curie) in about:
                head = node if curie == "rdf:first" else about[expand(curie)]
                return glue.join(self._operand(member, depth + 1) for member in self.members(head))
        if expand("owl:onProperty") in about:
            held = self._operand(about[expand("owl:onProperty")], depth + 1)
            for curie in ("owl:hasValue", "owl:someValuesFrom", "owl:allValuesFrom"):
                if expand(curie) in about:
                    return f"{held}: {self._operand(about[expand(curie)], depth + 1)}"
            return held
        return "…"

    def _glues(self) -> tuple[tuple[str, str], ...]:
        either, both = self.word("or"), self.word("and")
        return ("owl:unionOf", f" {either} "), ("owl:intersectionOf", f" {both} "), ("rdf:first", ", ")

    def members(self, head: Term) -> list[Term]:
        """The members of a list in the index."""
        members: list[Term] = []
        while len(members) < 100:
            about = {q.predicate.value: q.object for q in self.index.accepted.get(node_key(head), ())}
            if expand("rdf:first") not in about:
                return members
            members.append(about[expand("rdf:first")])
            head = about.get(expand("rdf:rest"), head)
        return members

    def _operand(self, term: Term, depth: int) -> str:
        return self.literal(term).text if isinstance(term, ox.Literal) else self.expression(term, depth)

    def _answered(self, iri: str) -> bool:
        tail = iri[len(self.index.base) :]
        return self.index.knows(iri) or tail.startswith(
            ("graph/", "ontology", "shapes", "dataset", "queries")
        )

    def _tag(self, literal: ox.Literal) -> str | None:
        return literal.language if literal.language and literal.language.lower() != self.language else None

    def _note(self, literal: ox.Literal) -> str:
        tag = literal.language
        if not tag or tag.lower().partition("-")[0] == self.language:
            return ""
        return self.word("name-in", name=language_name(self.language, tag))


def spelled(name: str) -> str:
    """A camel-case name in plain words.

    >>> spelled("hadPrimarySource")
    'had primary source'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower().replace("_", " ")


def natural(text: str) -> tuple[Any, ...]:
    """A sort key in which 2 comes before 10."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)
    )


def render(desk: Desk, template: str, *, title: str, here: str = "", **values: object) -> bytes:
    """Fill a template in, inside the frame all pages share."""
    page = _environment().get_template(template)
    text = page.render(
        desk=desk, t=desk.word, title=title, here=here, nav=_NAVIGATION, css=stylesheet_path(), **values
    )
    return text.encode()


def fill(template: str, **values: object) -> str:
    """Fill a template in by itself, without the frame of the site."""
    return _environment().get_template(template).render(**values)


#: The links every page starts with: a word and a path.
_NAVIGATION: Sequence[tuple[str, str]] = (
    ("browse", "/browse"),
    ("queries", "/queries"),
    ("sparql", "/sparql"),
    ("ontology", "/ontology"),
    ("shapes", "/shapes"),
    ("data", "/dataset"),
)


@lru_cache(maxsize=1)
def stylesheet() -> bytes:
    """The one stylesheet of the site, without comments and line ends."""
    return re.sub(rb"/\*.*?\*/|\n\s*", b"", (_TEMPLATES / "site.css").read_bytes(), flags=re.DOTALL)


@lru_cache(maxsize=1)
def stylesheet_path() -> str:
    """Its path, which changes when it changes."""
    return f"/static/site.{hashlib.sha256(stylesheet()).hexdigest()[:12]}.css"


@lru_cache(maxsize=1)
def icon() -> bytes:
    """The small picture of the site."""
    return (_TEMPLATES / "icon.svg").read_bytes()


@dataclass(frozen=True)
class DataLink:
    """A link to a page's content in another format."""

    name: str
    href: str
    media_type: str


def data_links(desk: Desk, links: Iterable[tuple[Format, str]]) -> list[DataLink]:
    """The formats a page's content can be had in, as links."""
    return [DataLink(FORMAT_NAMES[fmt.name], desk.file(path), fmt.media_type) for fmt, path in links]


#: What pages call the formats.
FORMAT_NAMES: Mapping[str, str] = {
    "turtle": "Turtle",
    "ntriples": "N-Triples",
    "jsonld": "JSON-LD",
    "rdfxml": "RDF/XML",
    "trig": "TriG",
    "nquads": "N-Quads",
    "json": "JSON",
    "xml": "XML",
    "csv": "CSV",
    "tsv": "TSV",
    "safe-csv": "CSV for spreadsheets",
    "xlsx": "Excel",
    "geojson": "GeoJSON",
}


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    capital: Callable[[str], str] = lambda text: text[:1].upper() + text[1:]  # noqa: E731 - a filter
    environment.filters["capital"] = capital
    environment.filters["spans"] = spans
    return environment


def page_language(accept_language: str | None) -> str:
    """The language of a page: the best of those we have words for.

    >>> page_language("de, fr;q=0.5")
    'fr'
    """
    return negotiate_language(accept_language, tuple(WORDS))


def tongue_of(accept_language: str | None, path: str = "") -> Tongue:
    """The language of a page: the one its address names, else the one that the reader reads best.

    >>> tongue_of("es", "/fr/browse")
    Tongue(language='fr', addressed=True)
    """
    named = in_language(path, WORDS)[0]
    return Tongue(page_language(accept_language)) if named is None else Tongue(named, addressed=True)
