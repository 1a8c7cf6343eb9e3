"""Findings as one page to send to a colleague: it holds everything it shows, and no script."""

from __future__ import annotations

from functools import partial

from cnrs_graph import __version__
from cnrs_graph.excerpts import Excerpts
from cnrs_graph.finding_words import WORDS, counted, said
from cnrs_graph.outcome import Outcome
from cnrs_graph.pages import fill
from cnrs_graph.report_text import advice
from cnrs_graph.terms import compact
from cnrs_graph.validation import in_language


def page(outcome: Outcome) -> str:
    """The findings by rule, each with what the rule asks, where it is broken, and what to do."""
    language, sources = outcome.language, Excerpts()
    severity = WORDS[language][outcome.fail_on.name.lower()]
    counts = [
        (each.name.lower(), counted(language, n, each.name.lower())) for each, n in outcome.counts().items()
    ]
    return fill(
        "report.html",
        language=language,
        t=partial(said, language),
        outcome=outcome,
        counts=counts,
        verdict=said(language, "refused" if outcome.refused else "passed", severity=severity),
        rules=outcome.rules(),
        text=lambda texts: in_language(texts, language),
        advice=lambda result: advice(result, language),
        excerpt=sources.at,
        short=lambda iri: compact(iri) if ":" in iri and "/" in iri and " " not in iri else iri,
        program=f"cnrs-graph {__version__}",
    )
