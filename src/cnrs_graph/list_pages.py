"""The pages that lead to others: lists of things, queries, the dataset, its graphs, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import pyoxigraph as ox

from cnrs_graph.descriptions import DERIVED_FROM, Index, node_key
from cnrs_graph.dumps import SUMS, Dump
from cnrs_graph.executables import shared_prefixes
from cnrs_graph.inventory import dataset_iri
from cnrs_graph.narrowing import Choice, Facet, Narrowing, key_of, narrowed, paging
from cnrs_graph.pages import DataLink, Desk, Shown, natural, render
from cnrs_graph.queries import SavedQuery
from cnrs_graph.terms import expand, graph_family, local_name

_LISTED = 300
#: Things on one page of a list, and values of a property that are seen first.
PER_PAGE = 150
_SHOWN_FIRST = 12


def browse_page(
    desk: Desk, facets: Mapping[str, Sequence[str]] | None = None, *, has_counts: bool = False
) -> bytes:
    """Write the list of classes, and what their lists can be narrowed down by."""
    slugs = {kind: slug for slug, kind in browsable(desk.index).items()}
    ways = []
    for kind, properties in (facets or {}).items():
        if kind in slugs:
            asked = Narrowing(kind, tuple(properties))
            path = desk.local(f"/browse/{slugs[kind]}")
            shown = [
                (desk.property(each.property), choices_of(desk, asked, each, path)[:_SHOWN_FIRST])
                for each in narrowed(desk.index, asked)[1]
            ]
            ways.append((desk.kind(kind), path, shown))
    title = desk.word("browse")
    return render(
        desk,
        "browse.html",
        title=title,
        here="/browse",
        counts=class_counts(desk),
        ways=ways,
        has_counts=has_counts,
    )


def choices_of(desk: Desk, asked: Narrowing, facet: Facet, path: str) -> list[Choice]:
    """The values of a facet as links; the one that is chosen leads back to all of them."""
    desk.index.ahead(key_of(value) for value, _ in facet.values[:_LISTED] if isinstance(value, ox.NamedNode))
    name, base, choices = local_name(facet.property), desk.index.base, []
    for value, count in facet.values[:_LISTED]:
        key, shown = key_of(value), desk.term(value)
        chosen = facet.chosen in (key, key.removeprefix(base)) and bool(facet.chosen)
        changes: dict[str, str | int] = {name: "" if chosen else key, "page": 1}
        href = asked.address(path, base, **changes)
        choices.append(Choice(shown.text, href, str(count), shown.language, chosen=chosen))
    return choices


def class_page(desk: Desk, asked: Narrowing, formats: Sequence[DataLink] = ()) -> bytes:
    """Write the list of the things of a class, by name, and what it can be narrowed down by."""
    kind = asked.kind
    left, facets = narrowed(desk.index, asked)
    desk.index.ahead(left)
    things = sorted((desk.name(thing) for thing in left), key=lambda shown: natural(shown.text.casefold()))
    path, base = desk.local(f"/browse/{slug_of(kind)}"), desk.index.base
    first = (asked.number - 1) * PER_PAGE
    return render(
        desk,
        "class.html",
        title=desk.name(kind).text,
        here="/browse",
        prose=desk.texts(kind, "skos:definition", "rdfs:comment"),
        things=things[first : first + PER_PAGE],
        total=len(things) if asked.chosen else desk.index.instance_count(kind),
        listed=len(things),
        facets=[(desk.property(each.property), choices_of(desk, asked, each, path)) for each in facets],
        everything=path if asked.chosen else "",
        paging=paging(len(things), PER_PAGE, asked.number, lambda n: asked.address(path, base, page=n)),
        kind=desk.name(kind),
        formats=formats,
    )


def queries_page(desk: Desk, catalogue: Mapping[str, SavedQuery], formats: Sequence[DataLink]) -> bytes:
    """Write the list of saved queries."""
    entries = [
        (saved.name, desk.spoken(*saved.titled(desk.language), href=desk.local(f"/queries/{saved.name}")))
        for saved in catalogue.values()
    ]
    return render(
        desk,
        "queries.html",
        title=desk.word("queries"),
        here="/queries",
        entries=sorted(entries, key=lambda entry: natural(entry[0])),
        prefixes=sorted(shared_prefixes(desk.index.base, catalogue).items()),
        formats=formats,
    )


def dataset_page(
    desk: Desk,
    about: str | None,
    graphs: Mapping[str, int],
    formats: Sequence[DataLink],
    catalogue: Sequence[DataLink],
    dumps: Sequence[Dump],
    embedded: str,
) -> bytes:
    """Write the page about the dataset: description, files, graphs with their sources, sizes."""
    return render(
        desk,
        "dataset.html",
        title=desk.title,
        here="/dataset",
        prose=about_dataset(desk, about),
        families=_families(desk, graphs),
        total=sum(graphs.values()),
        counts=class_counts(desk),
        formats=formats,
        catalogue=catalogue,
        dumps=[(dump, desk.file(f"/dump/{dump.name}"), size_text(dump.size)) for dump in dumps],
        sums=desk.file(f"/dump/{SUMS}"),
        iri=dataset_iri(desk.index.base),
        embedded=embedded,
    )


def graph_page(
    desk: Desk,
    graph: str,
    quads: Sequence[ox.Quad],
    formats: Sequence[DataLink],
    *,
    inferred: bool,
    total: int,
) -> bytes:
    """Write the page about one graph of *total* statements."""
    subjects = sorted({q.subject.value for q in quads if isinstance(q.subject, ox.NamedNode)})
    desk.index.ahead(subjects[:_LISTED])
    heading = Shown(desk.word("inferred-graph")) if inferred else desk.name(graph)
    return render(
        desk,
        "graph.html",
        title=heading.text,
        here="/dataset",
        heading=heading,
        prose=desk.texts(graph, "dcterms:description", "rdfs:comment"),
        inferred=inferred,
        total=max(total, len(quads)),
        sources=_sources(desk, graph),
        subjects=[desk.name(subject) for subject in subjects[:_LISTED]],
        subjects_total=len(subjects),
        formats=formats,
        iri=graph,
    )


def default_graph_page(
    desk: Desk, iri: str, quads: Sequence[ox.Quad], formats: Sequence[DataLink], *, total: int
) -> bytes:
    """Write the page about the default graph of queries, of *total* statements."""
    subjects = sorted({q.subject.value for q in quads if isinstance(q.subject, ox.NamedNode)})
    return render(
        desk,
        "graph.html",
        title=desk.word("default-graph"),
        heading=Shown(desk.word("default-graph")),
        here="/dataset",
        prose=(Shown(desk.word("default-graph-why")),),
        inferred=False,
        total=total,
        sources=[],
        subjects=[desk.name(subject) for subject in subjects[:_LISTED]],
        subjects_total=len(subjects),
        formats=formats,
        iri=iri,
    )


def graphs_page(
    desk: Desk, iri: str, graphs: Mapping[str, int], default_triples: int, formats: Sequence[DataLink]
) -> bytes:
    """Write the list of graphs that can be fetched, the default graph first."""
    return render(
        desk,
        "graphs.html",
        title=desk.word("graphs"),
        here="/dataset",
        default=(Shown(desk.word("default-graph"), href=desk.local("/graphs/default")), default_triples),
        families=_families(desk, graphs),
        formats=formats,
        iri=iri,
    )


def error_page(desk: Desk, status: int, sentence: str, near: Sequence[str], offered: Sequence[str]) -> bytes:
    """Write the page about something that went wrong."""
    key = (
        f"error-{status}" if status in (400, 404, 406, 410) else "error-500" if status >= 500 else "error-400"
    )
    return render(
        desk,
        "error.html",
        title=desk.word(key),
        status=status,
        sentence=sentence,
        near=[desk.name(iri) for iri in near],
        offered=offered,
    )


def class_counts(desk: Desk) -> list[tuple[Shown, int, str]]:
    """The classes whose things have pages of their own, with how many there are and where they are listed."""
    index = desk.index
    entries = []
    for kind in browsable(index).values():
        count = index.instance_count(kind)
        entries.append((desk.name(kind), count, desk.local(f"/browse/{slug_of(kind)}")))
    return sorted(entries, key=lambda entry: entry[0].text.casefold())


def browsable(index: Index) -> dict[str, str]:
    """The classes to list, by the slug of their page: those of named things; ours if we define any."""
    found = {slug_of(kind): kind for kind in index.listed_kinds()}
    ours = {slug: kind for slug, kind in found.items() if kind.startswith(index.base)}
    return ours or found


def slug_of(kind: str) -> str:
    """The name of a class in the path of its list."""
    return quote(local_name(kind), safe="")


def size_text(size_bytes: int) -> str:
    r"""A size as people read it, in powers of a thousand; number and unit stay on one line.

    >>> [size_text(size).replace("\N{NO-BREAK SPACE}", " ") for size in (999, 213844, 3224008)]
    ['999 B', '214 kB', '3.2 MB']
    """
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    digits = 1 if unit not in ("B", "kB") and size < 10 else 0
    return f"{size:.{digits}f}\N{NO-BREAK SPACE}{unit}"


def _families(desk: Desk, graphs: Mapping[str, int]) -> dict[str, list[tuple[Shown, int, list[Shown]]]]:
    """Graphs by family, each with its size and its sources."""
    families: dict[str, list[tuple[Shown, int, list[Shown]]]] = {}
    for graph, count in graphs.items():
        family = graph_family(desk.index.base, graph)
        named = desk.name(graph)
        if graph not in desk.index.accepted and graph == f"{desk.index.base}graph/inferred":
            named = Shown(desk.word("inferred-graph"), href=desk.href(graph)[0])
        families.setdefault(family, []).append((named, count, _sources(desk, graph)))
    return families


def about_dataset(desk: Desk, about: str | None) -> tuple[Shown, ...]:
    """What the data says of itself."""
    return desk.texts(about, "dcterms:description", "rdfs:comment") if about else ()


def _sources(desk: Desk, graph: str) -> list[Shown]:
    found = [node_key(value) for value in desk.index.values(graph, DERIVED_FROM, expand("dcterms:source"))]
    return [desk.name(iri) for iri in found]
