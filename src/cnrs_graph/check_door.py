"""The address where a file is validated: what a request asks for, and the page to paste statements into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from cnrs_graph.checking import Check
from cnrs_graph.errors import CnrsGraphError, RequestError, UnsupportedMediaTypeError
from cnrs_graph.finding_words import WORDS, counted, said
from cnrs_graph.formats import GRAPH_FORMATS, JSONLD, NTRIPLES, PAGE, TEXT, TURTLE, Format, negotiate
from cnrs_graph.pages import render
from cnrs_graph.publication import Publication
from cnrs_graph.replies import Reply, error_format, error_reply, success
from cnrs_graph.reports import SCHEMA
from cnrs_graph.site import failure, site_of

PATH = "/api/validate"
SCHEMA_PATH = f"{PATH}/schema.json"
JSON = Format("json", "application/json", "json")
SARIF = Format("sarif", "application/sarif+json", "sarif")
#: What a report is sent as, the first to who accepts anything, each with the format of the command line.
OFFERED: Mapping[Format, str] = {
    JSON: "json",
    PAGE: "json",
    SARIF: "sarif",
    TURTLE: "turtle",
    JSONLD: "jsonld",
    NTRIPLES: "ntriples",
    TEXT: "text",
}
_FORM = "application/x-www-form-urlencoded"
_FIELDS = frozenset(("data", "shapes", "lang", "input"))


def asked(query: str, content_type: str, body: bytes, accept: str | None) -> tuple[Check, Format]:
    """What a POST asks for, and the format of the answer.

    The body is a file in one of the RDF formats, or a form with `data`, and `shapes` in Turtle where ours are
    not meant; `lang` chooses the language of messages.
    Raises: RequestError, UnsupportedMediaTypeError, NotAcceptableError.
    """
    chosen = negotiate(accept, tuple(OFFERED))
    options = _options(query)
    media = content_type.partition(";")[0].strip().lower()
    if media == _FORM:
        options |= _options(body.decode("utf-8", "replace"))
        data, form = options.get("data", "").encode(), options.get("input", "turtle")
    else:
        data, form = body, _form_of(media)
    if form not in {each.name for each in GRAPH_FORMATS}:
        raise RequestError(f"input={form}: write one of {', '.join(each.name for each in GRAPH_FORMATS)}")
    if not data.strip():
        raise RequestError("there is nothing to validate; send a file, or a form with `data`")
    language = options.get("lang", "en")
    if language not in WORDS:
        raise RequestError(f"lang={language}: write one of {', '.join(WORDS)}")
    shapes = options.get("shapes", "").encode()
    return Check(data, form, shapes if shapes.strip() else None, OFFERED[chosen], language), chosen


def _options(text: str) -> dict[str, str]:
    """The fields of a form or query string.

    Raises: RequestError for one that is not known or stands there twice.
    """
    try:
        fields = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=16)
    except ValueError as error:
        raise RequestError(f"the form cannot be read: {error}") from error
    for name, values in fields.items():
        if name not in _FIELDS:
            raise RequestError(f"there is no field {name!r}; known are {', '.join(sorted(_FIELDS))}")
        if len(values) > 1:
            raise RequestError(f"the field {name!r} stands there {len(values)} times")
    return {name: values[0] for name, values in fields.items()}


def _form_of(media: str) -> str:
    for fmt in GRAPH_FORMATS:
        if media in (fmt.media_type, *(alias for alias in fmt.aliases if alias != "text/plain")):
            return fmt.name
    raise UnsupportedMediaTypeError(media, [*(fmt.media_type for fmt in GRAPH_FORMATS), _FORM])


def answered(publication: Publication, check: Check, chosen: Format, report: bytes) -> Reply:
    """The report in the format asked for; to people as a page below what they sent."""
    if chosen is PAGE:
        return _page(publication, check, json.loads(report))
    reply = success(report, chosen, max_age_seconds=0)
    return Reply(reply.status, _kept_by_nobody(reply), reply.body)


def refused(
    publication: Publication, error: CnrsGraphError, check: Check | None, accept: str | None
) -> Reply:
    """Say what is wrong: to people with what they sent in the form, so that they can mend it."""
    if check is None or error_format(accept) is not PAGE:
        return failure(publication, error, accept=accept)
    return error_reply(error, PAGE, _page(publication, check, None, str(error)).body)


def form(publication: Publication, language: str) -> Reply:
    """The page to paste statements into."""
    return _page(publication, Check(b"", language=language if language in WORDS else "en"), None)


def schema() -> Reply:
    """The schema of the report in JSON."""
    return success(SCHEMA.read_bytes(), JSON, vary=None)


def _page(
    publication: Publication, check: Check, report: Mapping[str, Any] | None, problem: str | None = None
) -> Reply:
    language = check.language
    counts = report["counts"] if report else {}
    body = render(
        site_of(publication).documents.desk("en"),
        "validate.html",
        title=said(language, "check"),
        f=partial(said, language),
        language=language,
        languages=tuple(WORDS),
        formats=GRAPH_FORMATS,
        sent=check,
        text=check.data.decode("utf-8", "replace"),
        own=check.shapes.decode("utf-8", "replace") if check.shapes else "",
        report=report,
        told=[counted(language, count, severity) for severity, count in counts.items()],
        problem=problem,
    )
    reply = success(body, PAGE)
    return Reply(reply.status, _kept_by_nobody(reply), reply.body)


def _kept_by_nobody(reply: Reply) -> tuple[tuple[str, str], ...]:
    """The headers of an answer to one request: nothing to keep and nothing to compare with."""
    kept = [(name, value) for name, value in reply.headers if name not in ("ETag", "Cache-Control")]
    return (*kept, ("Cache-Control", "no-store"))
