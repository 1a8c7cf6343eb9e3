"""Names, codes and identifiers of things, to be found without their accents and with slips of the pen."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyoxigraph as ox
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from cnrs_graph.descriptions import CONCEPT, NAMES, NOT_PARTS, TYPE, Index, node_key
from cnrs_graph.lookup import Shelves, Stored
from cnrs_graph.terms import Term, expand

#: What is looked through, by the kind of text it is; the first kinds win among equals.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": NAMES,
    "code": tuple(expand(curie) for curie in ("skos:notation",)),
    "other": tuple(
        expand(curie)
        for curie in ("skos:altLabel", "skos:hiddenLabel", "dcterms:alternative", "schema:alternateName")
    ),
    "identifier": tuple(
        expand(curie)
        for curie in (
            "dcterms:identifier",
            "schema:identifier",
            "schema:sameAs",
            "skos:exactMatch",
            "owl:sameAs",
        )
    ),
}
_FIELD_OF = {predicate: name for name, predicates in FIELDS.items() for predicate in predicates}
#: How a text answers to what was asked, with the points for it; likeness of the two adds up to nine.
HOWS: Mapping[str, float] = {
    "same": 91,
    "begins": 81,
    "words": 71,
    "beginnings": 61,
    "inside": 51,
    "spread": 41,
    "spelling": 31,
    "some": 11,
}
#: Points lost by a text that is no name, and by what is no thing (a term, a rule, a list).
_LESS = {"name": 0.0, "code": 0.0, "other": 0.5, "identifier": 1.0}
_LESS_NO_THING = 3.0
#: The name of the file beside a store on disk.
FILE = "search.sqlite"
#: So much is asked of an endpoint elsewhere.
_MOST_ROWS = 200_000
_LONGEST_QUERY = 200
_MOST_WORDS = 12
#: Things looked at more closely; whoever needs more has asked too little.
CONSIDERED = 500
_MOST_VOCABULARY = 200_000
_NEAR_WORDS = 5
#: Letters that keep their shape when accents are taken off.
_PLAIN = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "’": "'", "ʼ": "'"})
_WORD = re.compile(r"[^\W_]+")
#: Codes are written with and without a space before their number.
_GLUED = re.compile(r"\b([^\W\d_]{2,})(\d{3,})\b")
_TABLES = """
CREATE TABLE thing(id INTEGER PRIMARY KEY, iri TEXT UNIQUE, less REAL);
CREATE TABLE kind(thing INTEGER, kind TEXT, PRIMARY KEY(kind, thing)) WITHOUT ROWID;
CREATE TABLE entry(thing INTEGER, field TEXT, text TEXT, language TEXT, folded TEXT);
CREATE VIRTUAL TABLE words USING fts5(name, code, other, identifier, content='',
  tokenize="unicode61 remove_diacritics 2", prefix='2 3');
CREATE VIRTUAL TABLE pieces USING fts5(text, content='', tokenize='trigram');
"""
_INDEXES = """
CREATE INDEX entry_thing ON entry(thing);
CREATE INDEX entry_folded ON entry(folded);
CREATE INDEX kind_thing ON kind(thing);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab('words', 'row');
"""
_OF_KIND = "(?2 = '[]' OR rowid IN (SELECT thing FROM kind WHERE kind IN (SELECT value FROM json_each(?2))))"
_RANKED = {
    "words": f"SELECT rowid FROM words WHERE words MATCH ?1 AND {_OF_KIND} "  # noqa: S608 - constants only
    "ORDER BY bm25(words, 10, 8, 6, 6) LIMIT ?3",
    "pieces": f"SELECT rowid FROM pieces WHERE pieces MATCH ?1 AND {_OF_KIND} ORDER BY rank LIMIT ?3",  # noqa: S608
}
_COUNTED = {
    "words": "SELECT kind, COUNT(*) FROM kind "
    "WHERE thing IN (SELECT rowid FROM words WHERE words MATCH ?1) GROUP BY kind",
    "pieces": "SELECT kind, COUNT(*) FROM kind "
    "WHERE thing IN (SELECT rowid FROM pieces WHERE pieces MATCH ?1) GROUP BY kind",
}
_TOTAL = {
    "words": f"SELECT COUNT(*) FROM words WHERE words MATCH ?1 AND {_OF_KIND}",  # noqa: S608
    "pieces": f"SELECT COUNT(*) FROM pieces WHERE pieces MATCH ?1 AND {_OF_KIND}",  # noqa: S608
}
_SAME = f"SELECT DISTINCT thing AS rowid FROM entry WHERE folded = ?1 AND {_OF_KIND} LIMIT ?3".replace(  # noqa: S608
    "rowid IN", "thing IN"
)


_AT_ADDRESS = "SELECT DISTINCT thing FROM entry WHERE folded = ? AND text = ?"

#: A query, and its rows: terms by the name of their column.
Ask = Callable[[str], Iterable[Any]]


@dataclass(frozen=True)
class Entry:
    """A text by which a thing can be found."""

    field: str
    text: str
    language: str = ""


@dataclass
class Findable:
    """A thing with the texts by which it can be found and its classes."""

    iri: str
    entries: list[Entry] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Why:
    """Why a thing was found: which of its texts answers, and how."""

    how: str
    field: str
    text: str
    language: str


@dataclass(frozen=True)
class Hit:
    """A thing that was found; the score goes from 0 to 100."""

    iri: str
    score: float
    why: Why


@dataclass(frozen=True)
class Found:
    """What a search found: the hits asked for, how many there are, and how many of each class.

    `corrected` says which words were taken for which; `partly` that nothing has all of the words.
    """

    hits: tuple[Hit, ...] = ()
    total: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    corrected: Mapping[str, str] = field(default_factory=dict)
    partly: bool = False


def folded(text: str) -> str:
    """A text without accents, capitals and signs, its words one space apart; a code is two of them.

    >>> folded("Œuvres du Québec – UMI3463")
    'oeuvres du quebec umi 3463'
    """
    plain = text.casefold()
    if not plain.isascii():
        apart = unicodedata.normalize("NFKD", plain.translate(_PLAIN))
        plain = "".join(c for c in apart if not unicodedata.combining(c))
    return " ".join(_WORD.findall(_GLUED.sub(r"\1 \2", plain)))


def findable(index: Index) -> Iterator[Findable]:
    """The named nodes below the base, with what accepted statements call them; parts speak for the whole."""
    things: dict[str, Findable] = {}
    for key, names in index.names.items():
        if _is_meant(index.base, key):
            things[key] = Findable(key, [Entry("name", each.value, each.language or "") for each in names])
    for table in (index.accepted, index.inferred):
        for key, quads in table.items():
            if key in things:
                things[key].kinds += [node_key(q.object) for q in quads if q.predicate.value == TYPE]
    for key, quads in index.accepted.items():
        told = list(_told((q.predicate.value, q.object) for q in quads))
        if told:
            for owner in (key,) if key in things else _owners(index, key):
                if owner in things:
                    things[owner].entries += told
    return iter(things.values())


def findable_in(ask: Ask, shelves: Shelves, *, most_rows: int | None = None) -> Iterator[Findable]:
    """The same by a few queries over everything that is accepted, so many rows of each at most.

    Raises: EndpointError when a remote store fails.
    """
    limit = f" LIMIT {most_rows}" if most_rows is not None else ""
    things: dict[str, Findable] = {}
    parts: dict[str, list[Entry]] = defaultdict(list)
    # The names come first: what has none is a part of something.
    for predicate in _FIELD_OF:
        for row in ask(f"SELECT ?s ?o {{ {shelves.accepted(f'?s <{predicate}> ?o')} }}{limit}"):
            key = node_key(row["s"])
            if predicate in NAMES and _is_meant(shelves.base, key):
                things.setdefault(key, Findable(key))
            entries = things[key].entries if key in things else parts[key]
            entries += _told([(predicate, row["o"])])
    for row in ask(f"SELECT ?s ?k {{ {shelves.accepted('?s a ?k')} FILTER(isIRI(?s)) }}{limit}"):
        if (key := node_key(row["s"])) in things:
            things[key].kinds.append(node_key(row["k"]))
    for key, owner in _owners_in(ask, shelves, limit) if parts else ():
        if key in parts and owner in things and CONCEPT not in things[owner].kinds:
            things[owner].entries += parts[key]
    return iter(things.values())


def _owners_in(ask: Ask, shelves: Shelves, limit: str) -> Iterator[tuple[str, str]]:
    """What has a code, with what it points at."""
    codes = " ".join(f"<{predicate}>" for predicate in FIELDS["code"])
    pattern = shelves.accepted("?s ?c ?code ; ?p ?o")
    for row in ask(f"SELECT ?s ?p ?o {{ VALUES ?c {{ {codes} }} {pattern} FILTER(isIRI(?o)) }}{limit}"):
        if node_key(row["p"]) not in NOT_PARTS:
            yield node_key(row["s"]), node_key(row["o"])


def _is_meant(base: str, key: str) -> bool:
    """Whether somebody who searches may mean this node: one of ours, no graph and no saved query."""
    return key.startswith(base) and not f"{key}/".startswith((f"{base}graph/", f"{base}queries/"))


def _told(statements: Iterable[tuple[str, Term]]) -> Iterator[Entry]:
    """The texts in these statements; an IRI elsewhere counts whole and by its last part."""
    for predicate, value in statements:
        told = _FIELD_OF.get(predicate)
        if told is None:
            continue
        if isinstance(value, ox.Literal):
            yield Entry(told, value.value, value.language or "")
        elif isinstance(value, ox.NamedNode):
            yield Entry(told, value.value)


def _owners(index: Index, key: str) -> Iterator[str]:
    """The named things that a node without a name belongs to: those it points at, else those that do."""
    ends = [(quad.predicate.value, node_key(quad.object)) for quad in index.accepted.get(key, ())]
    owners = {
        end
        for predicate, end in ends
        if predicate not in NOT_PARTS and end in index.names and CONCEPT not in index.kinds(end)
    }
    if not owners:
        pointing = index.incoming.get(key, ())
        owners = {node_key(quad.subject) for quad in pointing if quad.predicate.value not in NOT_PARTS}
    yield from sorted(owners)


class SearchIndex:
    """Everything that can be found, in tables of SQLite: made once, then only read, by any thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._turn = threading.Lock()

    @classmethod
    def of(cls, things: Iterable[Findable], base: str) -> SearchIndex:
        """Make an index in memory."""
        database = sqlite3.connect(":memory:", check_same_thread=False)
        _fill(database, things, base)
        return cls(database)

    @classmethod
    def open(cls, path: Path) -> SearchIndex:
        """Open an index that was written to a file; several processes can."""
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        return cls(sqlite3.connect(address, uri=True, check_same_thread=False))

    def find(self, text: str, *, kinds: Sequence[str] = (), limit: int = 20, offset: int = 0) -> Found:
        """Find things by what people type, the best first.

        All words are looked for, each as a whole or as a beginning; where nothing has them, inside of words;
        then words that are spelled nearly so; last, things that have some of the words.
        """
        if "://" in text:
            asked = folded(_last_part(text))
            same = [row[0] for row in self._ask(_AT_ADDRESS, (asked, text.strip()))]
            if same:
                return self._exactly(same, asked, limit, offset)
        asked = folded(text[:_LONGEST_QUERY])
        words = asked.split()[:_MOST_WORDS]
        if not words:
            return Found()
        for table, expression, corrected, partly in self._ways(words):
            total = self._number(_TOTAL[table], expression, kinds)
            counts = self._counts(table, expression)
            if not counts and not total:
                continue
            same = self._rows(_SAME, asked, kinds)
            rows = self._rows(_RANKED[table], expression, kinds)
            hits = self._judged(dict.fromkeys((*same, *rows)), asked, corrected)
            return Found(tuple(hits[offset : offset + limit]), total, counts, corrected, partly)
        return Found()

    def _exactly(self, same: Sequence[int], asked: str, limit: int, offset: int) -> Found:
        """What has just this address."""
        hits = self._judged(same, asked, {})
        counts = Counter(kind for hit in hits for kind in self.kinds_of(hit.iri))
        return Found(tuple(hits[offset : offset + limit]), len(hits), counts)

    def candidates(self, text: str, *, kinds: Sequence[str] = (), limit: int = 10) -> tuple[Hit, ...]:
        """The things that may be meant by a name, the likeliest first; scored by likeness alone."""
        asked = folded(_last_part(text.strip()[:_LONGEST_QUERY]))
        words = asked.split()[:_MOST_WORDS]
        found: dict[int, None] = dict.fromkeys(self._rows(_SAME, asked, kinds)) if words else {}
        for table, expression, _, _ in self._ways(words) if words else ():
            found.update(dict.fromkeys(self._rows(_RANKED[table], expression, kinds)))
        hits = [self._likest(iri, entries, asked) for iri, _, entries in self._entries(found)]
        return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.iri))[:limit])

    def kinds_of(self, iri: str) -> tuple[str, ...]:
        """The classes of a thing."""
        text = "SELECT kind.kind FROM kind JOIN thing ON thing.id = kind.thing WHERE thing.iri = ? ORDER BY 1"
        return tuple(row[0] for row in self._ask(text, (iri,)))

    def knows(self, iri: str) -> bool:
        """Whether a thing can be found at all."""
        return bool(self._ask("SELECT 1 FROM thing WHERE iri = ?", (iri,)))

    def _ways(self, words: Sequence[str]) -> Iterator[tuple[str, str, Mapping[str, str], bool]]:
        """The ways to look for words, the strictest first: table, expression, corrections, if in part."""
        yield "words", " ".join(f'"{word}"*' for word in words), {}, False
        if all(len(word) > 2 for word in words):
            yield "pieces", " AND ".join(f'"{word}"' for word in words), {}, False
        near = {word: self._near(word) for word in words}
        corrected = {word: found[0] for word, found in near.items() if found and found[0] != word}
        if corrected and all(near.values()):
            yield "words", " AND ".join(_any_of(near[word]) for word in words), corrected, False
        if len(words) > 1:
            known = [word for word in words if near[word] and len(word) > 2]
            if known:
                yield "words", " OR ".join(_any_of(near[word]) for word in known), corrected, True

    def _near(self, word: str) -> list[str]:
        """The word itself if something begins with it, else known words that are spelled nearly so."""
        if self._ask("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1", (f'"{word}"*',)):
            return [word]
        slips = (len(word) - 1) // 3 if word.isalpha() else 0
        if slips < 1:
            return []
        found = process.extract(
            word, self._vocabulary, scorer=OSA.distance, score_cutoff=min(slips, 3), limit=_NEAR_WORDS
        )
        best = min((distance for _, distance, _ in found), default=0)
        return [each for each, distance, _ in found if distance == best]

    @cached_property
    def _vocabulary(self) -> list[str]:
        rows = self._ask("SELECT term FROM vocabulary ORDER BY doc DESC LIMIT ?", (_MOST_VOCABULARY,))
        return [row[0] for row in rows if row[0].isalpha()]

    def _judged(self, found: Iterable[int], asked: str, corrected: Mapping[str, str]) -> list[Hit]:
        meant = " ".join(corrected.get(word, word) for word in asked.split())
        hits = []
        for iri, less, entries in self._entries(found):
            score, why = max(
                (_judged(entry, told, asked, meant) for entry, told in entries), key=lambda judged: judged[0]
            )
            if why.how == "some" and all(_has(entries, word) for word in asked.split()):
                score, why = (
                    score + HOWS["spread"] - HOWS["some"],
                    Why("spread", why.field, why.text, why.language),
                )
            hits.append(Hit(iri, round(max(0.0, score - less), 1), why))
        return sorted(hits, key=lambda hit: (-hit.score, len(hit.why.text), hit.iri))

    @staticmethod
    def _likest(iri: str, entries: Sequence[tuple[Entry, str]], asked: str) -> Hit:
        """A thing scored by its text that is most like what was asked."""
        scores = (
            (100.0 if told == asked else min(99.0, likeness(asked, told)) - _LESS[entry.field], entry)
            for entry, told in entries
        )
        score, entry = max(scores, key=lambda each: each[0])
        how = "same" if score == 100.0 else "some"
        return Hit(iri, round(score, 1), Why(how, entry.field, entry.text, entry.language))

    def _entries(self, found: Iterable[int]) -> Iterator[tuple[str, float, list[tuple[Entry, str]]]]:
        rows = self._ask(
            "SELECT thing.id, iri, less, field, text, language, folded FROM json_each(?) AS wanted "
            "JOIN thing ON thing.id = wanted.value JOIN entry ON entry.thing = thing.id",
            (json.dumps(list(found)),),
        )
        things: dict[int, tuple[str, float, list[tuple[Entry, str]]]] = {}
        for number, iri, less, name, text, language, told in rows:
            things.setdefault(number, (iri, less, []))[2].append((Entry(name, text, language), told))
        return iter(things.values())

    def _rows(self, text: str, expression: str, kinds: Sequence[str]) -> list[int]:
        return [row[0] for row in self._ask(text, (expression, json.dumps(list(kinds)), CONSIDERED))]

    def _number(self, text: str, expression: str, kinds: Sequence[str]) -> int:
        return int(self._ask(text, (expression, json.dumps(list(kinds))))[0][0])

    def _counts(self, table: str, expression: str) -> dict[str, int]:
        return dict(self._ask(_COUNTED[table], (expression,)))

    def _ask(self, text: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        with self._turn:
            return self._database.execute(text, values).fetchall()


def search_index(index: Index, stored: Stored | None) -> SearchIndex:
    """The search index of a publication.

    What is in memory is put in order here and now; a store on disk has a file, written when it was loaded;
    where there is none, and for an endpoint elsewhere, the store is asked, a bounded part of it.

    Raises: EndpointError when a remote store fails.
    """
    if stored is None:
        return SearchIndex.of(findable(index), index.base)
    if stored.folder is not None and (file := stored.folder.with_name(FILE)).is_file():
        return SearchIndex.open(file)
    fetched = stored.index.fetched
    most_rows = _MOST_ROWS if stored.folder is None else None
    things = findable_in(lambda text: fetched.store.query(text).rows(), fetched.shelves, most_rows=most_rows)
    return SearchIndex.of(things, index.base)


def write(path: Path, things: Iterable[Findable], base: str) -> None:
    """Write an index to a new file.

    Raises: OSError if that cannot be done.
    """
    try:
        database = sqlite3.connect(path)
        _fill(database, things, base)
        database.close()
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _fill(database: sqlite3.Connection, things: Iterable[Findable], base: str) -> None:
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
    for number, thing in enumerate(things, 1):
        entries = list(dict.fromkeys((*thing.entries, Entry("identifier", thing.iri))))
        texts: dict[str, list[str]] = {name: [] for name in FIELDS}
        for entry in entries:
            told = folded(_last_part(entry.text) if entry.field == "identifier" else entry.text)
            texts[entry.field].append(told)
            database.execute(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
                (number, entry.field, entry.text, entry.language, told),
            )
        less = 0.0 if thing.iri.startswith(f"{base}id/") else _LESS_NO_THING
        database.execute("INSERT INTO thing VALUES (?, ?, ?)", (number, thing.iri, less))
        kinds = [kind for kind in thing.kinds if kind.startswith(base)] or thing.kinds
        database.executemany("INSERT OR IGNORE INTO kind VALUES (?, ?)", ((number, kind) for kind in kinds))
        columns = [" \n ".join(texts[name]) for name in FIELDS]
        database.execute(
            "INSERT INTO words(rowid, name, code, other, identifier) VALUES (?, ?, ?, ?, ?)",
            (number, *columns),
        )
        database.execute("INSERT INTO pieces(rowid, text) VALUES (?, ?)", (number, " \n ".join(columns)))
    database.executescript(_INDEXES)
    database.commit()


def _last_part(text: str) -> str:
    """What follows the last slash or hash of an IRI; other texts are whole."""
    return re.split(r"[/#]", text.rstrip("/#"))[-1] if "://" in text else text


def _any_of(words: Sequence[str]) -> str:
    return "(" + " OR ".join(f'"{word}"*' for word in words) + ")"


def _judged(entry: Entry, told: str, asked: str, meant: str) -> tuple[float, Why]:
    """How well one text answers."""
    how = _how(told, asked)
    if how == "some" and meant != asked and _how(told, meant) != "some":
        how = "spelling"
    likeness = fuzz.ratio(meant, told) / 100
    score = HOWS[how] + 9 * likeness - _LESS[entry.field]
    return score, Why(how, entry.field, entry.text, entry.language)


def _how(told: str, asked: str) -> str:
    if told == asked:
        return "same"
    words, wanted = told.split(), asked.split()
    if told.startswith(asked):
        return "begins"
    if set(wanted) <= set(words):
        return "words"
    if all(any(word.startswith(each) for word in words) for each in wanted):
        return "beginnings"
    return "inside" if all(each in told for each in wanted) else "some"


def _has(entries: Sequence[tuple[Entry, str]], word: str) -> bool:
    return any(each.startswith(word) for _, told in entries for each in told.split())


def likeness(asked: str, told: str) -> float:
    """How alike two names are, from 0 to 100: letters in order count most, then words in any order."""
    in_order, shared = fuzz.ratio(asked, told), fuzz.token_set_ratio(asked, told)
    return max(in_order, 0.97 * fuzz.token_sort_ratio(asked, told), 0.5 * in_order + 0.45 * shared)
