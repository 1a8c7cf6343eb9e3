"""What is said about one thing: its statements, its parts, what points at it, and who says so."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset, graph_name
from cnrs_graph.errors import UnknownResourceError
from cnrs_graph.terms import PREFIXES, Term, expand, local_name

TYPE = expand("rdf:type")
_TYPE = ox.NamedNode(TYPE)
CONCEPT = expand("skos:Concept")
PRIMARY_SOURCE = expand("prov:hadPrimarySource")
DERIVED_FROM = expand("prov:wasDerivedFrom")
#: What gives a thing a name of its own, the best first.
NAMES = tuple(
    expand(curie) for curie in ("skos:prefLabel", "rdfs:label", "dcterms:title", "foaf:name", "schema:name")
)
#: Links that never make a node part of what it points at.
NOT_PARTS = frozenset(
    (TYPE, PRIMARY_SOURCE, DERIVED_FROM, *(expand(c) for c in ("skos:inScheme", "rdfs:isDefinedBy")))
)
#: How many parts of a thing, and how many things of a kind that point at it, one description holds.
PART_LIMIT = 200
INCOMING_LIMIT = 50
_LONGEST_GUESS = 300

Triple = tuple[Term, ox.NamedNode, Term]


@dataclass(frozen=True)
class Fact:
    """A statement, the graphs it stands in, and the sources that vouch for it."""

    subject: Term
    predicate: str
    object: Term
    graphs: tuple[str, ...]
    sources: tuple[str, ...] = ()
    derived: bool = False

    def quads(self) -> Iterator[ox.Quad]:
        """The statement once for each graph it stands in."""
        for graph in self.graphs:
            name = ox.NamedNode(graph) if graph else ox.DefaultGraph()
            yield ox.Quad(self.subject, ox.NamedNode(self.predicate), self.object, name)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Part:
    """A node without a name of its own, shown inside the thing it belongs to."""

    key: str
    kinds: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Incoming:
    """Things of one kind that point here with one property: how many, and the first of them."""

    kind: str
    predicate: str
    total: int
    facts: tuple[Fact, ...]

    @property
    def truncated(self) -> bool:
        """Whether there are more than are listed."""
        return self.total > len(self.things)

    @property
    def things(self) -> tuple[str, ...]:
        """The things that are listed, each once."""
        return tuple(dict.fromkeys(node_key(fact.subject) for fact in self.facts))


@dataclass(frozen=True)
class Dispute:
    """What a source says that is not among the accepted statements, beside what is accepted."""

    claim: Fact
    accepted: tuple[Fact, ...]


@dataclass(frozen=True)
class Description:
    """Everything that is said about one thing.

    Graphs: `facts` and the facts of `parts` come from the accepted graphs and the inferred one (`derived`);
    `disputes` from the others.
    """

    iri: str
    names: tuple[ox.Literal, ...]
    kinds: tuple[str, ...]
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]
    parts_total: int
    disputes: tuple[Dispute, ...]
    incoming: tuple[Incoming, ...]

    @property
    def truncated(self) -> bool:
        """Whether something was left out because there is too much of it."""
        return self.parts_total > len(self.parts) or any(group.truncated for group in self.incoming)

    def all_facts(self) -> Iterator[Fact]:
        """The accepted and derived facts about the thing, its parts, and what points at them."""
        yield from self.facts
        for part in self.parts:
            yield from part.facts
        for group in self.incoming:
            yield from group.facts


@dataclass(frozen=True)
class Index:
    """The statements by subject and by object, kept as they were written; built once, then only read.

    Graphs: `accepted` holds every family but the ones in `outside`; `claimed` holds those; `inferred` what
    follows and was not said. `incoming` lists accepted statements by their object,
    `disputing` the claimed ones.
    """

    base: str
    accepted: Mapping[str, tuple[ox.Quad, ...]]
    claimed: Mapping[str, tuple[ox.Quad, ...]]
    inferred: Mapping[str, tuple[ox.Quad, ...]]
    incoming: Mapping[str, tuple[ox.Quad, ...]]
    names: Mapping[str, tuple[ox.Literal, ...]]
    #: Which graphs outside the accepted ones say a statement.
    claims: Mapping[Triple, tuple[str, ...]]
    instances: Mapping[str, tuple[str, ...]]
    disputing: Mapping[str, tuple[ox.Quad, ...]]

    def ahead(self, keys: Iterable[str]) -> None:
        """Say which nodes will be looked at next: tables that fetch do it at once, these have everything."""

    def ahead_pointing(self, keys: Iterable[str]) -> None:
        """Say of which nodes it will be asked next what points at them."""

    def things(self) -> Iterable[str]:
        """The IRIs of things about which something is said, as far as they can be listed."""
        return (key for key in (*self.accepted, *self.claimed) if key.startswith(f"{self.base}id/"))

    def terms(self, namespace: str) -> list[str]:
        """The nodes whose IRI begins like this and about which something is accepted, sorted."""
        return sorted(key for key in self.accepted if key.startswith(namespace))

    def instance_count(self, kind: str) -> int:
        """How many things a class has; `instances` may list fewer."""
        return len(self.instances.get(kind, ()))

    def listed_kinds(self) -> tuple[str, ...]:
        """The classes of which a named thing has a page."""
        return tuple(
            kind
            for kind, things in self.instances.items()
            if any(thing.startswith(f"{self.base}id/") and thing in self.names for thing in things)
        )

    def property_counts(self) -> Mapping[str, int]:
        """How often each property is used."""
        tables = (self.accepted, self.inferred)
        return Counter(q.predicate.value for table in tables for quads in table.values() for q in quads)

    def objects_of(self, predicate: str) -> list[Term]:
        """The accepted values of a property, whatever has it."""
        return [q.object for quads in self.accepted.values() for q in quads if q.predicate.value == predicate]

    def incoming_totals(self, key: str) -> Mapping[tuple[str, str], int]:
        """How many things of a class point at a node with a property, where `incoming` lists fewer."""
        del key
        return {}

    def knows(self, key: str) -> bool:
        """Whether anything is said about this IRI."""
        return key in self.accepted or key in self.claimed

    def kinds(self, key: str) -> tuple[str, ...]:
        """The classes that were said of a thing; where none were, the claimed ones."""
        for table in (self.accepted, self.claimed):
            found = [node_key(q.object) for q in table.get(key, ()) if q.predicate.value == TYPE]
            if found:
                return tuple(dict.fromkeys(found))
        return ()

    def values(self, key: str, *predicates: str) -> tuple[Term, ...]:
        """The accepted values of the first of these properties that has any."""
        for predicate in predicates:
            found = [q.object for q in self.accepted.get(key, ()) if q.predicate.value == predicate]
            if found:
                return tuple(dict.fromkeys(found))
        return ()

    def sources(self, quad: ox.Quad, graphs: Sequence[str]) -> tuple[str, ...]:
        """Who vouches for a statement: claims that say it, else the thing's own source, else the graph's."""
        triple = (quad.subject, quad.predicate, quad.object)
        vouching = [
            node_key(source)
            for graph in self.claims.get(triple, ())
            for source in self.values(graph, DERIVED_FROM)
        ]
        if not vouching:
            own = [
                q
                for q in self.accepted.get(node_key(quad.subject), ())
                if q.predicate.value == PRIMARY_SOURCE and graph_name(q) in graphs
            ]
            vouching = [node_key(q.object) for q in own]
        if not vouching:
            vouching = [node_key(s) for graph in graphs for s in self.values(graph, DERIVED_FROM)]
        return tuple(sorted(set(vouching)))


def node_key(term: Term) -> str:
    """The name of a node in an index: the IRI, or the label of a blank node; a literal has none."""
    if isinstance(term, ox.NamedNode):
        return term.value
    return f"_:{term.value}" if isinstance(term, ox.BlankNode) else ""


def build_index(
    said: Dataset, inferred: Iterable[ox.Quad] = (), *, outside: Sequence[str] = ("claims",)
) -> Index:
    """Put statements in order by subject and object.

    Graphs: reads every graph of *said*; the families in *outside* are kept apart from the accepted ones.
    """
    accepted, claimed = said.without(*outside).quads, said.only(*outside).quads
    # What was said of the same as what follows: only then are all statements compared.
    stated = {(q.subject, q.predicate, q.object) for q in accepted} if inferred else set()
    claims: dict[Triple, list[str]] = defaultdict(list)
    for quad in claimed:
        claims[quad.subject, quad.predicate, quad.object].append(graph_name(quad))
    follows = [q for q in inferred if (q.subject, q.predicate, q.object) not in stated]
    instances: dict[str, set[str]] = defaultdict(set)
    for quad in (*accepted, *follows):
        if quad.predicate == _TYPE and isinstance(quad.subject, ox.NamedNode):
            instances[node_key(quad.object)].add(quad.subject.value)
    return Index(
        base=said.base,
        accepted=_by((node_key(q.subject), q) for q in accepted),
        claimed=_by((node_key(q.subject), q) for q in claimed),
        inferred=_by((node_key(q.subject), q) for q in follows),
        incoming=_by((node_key(q.object), q) for q in accepted if not isinstance(q.object, ox.Literal)),
        names=_names((*accepted, *claimed)),
        claims={triple: tuple(graphs) for triple, graphs in claims.items()},
        instances={kind: tuple(sorted(things)) for kind, things in instances.items()},
        disputing=_by((node_key(q.object), q) for q in claimed if not isinstance(q.object, ox.Literal)),
    )


def _names(quads: Iterable[ox.Quad]) -> dict[str, tuple[ox.Literal, ...]]:
    """The names of each node in the best property that says one of it."""
    by_property: dict[str, dict[str, dict[ox.Literal, None]]] = {name: {} for name in NAMES}
    for quad in quads:
        found = by_property.get(quad.predicate.value)
        if found is not None:
            values = found.setdefault(node_key(quad.subject), {})
            if isinstance(quad.object, ox.Literal):
                values[quad.object] = None
    best: dict[str, tuple[ox.Literal, ...]] = {}
    for found in by_property.values():
        for key, values in found.items():
            if key not in best and values:
                best[key] = tuple(values)
    return best


def describe(index: Index, iri: str) -> Description:
    """Gather what is said about one thing, lexical forms as written.

    Graphs: accepted and inferred for facts, parts and incoming links; the others for disputes.
    Raises: UnknownResourceError, with similar IRIs, when nothing is said about it.
    """
    if not index.knows(iri):
        raise UnknownResourceError(iri, near(index, iri))
    index.ahead(_neighbours(index, (iri,)))
    keys, total = _parts(index, iri)
    index.ahead(_neighbours(index, keys))
    inside = {iri, *keys}
    return Description(
        iri=iri,
        names=index.names.get(iri, ()),
        kinds=index.kinds(iri),
        facts=facts_about(index, iri),
        parts=tuple(Part(key, index.kinds(key), facts_about(index, key)) for key in keys),
        parts_total=total,
        disputes=tuple(_disputes(index, (iri, *keys))),
        incoming=tuple(_incoming(index, iri, inside)),
    )


def pointing(index: Index, iri: str, page: int) -> tuple[Incoming, ...]:
    """What points at a thing, of each class and property so many: the first for page 1, then the next.

    Raises: UnknownResourceError when nothing is said about it.
    """
    if not index.knows(iri):
        raise UnknownResourceError(iri, near(index, iri))
    index.ahead(_neighbours(index, (iri,)))
    inside = {iri, *_parts(index, iri)[0]}
    found = _incoming(index, iri, inside, start=INCOMING_LIMIT * (page - 1))
    return tuple(group for group in found if group.facts)


def facts_about(index: Index, key: str) -> tuple[Fact, ...]:
    """The accepted statements about a node, then the derived ones; each once, with its graphs and sources."""
    return (
        *_facts(index, index.accepted.get(key, ())),
        *_facts(index, index.inferred.get(key, ()), derived=True),
    )


def document(index: Index, description: Description, about: Iterable[ox.Quad] = ()) -> tuple[ox.Quad, ...]:
    """The statements of the document about a thing: what is said, its parts, names of what it links to.

    Graphs: every statement keeps its graph; claims that differ stay in theirs. *about* says what the document
    itself is; it is added as it stands.
    """
    quads = [quad for fact in description.all_facts() for quad in fact.quads()]
    quads += [quad for dispute in description.disputes for quad in dispute.claim.quads()]
    linked = {node_key(q.object) for q in quads} | {node_key(q.subject) for q in quads}
    linked |= {source for fact in description.all_facts() for source in fact.sources}
    shown = {description.iri, *(part.key for part in description.parts)}
    for key in sorted(linked - shown - {""}):
        quads += [q for q in index.accepted.get(key, ()) if q.predicate.value in NAMES]
    return tuple(dict.fromkeys((*quads, *about)))


def find(index: Index, text: str) -> str:
    """The IRI that a person means: an IRI, a prefixed name, kind/slug, a slug, or a name.

    Of things with the same slug or name the first by kind is meant.
    Raises: UnknownResourceError, with similar IRIs, when nothing is known under it.
    """
    base, wanted = index.base, text.strip()
    try:
        lengthened = expand(wanted)
    except ValueError:
        lengthened = wanted
    prefix, colon, slug = wanted.partition(":")
    term = slug if colon and not prefix else wanted
    paths = (wanted, f"id/{wanted}", f"ontology#{term}", f"vocab/{prefix}/{slug}")
    for iri in (lengthened, *(f"{base}{path}" for path in paths)):
        if index.knows(iri):
            return iri
    known = sorted(set(index.things()))
    slugs = [key for key in known if key[len(base) + 3 :].partition("/")[2] == (slug if colon else wanted)]
    named = [
        key for key in known if wanted.casefold() in {name.value.casefold() for name in _called(index, key)}
    ]
    kinds = [key for key in slugs if colon and key[len(base) + 3 :].startswith(prefix)]
    found = kinds or ([] if colon and not slugs else slugs) or named
    if not found:
        raise UnknownResourceError(wanted, near(index, wanted if ":" in wanted else f"{base}id/{wanted}"))
    return found[0]


def _called(index: Index, key: str) -> Iterator[ox.Literal]:
    yield from index.names.get(key, ())
    yield from (
        value for value in index.values(key, expand("skos:altLabel")) if isinstance(value, ox.Literal)
    )


def near(index: Index, iri: str, count: int = 3) -> tuple[str, ...]:
    """Known things whose IRI looks like this one; an absurdly long one looks like nothing."""
    if len(iri) > _LONGEST_GUESS:
        return ()
    folder, _, slug = iri.rpartition("/")
    slugs: dict[str, list[str]] = defaultdict(list)
    for key in index.things():
        slugs[key.rpartition("/")[2]].append(key)
    same = [
        key for word in difflib.get_close_matches(slug, sorted(slugs), n=8, cutoff=0.6) for key in slugs[word]
    ]
    ranked = sorted(dict.fromkeys(same), key=lambda key: (key.rpartition("/")[0] != folder, same.index(key)))
    return tuple(ranked[:count])


def chosen_name(names: Sequence[ox.Literal], languages: Sequence[str]) -> ox.Literal | None:
    """The name in the first of these languages that has one, else one without language, else any."""
    for language in (*languages, None):
        for name in names:
            tag = name.language.lower() if name.language else None
            if tag == language or (tag and language and tag.startswith(f"{language}-")):
                return name
    return min(names, key=lambda name: (name.language or "", name.value)) if names else None


def name_of(index: Index, key: str, languages: Sequence[str]) -> ox.Literal:
    """What to call a thing: its name; a node without one is called after its class and its slug."""
    found = chosen_name(index.names.get(key, ()), languages)
    if found is not None:
        return found
    kinds = index.kinds(key)
    if key.startswith(f"{index.base}id/"):
        slug = key[len(index.base) + 3 :].partition("/")[2]
        kind = chosen_name(index.names.get(kinds[0], ()), languages) if kinds else None
        word = kind.value if kind else local_name(kinds[0]) if kinds else ""
        return ox.Literal(f"{word} {slug}".strip() or key)
    return ox.Literal(shortened(index.base, key))


def shortened(base: str, iri: str) -> str:
    """An IRI as people read it: prefixed where we know the prefix, ours without the base, else whole."""
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace) and len(iri) > len(namespace) and not iri.startswith(base):
            return f"{prefix}:{iri[len(namespace) :]}"
    return iri.removeprefix(base) or iri


def _by(pairs: Iterable[tuple[str, ox.Quad]]) -> dict[str, tuple[ox.Quad, ...]]:
    table: dict[str, list[ox.Quad]] = defaultdict(list)
    for key, quad in pairs:
        table[key].append(quad)
    return {key: tuple(quads) for key, quads in table.items()}


def _facts(index: Index, quads: Iterable[ox.Quad], *, derived: bool = False) -> Iterator[Fact]:
    graphs: dict[Triple, list[ox.Quad]] = defaultdict(list)
    for quad in quads:
        graphs[quad.subject, quad.predicate, quad.object].append(quad)
    for (subject, predicate, value), standing in graphs.items():
        names = tuple(dict.fromkeys(graph_name(quad) for quad in standing))
        sources = () if derived else index.sources(standing[0], names)
        yield Fact(subject, predicate.value, value, names, sources, derived)


def _neighbours(index: Index, keys: Sequence[str]) -> Iterator[str]:
    """The nodes that some nodes point at or are pointed at by, the properties between, and the graphs."""
    index.ahead(keys)
    for key in keys:
        for table in (index.accepted, index.claimed, index.inferred, index.incoming, index.disputing):
            for quad in table.get(key, ()):
                yield from (node_key(quad.subject), node_key(quad.object), quad.predicate.value)
                yield graph_name(quad)


def _parts(index: Index, iri: str) -> tuple[tuple[str, ...], int]:
    """The nodes that belong to a thing, as many as fit, and how many there are.

    A node without a name belongs to what it is attached to, in either direction. Seen from another part, a
    node that points there counts only when it points at no named thing, which would be its owner.
    """
    found: dict[str, None] = {}
    owners = [iri]
    while owners:
        index.ahead_pointing(owners)
        index.ahead(_around(index, owners))
        attached: dict[str, None] = {}
        for owner in owners:
            attached.update(dict.fromkeys(_attached(index, owner, root=owner == iri)))
        owners = [key for key in attached if key != iri and key not in found]
        found.update(dict.fromkeys(owners))
    return tuple(found)[:PART_LIMIT], len(found)


def _around(index: Index, keys: Sequence[str]) -> Iterator[str]:
    """The nodes that some nodes point at, or that point at them."""
    for key in keys:
        yield from (node_key(quad.object) for quad in index.accepted.get(key, ()))
        yield from (node_key(quad.subject) for quad in index.incoming.get(key, ()))


def _attached(index: Index, owner: str, *, root: bool) -> Iterator[str]:
    for quad in index.accepted.get(owner, ()):
        key = node_key(quad.object)
        if key in index.accepted and key not in index.names and quad.predicate.value not in NOT_PARTS:
            yield key
    if root and CONCEPT in index.kinds(owner):
        return
    for quad in index.incoming.get(owner, ()):
        key = node_key(quad.subject)
        # A blank node that points here is an expression of the ontology or a cell of a list, not a part.
        if key in index.names or key.startswith("_:") or quad.predicate.value in NOT_PARTS:
            continue
        if root or not _owned(index, key):
            yield key


def _owned(index: Index, key: str) -> bool:
    """Whether a node points at a named thing that could own it: one that is no concept, class or source."""
    return any(
        node_key(quad.object) in index.names
        and quad.predicate.value not in NOT_PARTS
        and CONCEPT not in index.kinds(node_key(quad.object))
        for quad in index.accepted.get(key, ())
    )


def _incoming(index: Index, iri: str, inside: set[str], start: int = 0) -> Iterator[Incoming]:
    """What points at the thing or its parts from elsewhere, by class and property."""
    groups: dict[tuple[str, str], dict[str, list[ox.Quad]]] = defaultdict(dict)
    for target in sorted(inside):
        for quad in index.incoming.get(target, ()):
            source = node_key(quad.subject)
            # A nameless neighbour of a part (another term's participation) is no news about this thing.
            if source in inside or source.startswith("_:") or (target != iri and source not in index.names):
                continue
            kinds = index.kinds(source)
            groups[kinds[0] if kinds else "", quad.predicate.value].setdefault(source, []).append(quad)
    totals = index.incoming_totals(iri)
    for (kind, predicate), sources in sorted(groups.items()):
        shown = sorted(sources)[start : start + INCOMING_LIMIT]
        facts = tuple(fact for source in shown for fact in _facts(index, sources[source]))
        yield Incoming(kind, predicate, max(len(sources), totals.get((kind, predicate), 0)), facts)


def _disputes(index: Index, keys: Sequence[str]) -> Iterator[Dispute]:
    """Claims about these nodes, and about nodes that only claims attach to them, that are not accepted."""
    for key in (*keys, *_claimed_parts(index, keys)):
        accepted = facts_about(index, key)
        stated = {(fact.predicate, fact.object) for fact in accepted if not fact.derived}
        for claim in _facts(index, index.claimed.get(key, ())):
            if (claim.predicate, claim.object) not in stated and claim.predicate != PRIMARY_SOURCE:
                same = tuple(f for f in accepted if f.predicate == claim.predicate and not f.derived)
                yield Dispute(claim, same)


def _claimed_parts(index: Index, keys: Sequence[str]) -> tuple[str, ...]:
    found = {node_key(quad.subject) for key in keys for quad in index.disputing.get(key, ())}
    return tuple(
        sorted(key for key in found - set(keys) if key not in index.names and key not in index.accepted)
    )


def description_text(index: Index, description: Description, *, language: str) -> str:
    """A description to read at a terminal: name, IRI, facts, parts, what differs, what points here."""
    name = name_of(index, description.iri, (language,)).value
    lines = [name, description.iri, ""]
    lines += [_line(index, fact, language) for fact in description.facts]
    for part in description.parts:
        lines += ["", name_of(index, part.key, (language,)).value]
        lines += [f"  {_line(index, fact, language)}" for fact in part.facts if not fact.derived]
    claims = [dispute.claim for dispute in description.disputes]
    if claims:
        lines += ["", "said otherwise", *(f"  {_line(index, claim, language)}" for claim in claims)]
    for group in description.incoming:
        things = ", ".join(name_of(index, thing, (language,)).value for thing in group.things[:10])
        more = f" and {group.total - 10} more" if group.total > 10 else ""
        lines += ["", f"{group.total} × {shortened(index.base, group.predicate)}: {things}{more}"]
    # A terminal obeys control characters; what is printed is text only.
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)


def _line(index: Index, fact: Fact, language: str) -> str:
    label = shortened(index.base, fact.predicate)
    if isinstance(fact.object, ox.Literal):
        value = fact.object.value + (f" @{fact.object.language}" if fact.object.language else "")
    else:
        value = name_of(index, node_key(fact.object), (language,)).value
    return f"{label}: {value}{' (derived)' if fact.derived else ''}"
