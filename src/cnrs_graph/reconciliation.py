"""The Reconciliation Service API 0.2, by which OpenRefine and others match their records with our things."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import pyoxigraph as ox

from cnrs_graph import __version__, replies
from cnrs_graph.descriptions import NAMES, PRIMARY_SOURCE, TYPE, facts_about, name_of, node_key
from cnrs_graph.documents import Documents
from cnrs_graph.errors import (
    BatchTooLargeError,
    CnrsGraphError,
    RequestError,
    UnknownResourceError,
    UnsupportedMediaTypeError,
)
from cnrs_graph.formats import JSON, PAGE
from cnrs_graph.list_pages import browsable
from cnrs_graph.matching import Candidate, IriOf, Question, Wanted, candidates, values_of
from cnrs_graph.pages import Desk, Marks, page_language, render, tongue_of
from cnrs_graph.protocol import fields_of
from cnrs_graph.publication import Publication
from cnrs_graph.replies import PAGE_POLICY, Reply
from cnrs_graph.search import folded
from cnrs_graph.site import failure, site_of
from cnrs_graph.terms import expand

#: Queries in one request, candidates for each, and things in one request for values.
BATCH = 50
_MOST_CANDIDATES = 50
_MOST_THINGS = 1_000
_SUGGESTED = 10
_PROPOSED = 50
_LOOKED_THROUGH = 200
_FACTS_SHOWN = 8
#: What a preview says elsewhere, or not at all.
_NO_NEWS = frozenset((TYPE, PRIMARY_SOURCE, *NAMES))
_PREVIEW = {"width": 430, "height": 300}
#: A preview is made to stand in the page of somebody else.
_PREVIEW_POLICY = PAGE_POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
_FORM = "application/x-www-form-urlencoded"
_DATE_TIME = re.compile(r"-?(?:[1-9]\d*)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
_WHOLE = frozenset(
    expand(f"xsd:{name}")
    for name in (
        *("integer", "int", "long", "short", "byte", "positiveInteger", "negativeInteger"),
        *("nonNegativeInteger", "nonPositiveInteger"),
        *("unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte"),
    )
)
_FRACTION = frozenset(expand(f"xsd:{name}") for name in ("decimal", "double", "float"))


def reply(
    publication: Publication,
    path: str,
    query: str,
    *,
    accept: str | None = None,
    accept_language: str | None = None,
    if_none_match: str | None = None,
) -> Reply:
    """Answer a GET to the reconciliation service.

    Source: Reconciliation Service API v0.2, final report of its W3C Community Group, 10 April 2023.
    """
    try:
        service = Service(site_of(publication).documents, page_language(accept_language))
        return _replied(service, path.rstrip("/"), dict(fields_of(query)), if_none_match)
    except CnrsGraphError as error:
        return failure(publication, error, accept=accept, tongue=tongue_of(accept_language, path))


def reply_to_form(
    publication: Publication,
    content_type: str,
    body: bytes,
    *,
    accept: str | None = None,
    accept_language: str | None = None,
    if_none_match: str | None = None,
) -> Reply:
    """Answer a POST to the reconciliation service: a batch of queries, or a request for values."""
    try:
        service = Service(site_of(publication).documents, page_language(accept_language))
        return _replied(service, "/reconcile", dict(_read_form(content_type, body)), if_none_match)
    except CnrsGraphError as error:
        return failure(publication, error, accept=accept, tongue=tongue_of(accept_language, "/reconcile"))


def _replied(service: Service, path: str, fields: Mapping[str, str], if_none_match: str | None) -> Reply:
    if path == "/reconcile/view":
        return replies.redirect(303, service.view(fields))
    if path == "/reconcile/preview":
        fmt, body, policy = PAGE, service.preview(fields), _PREVIEW_POLICY
    else:
        found = service.at(path)(fields)
        fmt, body, policy = JSON, f"{json.dumps(found, ensure_ascii=False)}\n".encode(), PAGE_POLICY
    return replies.success(body, fmt, if_none_match=if_none_match, policy=policy, vary="Accept-Language")


class Service:
    """The service over one publication, in one language.

    Things have what follows the base as their identifier (`id/country/can`), classes and properties what
    follows the namespace of the ontology, else the whole IRI. All of them are understood as whole IRIs too.
    """

    def __init__(self, documents: Documents, language: str) -> None:
        self._documents = documents
        self._desk: Desk = documents.desk(language)
        self._index = documents.index
        self._base = documents.base
        self._terms = f"{documents.base}ontology#"

    def at(self, path: str) -> Callable[[Mapping[str, str]], Any]:
        """What is answered at a path.

        Raises: UnknownResourceError.
        """
        known = {
            "/reconcile": self.answer,
            "/reconcile/suggest/entity": self.suggest_entity,
            "/reconcile/suggest/type": self.suggest_type,
            "/reconcile/suggest/property": self.suggest_property,
            "/reconcile/properties": self.propose,
        }
        if path not in known:
            raise UnknownResourceError(f"{self._base}{path[1:]}", (f"{self._base}reconcile",))
        return known[path]

    def answer(self, fields: Mapping[str, str]) -> Any:
        """Candidates for the queries of a batch, values for things, or the manifest when neither is asked.

        Raises: RequestError.
        """
        if "queries" in fields and "extend" in fields:
            raise RequestError("queries and extend were both sent; send one of them")
        if "queries" in fields:
            return self._reconciled(_object(fields["queries"], "queries"))
        if "extend" in fields:
            return self._extended(_object(fields["extend"], "extend"))
        return self.manifest()

    def manifest(self) -> dict[str, Any]:
        """What the service offers, and where."""
        root = self._documents.root
        service = {"service_url": root.rstrip("/")}
        suggest = {
            kind: {**service, "service_path": f"/reconcile/suggest/{kind}"}
            for kind in ("entity", "type", "property")
        }
        setting = {
            "name": "limit",
            "label": self._desk.word("reconcile-limit"),
            "type": "number",
            "default": 0,
            "help_text": self._desk.word("reconcile-limit-why"),
        }
        return {
            "versions": ["0.2"],
            "name": self._desk.title,
            "identifierSpace": self._base,
            "schemaSpace": self._terms,
            "documentation": f"{root}dataset",
            "logo": f"{root}static/icon.svg",
            "serviceVersion": __version__,
            "defaultTypes": [self._named(kind) for kind in browsable(self._index).values()],
            "view": {"url": f"{root}reconcile/view?id={{{{id}}}}"},
            "preview": {"url": f"{root}reconcile/preview?id={{{{id}}}}", **_PREVIEW},
            "suggest": suggest,
            "extend": {
                "propose_properties": {**service, "service_path": "/reconcile/properties"},
                "property_settings": [setting],
            },
            "batchSize": BATCH,
        }

    def suggest_entity(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Things whose name, code or identifier begins like this."""
        kinds = (self._term(fields["type"]),) if fields.get("type") else ()
        prefix, cursor = fields.get("prefix", ""), _natural(fields, "cursor", 0)
        iri = self._thing(prefix)
        if iri is not None and not cursor:
            return {"result": [self._suggestion(iri)]}
        found = self._documents.search.find(prefix, kinds=kinds, limit=_SUGGESTED, offset=cursor)
        self._index.ahead(hit.iri for hit in found.hits)
        return {"result": [self._suggestion(hit.iri) for hit in found.hits]}

    def suggest_type(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Classes whose name begins like this."""
        kinds = {*browsable(self._index).values(), *self._index.listed_kinds()}
        return self._suggested(fields, [self._named(kind) for kind in kinds])

    def suggest_property(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Properties whose name begins like this, of those that are used."""
        used = [predicate for predicate in self._index.property_counts() if predicate != TYPE]
        return self._suggested(fields, [self._named_property(predicate) for predicate in used])

    def propose(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """The properties of the things of a class, the commonest first."""
        limit = min(_natural(fields, "limit", _PROPOSED) or _PROPOSED, 10 * _PROPOSED)
        kind = fields.get("type", "")
        things = self._index.instances.get(self._term(kind), ())[:_LOOKED_THROUGH]
        self._index.ahead(things)
        used = Counter(
            predicate
            for thing in things
            for predicate in {fact.predicate for fact in facts_about(self._index, thing)}
            if predicate != TYPE
        )
        ranked = sorted(used, key=lambda predicate: (-used[predicate], predicate))[:limit]
        proposed = [self._named_property(predicate) for predicate in ranked]
        return {"type": kind, "limit": limit, "properties": proposed}

    def view(self, fields: Mapping[str, str]) -> str:
        """Where the page about a thing is.

        Raises: UnknownResourceError.
        """
        iri = self._known(fields)
        href, _ = self._desk.href(iri)
        return href or iri

    def preview(self, fields: Mapping[str, str]) -> bytes:
        """A small page about a thing, to stand in the page of somebody else.

        Raises: UnknownResourceError.
        """
        desk, iri = self._desk, self._known(fields)
        self._index.ahead([iri])
        known = facts_about(self._index, iri)
        facts = [fact for fact in known if not fact.derived and fact.predicate not in _NO_NEWS]
        self._index.ahead(node_key(fact.object) for fact in facts)
        rows = desk.rows(facts, Marks())
        return render(
            desk,
            "preview.html",
            title=desk.name(iri).text,
            name=desk.name(iri),
            iri=iri,
            view=f"{self._documents.root}reconcile/view?id={quote(self._identifier(iri), safe='')}",
            kinds=[desk.kind(kind) for kind in self._index.kinds(iri)],
            prose=desk.texts(iri, "skos:definition", "dcterms:description", "rdfs:comment"),
            rows=rows[:_FACTS_SHOWN],
        )

    # ------------------------------------------------------------------------------------------ batches

    def _reconciled(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        if len(batch) > BATCH:
            raise BatchTooLargeError(len(batch), BATCH)
        questions = {key: self._question(key, asked) for key, asked in batch.items()}
        return {
            key: {"result": [self._candidate(each) for each in self._asked(question)]}
            for key, question in questions.items()
        }

    def _asked(self, question: Question) -> Iterable[Candidate]:
        iri = self._thing(question.name)
        if iri is not None:
            return (Candidate(iri, 100.0, 100.0, None, match=True),)
        return candidates(self._documents.search, self._index, question)

    def _question(self, key: str, asked: Any) -> Question:
        """One query of a batch.

        Raises: RequestError naming the query and what is wrong with it.
        """
        if not isinstance(asked, dict):
            raise RequestError(f"query {key}: write an object")
        name, wanted = asked.get("query", ""), asked.get("properties", [])
        if not isinstance(name, str) or not isinstance(wanted, list):
            raise RequestError(f"query {key}: query is a text, properties a list")
        if not name.strip() and not wanted:
            raise RequestError(f"query {key}: write query, properties, or both")
        strict = asked.get("type_strict", "any")
        if strict not in ("any", "all", "should"):
            raise RequestError(f"query {key}: type_strict is any, all or should")
        kinds = tuple(self._term(_identifier_of(kind, key)) for kind in _listed(asked.get("type", [])))
        limit = asked.get("limit", 5)
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 1:
            raise RequestError(f"query {key}: limit is a whole number from 1")
        properties = tuple(self._wanted(each, key) for each in wanted)
        return Question(name.strip(), kinds, strict, properties, min(int(limit), _MOST_CANDIDATES))

    def _wanted(self, each: Any, key: str) -> Wanted:
        if not isinstance(each, dict) or "v" not in each or not isinstance(each.get("pid"), str):
            raise RequestError(f"query {key}: a property has a pid and a v")
        return Wanted(self._term(each["pid"]), tuple(self._value(value, key) for value in _listed(each["v"])))

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            identifier = _identifier_of(value, key)
            return IriOf(self._thing(identifier) or identifier)
        if not isinstance(value, str | int | float):
            raise RequestError(
                f"query {key}: a value is a text, a number, true, false, or an object with an id"
            )
        return value

    def _candidate(self, found: Candidate) -> dict[str, Any]:
        features: list[dict[str, Any]] = []
        if found.name_score is not None:
            features.append({"id": "name", "value": found.name_score})
        if found.has_kind is not None:
            features.append({"id": "type", "value": found.has_kind})
        features += [
            {"id": f"property:{self._local(predicate)}", "value": round(100 * fit, 1)}
            for predicate, fit in found.by_property
        ]
        described = self._described(found.iri)
        return {
            "id": self._identifier(found.iri),
            "name": name_of(self._index, found.iri, (self._desk.language,)).value,
            **({"description": described} if described else {}),
            "type": [self._named(kind) for kind in self._documents.search.kinds_of(found.iri)],
            "score": found.score,
            "features": features,
            "match": found.match,
        }

    def _extended(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        ids, wanted = _list_of(asked, "ids", str), _list_of(asked, "properties", dict)
        if len(ids) > _MOST_THINGS:
            raise BatchTooLargeError(len(ids), _MOST_THINGS)
        properties = [(_identifier_of(each, "extend"), _limit_of(each)) for each in wanted]
        things = {identifier: self._thing(identifier) for identifier in ids}
        self._index.ahead(iri for iri in things.values() if iri is not None)
        return {
            "meta": [self._column(identifier) for identifier, _ in properties],
            "rows": {
                identifier: {
                    name: self._cells(iri, self._term(name), limit) if iri is not None else []
                    for name, limit in properties
                }
                for identifier, iri in things.items()
            },
        }

    def _column(self, identifier: str) -> dict[str, Any]:
        predicate = self._term(identifier)
        column: dict[str, Any] = {"id": identifier, "name": self._desk.property(predicate).text}
        ranges = [node_key(kind) for kind in self._index.values(predicate, expand("rdfs:range"))]
        if len(ranges) == 1 and ranges[0] in self._index.instances:
            column["type"] = self._named(ranges[0])
        return column

    def _cells(self, iri: str, predicate: str, limit: int) -> list[dict[str, Any]]:
        values = values_of(self._index, iri, predicate)
        texts = self._desk.preferred([value for value in values if isinstance(value, ox.Literal)])
        kept = [value for value in values if not isinstance(value, ox.Literal) or value in texts]
        cells = [self._cell(value) for value in kept if not isinstance(value, ox.BlankNode)]
        return cells[:limit] if limit else cells

    def _cell(self, value: Any) -> dict[str, Any]:
        if isinstance(value, ox.Literal):
            return _literal_cell(value)
        if self._thing(value.value) is None:
            return {"str": value.value}
        return {"id": self._identifier(value.value), "name": self._desk.name(value.value).text}

    # ----------------------------------------------------------------------------------------- identifiers

    def _identifier(self, iri: str) -> str:
        return iri.removeprefix(self._base)

    def _local(self, iri: str) -> str:
        return iri.removeprefix(self._terms)

    def _term(self, identifier: str) -> str:
        """The IRI of a class or a property, by its identifier, a prefixed name, or its IRI."""
        for text in (identifier, f"{self._terms}{identifier}"):
            try:
                return expand(text)
            except ValueError:
                continue
        return identifier

    def _thing(self, identifier: str) -> str | None:
        """The IRI of a thing that can be found, by its identifier or its IRI."""
        known = (
            iri for iri in (identifier, f"{self._base}{identifier}") if self._documents.search.knows(iri)
        )
        return next(known, None)

    def _known(self, fields: Mapping[str, str]) -> str:
        identifier = fields.get("id", "")
        iri = self._thing(identifier)
        if iri is None:
            raise UnknownResourceError(identifier or f"{self._base}reconcile")
        return iri

    def _named(self, kind: str) -> dict[str, str]:
        return {"id": self._local(kind), "name": self._desk.kind(kind).text}

    def _named_property(self, predicate: str) -> dict[str, str]:
        return {"id": self._local(predicate), "name": self._desk.property(predicate).text}

    def _described(self, iri: str) -> str:
        """What tells things of one name apart: their classes, and what they are by definition."""
        kinds = [self._desk.kind(kind).text for kind in self._index.kinds(iri)[:1]]
        texts = [text.text for text in self._desk.texts(iri, "skos:definition", "dcterms:description")[:1]]
        return ": ".join((*kinds, *texts))

    def _suggestion(self, iri: str) -> dict[str, Any]:
        described = self._described(iri)
        return {
            "id": self._identifier(iri),
            "name": self._desk.name(iri).text,
            **({"description": described} if described else {}),
            "notable": [self._named(kind) for kind in self._documents.search.kinds_of(iri)],
        }

    @staticmethod
    def _suggested(fields: Mapping[str, str], known: Iterable[dict[str, str]]) -> dict[str, Any]:
        """Those whose name or identifier has this text, the ones that begin with it first."""
        asked, cursor = folded(fields.get("prefix", "")), _natural(fields, "cursor", 0)
        ranked = []
        for each in known:
            name, identifier = folded(each["name"]), folded(each["id"])
            if asked in name or asked in identifier:
                begins = name.startswith(asked) or identifier.startswith(asked)
                ranked.append((not begins, len(name), each["id"], each))
        ranked.sort(key=lambda entry: entry[:3])
        return {"result": [entry[3] for entry in ranked[cursor : cursor + _SUGGESTED]]}


def _read_form(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """The fields of a form.

    Raises: UnsupportedMediaTypeError, RequestError.
    """
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise UnsupportedMediaTypeError(content_type, (_FORM,))
    try:
        return fields_of(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8 text (byte {error.start})") from error


def _object(text: str, name: str) -> dict[str, Any]:
    """A JSON object that stands in a field.

    Raises: RequestError with line and column.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise RequestError(f"{name}: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise RequestError(f"{name}: nested too deeply") from error
    if not isinstance(found, dict):
        raise RequestError(f"{name}: write a JSON object")
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _list_of(asked: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    found = asked.get(name)
    if not isinstance(found, list) or not all(isinstance(each, kind) for each in found):
        raise RequestError("extend: write ids, a list of texts, and properties, a list of objects")
    return found


def _identifier_of(value: Any, where: str) -> str:
    """The identifier in a text or in an object with an id.

    Raises: RequestError.
    """
    found = value.get("id") if isinstance(value, dict) else value
    if not isinstance(found, str) or not found:
        raise RequestError(f"{where}: an identifier is a text")
    return found


def _limit_of(wanted: Mapping[str, Any]) -> int:
    """How many values of a property are wanted; 0 for all."""
    settings = wanted.get("settings")
    limit = settings.get("limit", 0) if isinstance(settings, dict) else 0
    try:
        return max(0, int(limit))
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError("extend: the setting limit is a whole number") from error


def _natural(fields: Mapping[str, str], name: str, otherwise: int) -> int:
    text = fields.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise RequestError(f"{name}={text[:20]}: write a whole number")
    return int(text)


def _literal_cell(value: ox.Literal) -> dict[str, Any]:
    """A literal as the protocol writes it; what has no form of its own there is a text."""
    text, datatype = value.value, value.datatype.value
    if datatype in _WHOLE and re.fullmatch(r"[+-]?\d{1,300}", text):
        return {"int": int(text)}
    if datatype in _FRACTION and re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", text):
        return {"float": float(text)}
    if datatype == expand("xsd:dateTime") and _DATE_TIME.fullmatch(text):
        return {"date": text}
    return {"str": text}
