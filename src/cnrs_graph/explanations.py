"""A rule told in words: what it asks, where it comes from, a case that breaks it and the case mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset
from cnrs_graph.examples import Example
from cnrs_graph.finding_words import said
from cnrs_graph.terms import expand
from cnrs_graph.validation import Explanation, in_language

_NAMES = tuple(expand(curie) for curie in ("skos:prefLabel", "rdfs:label", "dcterms:title"))
_LINKS = tuple(expand(curie) for curie in ("schema:url", "foaf:page", "foaf:homepage"))


def explanation_text(explanation: Explanation, language: str, *, dataset: Dataset | None = None) -> str:
    """What a rule asks, why, of what, and how it is written, for a terminal.

    Graphs: *dataset* says what the sources of a rule are called and where they can be read.
    """
    rows = (
        ("severity", said(language, explanation.severity.name.lower())),
        ("looks-at", ", ".join(explanation.targets) or said(language, "nothing")),
        ("comes-from", _origin(explanation, language, dataset)),
        ("says", in_language(explanation.messages, language)),
        ("shape", explanation.shape),
    )
    width = max(len(said(language, key)) for key, _ in rows)
    lines = [
        f"{explanation.rule}  {in_language(explanation.labels, language)}",
        in_language(explanation.descriptions, language),
        "",
        *(f"{said(language, key):<{width}} {text}" for key, text in rows),
        "",
        explanation.turtle.strip(),
    ]
    return "\n".join(lines) + "\n"


def _origin(explanation: Explanation, language: str, dataset: Dataset | None) -> str:
    """Where a rule comes from: its source with the number of the sentence, else the note in its shape."""
    sentences = ", ".join(explanation.sentences)
    number = f", {said(language, 'sentence')} {sentences}" if sentences else ""
    known = _about(dataset, explanation.sources, language)
    sources = "; ".join(f"{known.get(iri, iri)}{number}" for iri in explanation.sources)
    return sources or in_language(explanation.notes, language) or said(language, "nowhere")


def _about(dataset: Dataset | None, sources: Iterable[str], language: str) -> Mapping[str, str]:
    """What each source is called and where it can be read."""
    wanted = {ox.NamedNode(iri) for iri in sources}
    names: dict[str, dict[str, str]] = {}
    links: dict[str, str] = {}
    for quad in dataset.quads if dataset is not None else ():
        if quad.subject not in wanted or not isinstance(quad.subject, ox.NamedNode):
            continue
        source = quad.subject.value
        if quad.predicate.value in _NAMES and isinstance(quad.object, ox.Literal):
            names.setdefault(source, {})[quad.object.language or ""] = quad.object.value
        elif quad.predicate.value in _LINKS and not isinstance(quad.object, ox.Triple):
            links[source] = quad.object.value
    return {
        source: f"{in_language(called, language)} <{links.get(source, source)}>"
        for source, called in names.items()
    }


def example_text(example: Example | None, language: str) -> str:
    """How a rule is broken and mended: the paragraphs of its case that differ."""
    if example is None:
        return f"{said(language, 'no-example')}\n"
    broken, mended = example.parts()
    lines = [
        f"# {said(language, 'counter-example')} ({example.path.name})",
        broken or f"# {said(language, 'nothing')}",
        "",
        f"# {said(language, 'repaired')}",
        mended or f"# {said(language, 'nothing')}",
    ]
    return "\n".join(lines) + "\n"
