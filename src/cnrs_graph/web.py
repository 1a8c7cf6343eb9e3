"""FastAPI around `site` and the SPARQL protocol."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cnrs_graph import __version__, check_door, graph_store, reconciliation, sheets
from cnrs_graph.addresses import folded
from cnrs_graph.checking import Checker
from cnrs_graph.compression import Compressed
from cnrs_graph.config import Config
from cnrs_graph.desk import tag_of
from cnrs_graph.desks import Desks, are_possible
from cnrs_graph.downloads import FileAnswer
from cnrs_graph.errors import (
    AnswerTooLargeError,
    CallerLeftError,
    CnrsGraphError,
    MethodNotAllowedError,
    NotAcceptableError,
    RefusedQueryError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from cnrs_graph.formats import (
    DOWNLOAD_FORMATS,
    GRAPH_FORMATS,
    JSON_RESULTS,
    NTRIPLES,
    PAGE,
    RESULT_FORMATS,
    XML_RESULTS,
    Format,
    negotiate,
)
from cnrs_graph.journal import Entry, Journal, entry_of, write_down
from cnrs_graph.likeness import is_repeatable
from cnrs_graph.metrics import CONTENT_TYPE, Metrics
from cnrs_graph.pages import Tongue, tongue_of
from cnrs_graph.protocol import QueryRequest, read_get, read_post
from cnrs_graph.publication import Publication
from cnrs_graph.reading import Reader, is_short
from cnrs_graph.remote import RemotePool
from cnrs_graph.replies import EXPOSED
from cnrs_graph.site import (
    Reply,
    SavedAnswer,
    failure,
    openapi_paths,
    query_failure,
    query_form,
    query_results,
    reply,
    saved_answer,
    service_description,
    site_of,
)
from cnrs_graph.sparql import QueryFacts, order_of, refuse_reaching_out
from cnrs_graph.streaming import HEAD, AnswerResponse, Lesson, disconnected
from cnrs_graph.teaching import Teaching
from cnrs_graph.words import WORDS
from cnrs_graph.workers import Pool, RunningAnswer

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)

_READ = ("GET", "HEAD", "OPTIONS")
#: What each query form can be answered in, the first for who accepts anything.
OFFERED: Mapping[str, tuple[Format, ...]] = {
    "SELECT": (*RESULT_FORMATS, *DOWNLOAD_FORMATS, PAGE),
    "ASK": (JSON_RESULTS, XML_RESULTS, PAGE),
    "CONSTRUCT": (*GRAPH_FORMATS, PAGE),
    "DESCRIBE": (*GRAPH_FORMATS, PAGE),
}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": EXPOSED,
}
#: A page of results shows so many bytes of them; the whole answer is in the other formats.
_PAGE_BYTES = 400_000
#: A file that is made of a whole answer is made of no larger one.
_DOWNLOAD_BYTES = 64 << 20
#: How the page with an answer is written: publication, query, form, and the body of the answer.
Page = Callable[[Publication, str, str, bytes | None], Reply]
#: For the log only: nobody is there to read it.
_CALLER_LEFT = 499
_GRAPHS_AT_ONCE = 2


@dataclass(frozen=True)
class Door:
    """What every request needs: the publication, the settings, the processes that answer queries."""

    publication: Publication
    config: Config
    pool: Pool
    metrics: Metrics
    reader: Reader
    #: What entity tags of answers are made with.
    key: bytes
    desks: Desks | None


def create_app(
    publication: Publication, config: Config, pool: Pool | None = None, desks: Desks | None = None
) -> ASGIApp:
    """Put a publication on the web; queries go to *pool*, else to processes of our own; *desks* learn.

    Source: docs/reference/http.md for addresses and statuses; SPARQL 1.1 Protocol for /sparql.
    """
    pool = pool or pool_of(config)
    metrics = Metrics(pool, desks, statements=publication.size())
    key = desks.key if desks is not None else secrets.token_bytes(16)
    door = Door(publication, config, pool, metrics, Reader(), key, desks)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Made before the first request, which would otherwise wait for it.
        site_of(publication)
        async with pool:
            await pool.start(publication.statements(), publication.default_graphs())
            yield

    app = FastAPI(
        title=next(iter(publication.title.values()), "linked data"),
        version=__version__,
        description="Query by SPARQL, fetch things by their IRIs.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    _add_sparql(app, door)
    _add_status(app, door)
    _add_graph_store(app, door)
    _add_queries(app, door)
    _add_dumps(app, door)
    _add_validation(app, door)
    _add_reconciliation(app, door)
    _add_pages(app, door)
    app.add_exception_handler(Exception, _mishap(door))
    app.add_exception_handler(HTTPException, _unknown_method(door))
    recorders: tuple[Callable[[Iterable[Entry]], object], ...] = (write_down, metrics.record)
    if desks is not None:
        desks.recorders = recorders
        recorders = (*recorders, desks.learn)
    whole = Journal(HeadAsGet(Compressed(app)), recorders)
    served = WithoutPrefix(whole, prefix_of(publication.public_url))
    return Teaching(served, desks) if desks is not None else served


def pool_of(config: Config, desks: Desks | None = None) -> Pool:
    """The processes that answer queries, as the settings want them; desks are forked beside them."""
    return Pool(
        size=config.workers,
        timeout_seconds=config.query_seconds,
        memory_bytes=config.query_memory_bytes,
        queue_length=config.queue,
        slow_after_seconds=config.slow_after_seconds,
        slow_workers=config.slow_workers,
        desk_settings=desks.settings if desks is not None else None,
    )


def desks_of(config: Config) -> Desks | None:
    """Desks, as the settings want them, where the system has what they need."""
    if not are_possible():
        return None
    return Desks(
        size=config.workers,
        prefix=prefix_of(config.public_url),
        memory_bytes=config.query_memory_bytes,
        answer_bytes=config.answer_bytes,
        most_statements=config.describe_statements,
    )


def prefix_of(public_url: str) -> str:
    """The path under which the site is published."""
    return urlsplit(public_url).path.rstrip("/")


def _add_sparql(app: FastAPI, door: Door) -> None:
    @app.get("/sparql", tags=["SPARQL"], summary="Answer a SPARQL query", response_class=Response)
    async def sparql_get(
        request: Request,
        query: Annotated[str | None, Query(description="a SPARQL 1.1 query")] = None,  # noqa: ARG001 - for OpenAPI
    ) -> Response:
        return await _sparql(door, request, lambda: read_get(_query_string(request)))

    for language in WORDS:
        app.add_api_route(f"/{language}/sparql", sparql_get, include_in_schema=False)

    @app.post("/sparql", tags=["SPARQL"], summary="Answer a SPARQL query", response_class=Response)
    async def sparql_post(request: Request) -> Response:
        try:
            _refuse_encoded(request)
            body = await _body(request, door.config.body_bytes)
        except CnrsGraphError as error:
            return _failed(door, request, error)
        content_type = request.headers.get("content-type", "")
        return await _sparql(door, request, lambda: read_post(_query_string(request), content_type, body))

    for language in WORDS:
        app.add_api_route(f"/{language}/sparql", sparql_post, methods=["POST"], include_in_schema=False)


def _add_status(app: FastAPI, door: Door) -> None:
    @app.get("/health", tags=["operation"], summary="Whether the server lives, and its limits")
    async def health() -> JSONResponse:
        limits = _limits(door.config)
        waiting = {"waiting": door.pool.waiting, "walls": list(door.pool.walls)}
        return JSONResponse(
            {"status": "ok", "version": __version__, "limits": limits, **waiting}, headers=_CORS
        )

    @app.get("/metrics", tags=["operation"], summary="Numbers for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(
            door.metrics.page(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **_CORS}
        )

    @app.get("/ready", tags=["operation"], summary="Whether a query is answered")
    async def ready(request: Request) -> Response:
        try:
            answer = await door.pool.run("ASK {}", timeout_seconds=5)
        except CnrsGraphError as error:
            return _failed(door, request, error)
        return JSONResponse({"status": "ready" if answer.verdict() else "not ready"}, headers=_CORS)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(app.openapi(), headers=_CORS)


def _add_graph_store(app: FastAPI, door: Door) -> None:
    # Whole graphs take long to write; so few at a time, pages do not wait for them.
    limiter = CapacityLimiter(_GRAPHS_AT_ONCE)

    @app.get("/graphs", tags=["graphs"], summary="Fetch a graph, or list them", response_class=Response)
    async def graphs(
        request: Request,
        graph: Annotated[str | None, Query(description="the IRI of a named graph")] = None,  # noqa: ARG001
        default: Annotated[str | None, Query(description="the default graph; no value")] = None,  # noqa: ARG001
    ) -> Response:
        query, path = _query_string(request), _raw_path(request)
        answer = partial(graph_store.reply, door.publication, query, path=path, **_asked(request))
        return _response(await to_thread.run_sync(answer, limiter=limiter))

    for language in WORDS:
        app.add_api_route(f"/{language}/graphs", graphs, include_in_schema=False)

    @app.get("/graph/{path:path}", include_in_schema=False)
    @app.get("/graphs/{path:path}", include_in_schema=False)
    async def one(request: Request) -> Response:
        query = _query_string(request)
        answer = partial(reply, door.publication, _raw_path(request), query=query, **_asked(request))
        return _response(await to_thread.run_sync(answer, limiter=limiter))


def _add_queries(app: FastAPI, door: Door) -> None:
    """Saved queries: every one is in the OpenAPI document, with its own parameters."""

    @app.get("/counts", include_in_schema=False)
    @app.get("/queries/{name}", include_in_schema=False)
    async def saved_query(request: Request) -> Response:
        try:
            asked = await to_thread.run_sync(_read_saved, door, request)
            if asked is not None:
                text, chosen = asked.text, asked.fmt
                return await _answer(door, request, text, QueryRequest(text), chosen=chosen, page=asked.page)
        except CnrsGraphError as error:
            entry_of(request.scope).ends(error)
            return _failed(door, request, error)
        return await to_thread.run_sync(_anything, door, request)

    for language in WORDS:
        app.add_api_route(f"/{language}/queries/{{name}}", saved_query, include_in_schema=False)

    without_queries = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            without_queries()["paths"].update(openapi_paths(door.publication))
        return without_queries()

    app.openapi = openapi  # type: ignore[method-assign]


def _add_dumps(app: FastAPI, door: Door) -> None:
    @app.get("/dump/{name}", tags=["data"], summary="Fetch the whole dataset", response_class=Response)
    def dump(request: Request) -> Response:
        unchanged = request.headers.get("if-none-match")
        answer, file = site_of(door.publication).download(_raw_path(request), unchanged)
        if answer is None or file is None:
            return _anything(door, request)
        return FileAnswer(answer, file)


def _add_reconciliation(app: FastAPI, door: Door) -> None:
    """The Reconciliation Service API: reading, and forms that are too long for an address."""

    @app.get("/reconcile", tags=["reconciliation"], summary="Manifest, candidates or values")
    @app.get("/reconcile/{path:path}", include_in_schema=False)
    def read(request: Request) -> Response:
        path, query = _raw_path(request), _query_string(request)
        return _response(reconciliation.reply(door.publication, path, query, **_asked(request)))

    @app.post("/reconcile", tags=["reconciliation"], summary="Candidates or values")
    async def ask(request: Request) -> Response:
        try:
            _refuse_encoded(request)
            body = await _body(request, door.config.body_bytes)
        except CnrsGraphError as error:
            return _failed(door, request, error)
        content_type = request.headers.get("content-type", "")
        answer = partial(
            reconciliation.reply_to_form, door.publication, content_type, body, **_asked(request)
        )
        return _response(await to_thread.run_sync(answer))


def _read_saved(door: Door, request: Request) -> SavedAnswer | None:
    return saved_answer(door.publication, _raw_path(request), _query_string(request), **_asked(request))


def _anything(door: Door, request: Request) -> Response:
    query = _query_string(request)
    return _response(reply(door.publication, _raw_path(request), query=query, **_asked(request)))


def _add_validation(app: FastAPI, door: Door) -> None:
    """Files of strangers, held against the shapes in a process that may be stopped."""
    checker = Checker(door.config)

    @app.post(check_door.PATH, tags=["validation"], summary="Validate a file", response_class=Response)
    async def validate(request: Request) -> Response:
        check, accept = None, request.headers.get("accept")
        try:
            _refuse_encoded(request)
            body = await _body(request, door.config.body_bytes)
            content_type = request.headers.get("content-type", "")
            check, chosen = check_door.asked(_query_string(request), content_type, body, accept)
            report = await _while_connected(request, checker.run(check))
            if report is None:
                entry_of(request.scope).ends(CallerLeftError())
                return Response(status_code=_CALLER_LEFT)
            return _response(
                await to_thread.run_sync(check_door.answered, door.publication, check, chosen, report)
            )
        except CnrsGraphError as error:
            entry_of(request.scope).ends(error)
            return _response(
                await to_thread.run_sync(check_door.refused, door.publication, error, check, accept)
            )

    @app.get(check_door.PATH, include_in_schema=False)
    def validate_form(request: Request) -> Response:
        return _response(check_door.form(door.publication, request.query_params.get("lang", "en")))

    @app.get(check_door.SCHEMA_PATH, include_in_schema=False)
    def report_schema() -> Response:
        return _response(check_door.schema())


def _add_pages(app: FastAPI, door: Door) -> None:
    @app.api_route("/{path:path}", methods=["GET"], include_in_schema=False)
    def anything(request: Request) -> Response:
        return _anything(door, request)

    @app.api_route("/{path:path}", methods=["OPTIONS"], include_in_schema=False)
    def options(request: Request) -> Response:
        allowed = ", ".join(_allowed(request))
        preflight = {
            "Allow": allowed,
            "Access-Control-Allow-Methods": allowed,
            "Access-Control-Allow-Headers": "Accept, Accept-Language, Content-Type, If-None-Match",
            "Access-Control-Max-Age": "86400",
        }
        return Response(status_code=204, headers={**_CORS, **preflight})

    @app.api_route("/{path:path}", methods=["POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def other(request: Request) -> Response:
        if request.method == "POST" and folded(_raw_path(request)) == "/sparql":
            return _response(reply(door.publication, _raw_path(request), query=_query_string(request)))
        return _method_not_allowed(door, request)


def _limits(config: Config) -> dict[str, float]:
    """What a query may take, as /health and the service description say it."""
    return {
        "query_seconds": config.query_seconds,
        "query_memory_bytes": config.query_memory_bytes,
        "body_bytes": config.body_bytes,
        "workers": config.workers,
        "queue": config.queue,
        "slow_after_seconds": config.slow_after_seconds,
        "slow_workers": config.slow_workers,
        "describe_statements": config.describe_statements,
        "answer_bytes": config.answer_bytes,
    }


async def _sparql(door: Door, request: Request, read: Any) -> Response:
    """Answer one request to /sparql, errors included."""
    query = None
    try:
        asked: QueryRequest = read()
        query = asked.query
        if query is None:
            return _about_service(door, request)
        return await _answer(door, request, query, asked, teaches=True)
    except CnrsGraphError as error:
        entry_of(request.scope).ends(error)
        if query is None:
            return _failed(door, request, error)
        accept, tongue = request.headers.get("accept"), _tongue(request)
        return _response(query_failure(door.publication, query, error, accept=accept, tongue=tongue))


def _about_service(door: Door, request: Request) -> Response:
    """No query: the service describes itself, to people as a form."""
    accept = request.headers.get("accept")
    chosen = negotiate(accept, (*GRAPH_FORMATS, PAGE))
    if chosen is PAGE:
        return _response(query_form(door.publication, tongue=_tongue(request)))
    return _response(
        service_description(
            door.publication,
            chosen,
            limits=_limits(door.config),
            if_none_match=request.headers.get("if-none-match"),
        )
    )


async def _answer(
    door: Door,
    request: Request,
    query: str,
    asked: QueryRequest,
    *,
    chosen: Format | None = None,
    page: Page | None = None,
    teaches: bool = False,
) -> Response:
    """Refuse what would leave the process, then run the query and stream its answer.

    The format is *chosen*, else negotiated; *page* writes the page with the answer. Desks learn from a query
    that *teaches*.
    """
    entry = entry_of(request.scope)
    entry.asks(query)
    reading = door.reader.read(query)
    found = await (reading if is_short(query) else _while_connected(request, reading))
    if found is None:
        entry.ends(CallerLeftError())
        return Response(status_code=_CALLER_LEFT)
    facts, runnable = found
    entry.form = facts.form
    _refuse_foreign_graphs(door.publication, facts, asked)
    chosen = chosen or _chosen(request, OFFERED[facts.form])
    dataset = bool(asked.default_graphs or asked.named_graphs)
    headers = {
        **_CORS,
        "Vary": "Accept, Accept-Encoding",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    tag = None if dataset or chosen is PAGE else _tag(door, query, chosen)
    if tag is not None and request.method in ("GET", "HEAD") and _has(request, tag):
        entry.ends()
        return Response(status_code=304, headers={**headers, "ETag": tag})
    answering = door.pool.answer(
        # The order that keeps our engine alive is nothing that another one needs.
        query if isinstance(door.pool, RemotePool) else runnable,
        results=JSON_RESULTS if chosen is PAGE or chosen in DOWNLOAD_FORMATS else chosen,
        graphs=NTRIPLES if chosen is PAGE else chosen,
        default_graphs=asked.default_graphs if dataset else None,
        named_graphs=asked.named_graphs if dataset else None,
        most_statements=door.config.describe_statements if facts.form == "DESCRIBE" else None,
        on_start=lambda started: setattr(entry, "lane", lambda: started.lane.value),
    )
    running = await _while_connected(request, answering)
    if running is None:
        entry.ends(CallerLeftError())
        return Response(status_code=_CALLER_LEFT)
    if chosen is PAGE:
        made = page or partial(query_results, tongue=_tongue(request))
        shown = await _page_of(door, query, running, made)
        entry.ends()
        return shown
    if chosen in DOWNLOAD_FORMATS:
        return await _download(running, chosen, headers if tag is None else {**headers, "ETag": tag})
    lesson = None
    if running.is_cut:
        headers["X-Cut"] = f"after {_cut_after(door, running)}"
    elif teaches and door.desks is not None and not dataset and not facts.reaches:
        lesson = entry.lesson = _lesson(request, query, facts, chosen, headers)
    if tag is not None:
        headers["ETag"] = tag
    return AnswerResponse(
        running,
        media_type=chosen.content_type,
        headers=headers,
        limit_bytes=door.config.answer_bytes,
        lesson=lesson,
    )


def _tag(door: Door, query: str, chosen: Format) -> str | None:
    """The entity tag of an answer; None where the same query may be answered otherwise."""
    if isinstance(door.pool, RemotePool) or not is_repeatable(query):
        return None
    # Two formats may be of one media type: plain CSV, and the one for spreadsheets.
    as_file = f"#{chosen.name}" if chosen in DOWNLOAD_FORMATS else ""
    return tag_of(door.key, query, f"{chosen.media_type}{as_file}")


def _has(request: Request, tag: str) -> bool:
    """Whether the caller has what the tag stands for: nobody knows a tag who was not sent it."""
    return tag in request.headers.get("if-none-match", "")


def _lesson(
    request: Request, query: str, facts: QueryFacts, chosen: Format, headers: Mapping[str, str]
) -> Lesson | None:
    """What desks can learn: nothing where the format was not chosen by the Accept header alone."""
    accept = request.headers.get("accept")
    if len(request.headers.getlist("accept")) > 1 or negotiate(accept, OFFERED[facts.form]) is not chosen:
        return None
    fields = {"content-type": chosen.content_type, **headers}
    return Lesson(
        query,
        facts.form,
        order_of(query),
        is_repeatable=is_repeatable(query),
        accept=accept,
        media_type=chosen.media_type,
        fields="".join(f"{name.lower()}: {value}\r\n" for name, value in fields.items()).encode("latin-1"),
    )


def _cut_after(door: Door, running: RunningAnswer) -> str:
    """How much of an answer is given of which something was left out."""
    return running.cut_after or f"{door.config.describe_statements} statements"


def _chosen(request: Request, offered: tuple[Format, ...]) -> Format:
    """The format of an answer: by Accept, and where that asks for a page, by the menu of the form."""
    chosen = negotiate(request.headers.get("accept"), offered)
    name = request.query_params.get("format", "")
    known = (*RESULT_FORMATS, *DOWNLOAD_FORMATS, *GRAPH_FORMATS)
    wanted = next((fmt for fmt in known if fmt.name == name), None)
    if chosen is not PAGE or wanted is None:
        return chosen
    if wanted not in offered:
        raise NotAcceptableError(wanted.media_type, [each.media_type for each in offered])
    return wanted


async def _while_connected(request: Request, answering: Coroutine[Any, Any, _T]) -> _T | None:
    """Wait for what is being done; None, and an end to it, when the caller has left."""
    answer = asyncio.create_task(answering)
    leaving = asyncio.create_task(disconnected(request.receive))
    try:
        await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        answer.cancel()
        leaving.cancel()


def _refuse_foreign_graphs(publication: Publication, facts: QueryFacts, asked: QueryRequest) -> None:
    """Raise RefusedQueryError for SERVICE and for graphs that are not held here: nothing is fetched.

    A dataset named by the request takes the place of the query's own, which is then never looked at.
    Source: SPARQL 1.1 Protocol, section 2.1.4.
    """
    known = publication.named_graphs()
    overridden = facts.dataset + facts.named if asked.default_graphs or asked.named_graphs else ()
    refuse_reaching_out(facts, (*known, *overridden))
    for graph in (*asked.default_graphs, *asked.named_graphs):
        if graph not in known:
            raise RefusedQueryError(
                f"there is no graph <{graph}> here, and none is fetched",
                hint="SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } } names the graphs that are",
            )


async def _download(running: RunningAnswer, chosen: Format, headers: Mapping[str, str]) -> Response:
    """A file that is made of a whole answer.

    Raises: AnswerTooLargeError; NotAcceptableError if the rows do not fit it.
    """
    body = bytearray()
    async with running:
        async for chunk in running:
            body += chunk
            if len(body) > _DOWNLOAD_BYTES:
                raise AnswerTooLargeError(_DOWNLOAD_BYTES)
    file = await to_thread.run_sync(sheets.written, bytes(body), chosen)
    return Response(file, headers={**headers, "Content-Type": chosen.content_type})


async def _page_of(door: Door, query: str, running: RunningAnswer, page: Page) -> Response:
    """The first part of an answer as a page."""
    body = bytearray()
    if running.is_cut:
        body += f"# Only the first {_cut_after(door, running)}.\n".encode()
    async with running:
        async for chunk in running:
            body += chunk
            if len(body) > _PAGE_BYTES:
                return _response(page(door.publication, query, running.form, None))
    # In a thread: the names of what the answer holds may have to be fetched.
    return _response(await to_thread.run_sync(page, door.publication, query, running.form, bytes(body)))


def _refuse_encoded(request: Request) -> None:
    """Raise UnsupportedMediaTypeError for a body that would have to be unpacked first.

    Source: RFC 9110, section 8.4.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaTypeError(f"{coding} (Content-Encoding)", ("the query as it is",))


async def _body(request: Request, limit_bytes: int) -> bytes:
    """The request body.

    Raises: TooLargeError as soon as it is larger than the limit.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise TooLargeError(limit_bytes)
    return bytes(body)


def _failed(door: Door, request: Request, error: CnrsGraphError) -> Response:
    accept, tongue = request.headers.get("accept"), _tongue(request)
    return _response(failure(door.publication, error, accept=accept, tongue=tongue))


def _tongue(request: Request) -> Tongue:
    return tongue_of(request.headers.get("accept-language"), _raw_path(request))


def _allowed(request: Request) -> tuple[str, ...]:
    return (*_READ, "POST") if request.url.path in ("/sparql", check_door.PATH, "/reconcile") else _READ


def _method_not_allowed(door: Door, request: Request) -> Response:
    return _failed(door, request, MethodNotAllowedError(request.method, _allowed(request)))


def _unknown_method(door: Door) -> Any:
    """Methods that no route names (PROPFIND, TRACE …): the only thing the framework refuses by itself."""

    async def handler(request: Request, _: Exception) -> Response:
        return _method_not_allowed(door, request)

    return handler


def _mishap(door: Door) -> Any:
    """Our own mistakes: a short message for the caller, the trace for the log."""

    async def handler(request: Request, error: Exception) -> Response:
        _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        accept, tongue = request.headers.get("accept"), _tongue(request)
        return _response(failure(door.publication, error, accept=accept, tongue=tongue))

    return handler


def _response(answer: Reply) -> Response:
    response = Response(answer.body, status_code=answer.status)
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
    ]
    if answer.status != 304:
        response.headers["content-length"] = str(len(answer.body))
    return response


def _asked(request: Request) -> dict[str, str | None]:
    """The headers that decide which representation is sent."""
    return {
        name.replace("-", "_"): request.headers.get(name)
        for name in ("accept", "accept-language", "if-none-match")
    }


def _query_string(request: Request) -> str:
    raw: bytes = request.scope["query_string"]
    return raw.decode("latin-1")


def _raw_path(request: Request) -> str:
    """The path as it was sent, escapes untouched."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


class HeadAsGet:
    """Answer HEAD as GET would be answered, body left out.

    Source: RFC 9110, section 9.3.2.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", HEAD: True}, receive, without_body)


class WithoutPrefix:
    """Take the path prefix off under which the site is published; a proxy may have done so already."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        prefix = self._prefix
        if scope["type"] == "http" and prefix and f"{scope['path']}/".startswith(f"{prefix}/"):
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            scope = {
                **scope,
                "path": scope["path"][len(prefix) :] or "/",
                "raw_path": raw[len(prefix.encode()) :] or b"/",
            }
        await self._app(scope, receive, send)
