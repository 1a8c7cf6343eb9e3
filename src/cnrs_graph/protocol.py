"""The SPARQL 1.1 Protocol: from what a client sent to the query it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cnrs_graph.errors import RefusedQueryError, RequestError, UnsupportedMediaTypeError

FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"
UPDATE = "application/sparql-update"
#: A form this long would only be made to be slow.
_MOST_FIELDS = 1000
_OF_QUERIES = ("query", "default-graph-uri", "named-graph-uri")
_OF_UPDATES = ("using-graph-uri", "using-named-graph-uri")
#: The charsets in which a body can be told to be; the second is a part of the first.
_CHARSETS = ("utf-8", "utf8", "us-ascii")
_NO_UPDATES = "this endpoint answers queries; updates are not offered"


@dataclass(frozen=True)
class QueryRequest:
    """A query with the dataset that the client asks for; no query means "tell me about the service".

    Empty graph lists leave the dataset to the query and to the service.
    """

    query: str | None
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()


def read_get(query_string: str) -> QueryRequest:
    """Read a query by GET.

    >>> read_get("query=ASK%20%7B%7D").query
    'ASK {}'

    Raises: RequestError; RefusedQueryError for an update.
    Source: SPARQL 1.1 Protocol, section 2.1.1.
    """
    asked = _request(fields_of(query_string))
    if asked.query is None and (asked.default_graphs or asked.named_graphs):
        raise RequestError("graphs are named, but there is no query; send one in the parameter query")
    return asked


def read_post(query_string: str, content_type: str, body: bytes) -> QueryRequest:
    """Read a query by POST: a form, or the query itself with the dataset in the query string.

    Raises: RequestError; UnsupportedMediaTypeError; RefusedQueryError for an update.
    Source: SPARQL 1.1 Protocol, sections 2.1.2 and 2.1.3.
    """
    media_type, charset = _media_type(content_type)
    if media_type == UPDATE:
        raise RefusedQueryError(_NO_UPDATES)
    if media_type not in (FORM, QUERY):
        raise UnsupportedMediaTypeError(media_type, (FORM, QUERY))
    if charset not in _CHARSETS:
        raise UnsupportedMediaTypeError(f"{media_type}; charset={charset}", (f"{media_type}; charset=utf-8",))
    fields = fields_of(query_string)
    if media_type == FORM:
        # Some clients put the dataset in the query string of a form POST; both places count.
        asked = _request([*_fields(_text(body), "the form"), *fields])
    elif any(name == "query" for name, _ in fields):
        raise RequestError("the query stands in the body and in the query string; send it once")
    else:
        asked = _request([*fields, ("query", _text(body))])
    if asked.query is None:
        raise RequestError("the form has no query; send one in the parameter query")
    return asked


def fields_of(query_string: str) -> list[tuple[str, str]]:
    """The names and values of a query string, decoded once.

    >>> fields_of("a=1%20+2&b")
    [('a', '1  2'), ('b', '')]

    Raises: RequestError.
    """
    return _fields(query_string, "the query string")


def _media_type(content_type: str) -> tuple[str, str]:
    """The media type of a body and its charset, UTF-8 if none is said."""
    media_type, *parameters = content_type.split(";")
    pairs = (each.partition("=") for each in parameters)
    said = [value.strip().strip('"').lower() for name, _, value in pairs if name.strip().lower() == "charset"]
    return media_type.strip().lower(), said[0] if said else "utf-8"


def read_parameters(query_string: str) -> dict[str, str]:
    """Read the parameters of a saved query.

    >>> read_parameters("country=can&year=1999")
    {'country': 'can', 'year': '1999'}

    Raises: RequestError, for a parameter that is given twice too.
    """
    found: dict[str, str] = {}
    for name, value in _fields(query_string, "the query string"):
        if name in found:
            raise RequestError(f"the parameter {name!r} is given more than once; give it once")
        found[name] = value
    return found


def _request(fields: Iterable[tuple[str, str]]) -> QueryRequest:
    """The request that decoded fields make; fields that are not of the protocol are passed over.

    Clients send `format`, `output` or `results` beside the Accept header; the header decides. Forms send
    `default-graph-uri` without a value when nobody filled it in.
    """
    found: Mapping[str, list[str]] = {
        "query": [],
        "default-graph-uri": [],
        "named-graph-uri": [],
        "update": [],
    }
    for name, value in fields:
        _refuse_misspelt(name)
        if name in found and (value or not name.endswith("-graph-uri")):
            found[name].append(value)
    if found["update"]:
        raise RefusedQueryError(_NO_UPDATES)
    if len(found["query"]) > 1:
        raise RequestError(f"{len(found['query'])} queries were sent; send one")
    query = found["query"][0] if found["query"] else None
    if query is not None and not query.strip():
        raise RequestError("the query is empty; write one, for example ASK {}")
    return QueryRequest(query, tuple(found["default-graph-uri"]), tuple(found["named-graph-uri"]))


def _refuse_misspelt(name: str) -> None:
    """Raise RequestError for a parameter that means something but would be passed over in silence."""
    plain = name.lower().replace("_", "-")
    if plain in _OF_UPDATES:
        raise RequestError(
            f"{name} belongs to updates; for a query send default-graph-uri or named-graph-uri"
        )
    if plain in _OF_QUERIES and name not in _OF_QUERIES:
        raise RequestError(f"there is no parameter {name}; did you mean {plain}?")


def _fields(text: str, where: str) -> list[tuple[str, str]]:
    """Decode form fields, once."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise RequestError(f"{where} is not UTF-8 text") from error
    except ValueError as error:
        raise RequestError(f"{where} cannot be read: {error}") from error


def _text(body: bytes) -> str:
    """The text of a body; a mark of the byte order, which some editors write, is passed over."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8 text (byte {error.start})") from error
