"""Validation reports as bytes in a chosen format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cnrs_graph.outcome import Outcome
from cnrs_graph.report_text import text
from cnrs_graph.validation import Result

#: The schema that the JSON format keeps to.
SCHEMA = Path(__file__).parent / "schemas" / "report.schema.json"


def report_bytes(outcome: Outcome, name: str, *, excerpts: bool = False, colours: bool = False) -> bytes:
    """Write an outcome in one of FORMATS; text also with the lines it speaks of, and with colours.

    Graphs: turtle, ntriples and jsonld are the standard report, with what was accepted before too.
    Source: Shapes Constraint Language (SHACL), section 3.6, for these three.
    """
    if name == "text":
        return text(outcome, excerpts=excerpts, colours=colours).encode()
    return FORMATS[name](outcome)


def _json(outcome: Outcome) -> bytes:
    return (json.dumps(_as_json(outcome), ensure_ascii=False, indent=2) + "\n").encode()


def _turtle(outcome: Outcome) -> bytes:
    return bytes(outcome.graph.serialize(format="turtle", encoding="utf-8"))


def _ntriples(outcome: Outcome) -> bytes:
    lines: str = outcome.graph.serialize(format="nt")
    return ("\n".join(sorted(line for line in lines.splitlines() if line)) + "\n").encode()


def _jsonld(outcome: Outcome) -> bytes:
    from cnrs_graph.terms import PREFIXES

    context = {prefix: PREFIXES[prefix] for prefix in ("sh", "xsd", "rdf")}
    return (
        bytes(outcome.graph.serialize(format="json-ld", context=context, encoding="utf-8", sort_keys=True))
        + b"\n"
    )


def _text(outcome: Outcome) -> bytes:
    return text(outcome).encode()


def _sarif(outcome: Outcome) -> bytes:
    from cnrs_graph.ci_reports import sarif

    return sarif(outcome).encode()


def _junit(outcome: Outcome) -> bytes:
    from cnrs_graph.ci_reports import junit

    return junit(outcome).encode()


def _github(outcome: Outcome) -> bytes:
    from cnrs_graph.ci_reports import github

    return github(outcome).encode()


def _html(outcome: Outcome) -> bytes:
    from cnrs_graph.report_page import page

    return page(outcome).encode()


#: What a report can be written in; what a format needs is imported when it is used.
FORMATS: Mapping[str, Callable[[Outcome], bytes]] = {
    "text": _text,
    "json": _json,
    "turtle": _turtle,
    "ntriples": _ntriples,
    "jsonld": _jsonld,
    "sarif": _sarif,
    "junit": _junit,
    "github": _github,
    "html": _html,
}


def _as_json(outcome: Outcome) -> Mapping[str, Any]:
    return {
        "version": 1,
        "language": outcome.language,
        "conforms": outcome.conforms,
        "failOn": outcome.fail_on.name.lower(),
        "refused": outcome.refused,
        "worst": outcome.worst.name.lower() if outcome.worst else None,
        "statements": outcome.statements,
        "accepted": outcome.accepted,
        "gone": outcome.gone,
        "counts": {severity.name.lower(): count for severity, count in outcome.counts().items()},
        "byRule": outcome.by_rule(),
        "byFile": outcome.by_file(),
        "results": [
            _finding(result, fingerprint, outcome.language)
            for result, fingerprint in zip(outcome.results, outcome.prints, strict=True)
        ],
    }


def _finding(result: Result, fingerprint: str, language: str) -> Mapping[str, Any]:
    place, hint = result.place, result.hint
    return {
        "rule": result.rule,
        "severity": result.severity.name.lower(),
        "focusNode": str(result.focus).strip("<>"),
        "label": result.label,
        "path": result.path or None,
        "value": None if result.value is None else str(result.value),
        "message": result.message(language),
        "messages": dict(result.messages),
        "hint": {"written": hint.written, "meant": hint.meant} if hint else None,
        "shape": result.shape,
        "component": result.component,
        "fingerprint": fingerprint,
        "file": place.path.as_posix() if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
