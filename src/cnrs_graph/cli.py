"""Read options, call one function, print, choose an exit code."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cnrs_graph import errors

if TYPE_CHECKING:
    import socket

    from cnrs_graph.config import Config
    from cnrs_graph.progress import Steps, Unseen
    from cnrs_graph.publication import Publication, ToValidate
    from cnrs_graph.queries import SavedQuery
    from cnrs_graph.store import Answer
    from cnrs_graph.validation import Shapes
    from cnrs_graph.workers import Pool

    #: What is published, built when it is first asked for; None when it does not matter.
    Published: TypeAlias = Callable[[], Publication] | None

#: Exit codes by kind of error: the nearest class in an error's ancestry decides.
EXIT: Mapping[type[BaseException], int] = {
    errors.NonConformingDataError: 1,
    errors.ConfigError: 2,
    errors.UnknownQueryError: 2,
    errors.ParameterError: 2,
    errors.NotAcceptableError: 2,
    errors.SourceError: 3,
    errors.UnknownResourceError: 3,
    errors.ShapesError: 4,
    errors.QueryError: 4,
    errors.QueryTimeoutError: 4,
    errors.QueryMemoryError: 4,
    errors.WorkerDiedError: 4,
    errors.VacuousShapesError: 5,
    errors.EndpointError: 6,
}
FINDINGS = 1
OUR_MISTAKE = 70
_STDIN = "-"
_MOST_FILES = 1 << 16

#: Those of `reports.FORMATS`, which is not imported for a help text.
_REPORT_FORMATS = ("text", "json", "turtle", "ntriples", "jsonld", "sarif", "junit", "github", "html")
_SEVERITIES = ("violation", "warning", "info")
_LANGUAGES = ("en", "fr", "es")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is given back.

    Source: the table of exit codes in docs/reference/cli.md.
    """
    options = parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        sys.stdout.flush()
    except errors.CnrsGraphError as error:
        print(f"cnrs-graph: {error}", file=sys.stderr)
        return exit_code(error)
    except BrokenPipeError:
        _nobody_reads()
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        print(
            f"cnrs-graph: our mistake: {type(error).__name__}: {error}; "
            "run again with --debug and report the trace",
            file=sys.stderr,
        )
        return OUR_MISTAKE
    return code


def exit_code(error: errors.CnrsGraphError) -> int:
    """The exit code of an error: that of the nearest class in its ancestry."""
    return next((EXIT[kind] for kind in type(error).__mro__ if kind in EXIT), OUR_MISTAKE)


# ------------------------------------------------------------------------------------------------ commands


def validate(options: argparse.Namespace) -> int:
    """Hold data against shapes, and print the findings."""
    from cnrs_graph.inputs import expanded

    options.path = list(expanded(options.path))
    options.shapes = list(expanded(options.shapes))
    if options.update_baseline and not options.baseline:
        raise errors.ConfigError("--update-baseline needs --baseline FILE, where to write")
    if options.watch:
        return _watch(options)
    with _inputs(options) as paths:
        return _validate(options, paths)


def _validate(options: argparse.Namespace, paths: Sequence[Path]) -> int:
    from cnrs_graph import imports, publication
    from cnrs_graph.examples import read_examples
    from cnrs_graph.explanations import example_text, explanation_text
    from cnrs_graph.validation import explain, load_shapes

    config, shape_paths = _config(options), [Path(path) for path in options.shapes]
    with _steps(options) as steps:
        steps.say("reading")
        looked_at = publication.to_validate(
            config,
            paths if options.path else (),
            shape_paths,
            imported=imports.read_map(options.imports),
        )
        steps.say("reading the shapes")
        shapes = load_shapes(looked_at.shapes)
    for warning in shapes.warnings:
        _tell(options, f"shapes: {warning}")
    for lost in looked_at.missing:
        _tell(options, str(lost))
    if options.explain:
        told = [
            explanation_text(each, options.lang, dataset=looked_at.context)
            for each in explain(shapes, options.explain)
        ]
        rule = explain(shapes, options.explain)[0].rule
        told.append(example_text(read_examples(shape_paths or [config.shapes]).get(rule), options.lang))
        _write(options, "\n".join(told).encode())
        return 0
    return _report(options, looked_at, shapes, _affected(options, config, paths, shapes, looked_at))


def _report(
    options: argparse.Namespace, looked_at: ToValidate, shapes: Shapes, again: Mapping[Any, set[Any]] | None
) -> int:
    """Hold data against shapes, take out what was accepted before, and tell the rest."""
    from cnrs_graph import baseline
    from cnrs_graph.hints import with_hints
    from cnrs_graph.judging import plan_text
    from cnrs_graph.outcome import Outcome
    from cnrs_graph.report_text import summary
    from cnrs_graph.reports import report_bytes
    from cnrs_graph.validation import Severity, explain, vacuous
    from cnrs_graph.validation import validate as hold

    said, context = looked_at.said, looked_at.context
    known = baseline.read(Path(options.baseline)) if options.baseline and not options.update_baseline else {}
    with _steps(options) as steps:
        steps.say(f"holding {len(said.quads)} statements against the shapes")
        report = hold(
            said, shapes, context=context, language=options.lang, engine=options.engine, among=again
        )
    if options.explain_plan:
        _write(options, plan_text(report.plan, shapes.graph).encode())
        return 0
    if options.shapes:
        for empty in vacuous(shapes, said, context=context, report=report):
            _tell(options, f"shapes: {empty}")
    results = with_hints(report.results, said, context, shapes.graph)
    prints = baseline.fingerprints(results, said)
    if options.update_baseline:
        baseline.write(Path(options.baseline), results, prints)
        _tell(options, f"{len(results)} findings are accepted from now on: {options.baseline}")
        return 0
    sorted_out = baseline.split(results, prints, known)
    outcome = Outcome(
        results=sorted_out.new,
        prints=sorted_out.prints,
        report=report,
        statements=len(said.quads),
        fail_on=Severity[options.fail_on.upper()],
        language=options.lang,
        accepted=len(sorted_out.accepted),
        gone=sorted_out.gone,
        explain=lambda rule: explain(shapes, rule)[0],
    )
    seen = _is_seen(options)
    colours = seen and "NO_COLOR" not in os.environ
    _write(options, report_bytes(outcome, options.format, excerpts=seen, colours=colours))
    _tell(options, summary(outcome))
    return FINDINGS if outcome.refused else 0


def _affected(
    options: argparse.Namespace, config: Config, paths: Sequence[Path], shapes: Shapes, looked_at: ToValidate
) -> Mapping[Any, set[Any]] | None:
    """What each shape looks at again, with --changed-since; None for everything."""
    if options.changed_since is None:
        return None
    from cnrs_graph.changes import affected, since

    said, context = looked_at.said, looked_at.context
    files = {**context.files, **said.files}
    folders = [*(paths if options.path else config.data), config.ontology]
    changes = since(options.changed_since, {*files.values(), *looked_at.shapes.files.values()}, folders)
    if changes.touches(looked_at.shapes.files.values()):
        _tell(options, f"shapes have changed since {options.changed_since}: everything is checked")
        return None
    return affected(shapes.graph, changes, (*said.quads, *context.quads), files)


def _watch(options: argparse.Namespace) -> int:
    """Validate, and again whenever a file changes, until stopped."""
    from cnrs_graph.watching import below, changes

    if _STDIN in options.path:
        raise errors.ConfigError("--watch looks at files; standard input is read once")
    config = _config(options)
    given = [Path(path) for path in (*options.path, *options.shapes)]
    watched = (
        given if options.path and options.shapes else [*given, *config.data, config.ontology, config.shapes]
    )
    for _ in changes(lambda: below(watched)):
        try:
            _validate(options, [Path(path) for path in options.path])
        except errors.CnrsGraphError as error:
            # What is broken now may be mended with the next change.
            print(f"cnrs-graph: {error}", file=sys.stderr)
        sys.stdout.flush()
        _tell(options, "watching; Ctrl+C ends it")
    return 0


def serve(options: argparse.Namespace) -> int:
    """Publish on the web until stopped."""
    import logging
    import signal

    import uvicorn

    from cnrs_graph.config import changed
    from cnrs_graph.hall import serve_with
    from cnrs_graph.journal import start_logging
    from cnrs_graph.publication import build
    from cnrs_graph.web import create_app, desks_of, pool_of

    config = changed(
        _config(options),
        data=tuple(Path(path) for path in options.path) or None,
        base=options.base,
        public_url=options.public_url,
        workers=options.workers,
    )
    listener = _listener(options.host, options.port)
    pool = None
    if options.store:
        config, published, pool = _from_store(options, config)
        _tell(options, f"serving {options.store} on http://{options.host}:{options.port}/")
    else:
        published = build(config, validated=not options.no_validate)
        _tell(
            options, f"{published.size()} statements; serving them on http://{options.host}:{options.port}/"
        )
    level = logging.WARNING if options.quiet else logging.INFO
    start_logging(options.log or ("text" if sys.stderr.isatty() else "json"), level, sys.stderr.fileno())
    # The server raises the signal again when it has stopped as it should: then we leave without complaint.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _allow_connections()
    desks = None
    if pool is None:
        desks = desks_of(config)
        pool = pool_of(config, desks)
    settings = uvicorn.Config(
        create_app(published, config, pool, desks),
        host=options.host,
        port=options.port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Addresses come from the configuration, never from what a request says of itself.
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    serve_with(settings, listener, pool, desks)
    return 0


def load(options: argparse.Namespace) -> int:
    """Build a store on disk, complete or not at all."""
    from cnrs_graph.config import changed
    from cnrs_graph.progress import Bar, unseen
    from cnrs_graph.publication import load_into

    config = changed(
        _config(options), data=tuple(Path(path) for path in options.path) or None, base=options.base
    )
    seen = sys.stderr.isatty() and not options.quiet
    place = Path(os.path.normpath(Path(options.into).absolute()))
    with Bar(sys.stderr) if seen else unseen() as bar:
        manifest = load_into(
            config,
            place,
            inferring=not options.no_infer,
            replace=options.replace,
            dumping=options.dumps,
            progress=bar.show,
        )
    _tell(options, f"{manifest.statements} statements in {options.into}; serve --store {options.into}")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the whole site as files for any web server."""
    from cnrs_graph.config import changed
    from cnrs_graph.export import export as write
    from cnrs_graph.publication import build

    config = changed(
        _config(options),
        data=tuple(Path(path) for path in options.path) or None,
        base=options.base,
        public_url=options.public_url,
    )
    published = build(config, validated=not options.no_validate)
    count = write(published, Path(options.into))
    _tell(options, f"{count} files in {options.into}; nginx.conf and apache.conf there say how to serve them")
    return 0


def query(options: argparse.Namespace) -> int:
    """Run a saved query, a file or standard input, and print the answer."""
    from cnrs_graph.answers import table
    from cnrs_graph.queries import Catalogue

    config = _config(options)
    if options.list:
        for name, saved in Catalogue(config.queries).items():
            print(f"{name}  {saved.summary}")
        return 0
    if options.name is None:
        raise errors.ConfigError(
            "name a query, a file or - for standard input; `query --list` names the saved ones"
        )
    published = functools.cache(lambda: _publication(options))
    values = _parameters(options.name, options.param)
    # An endpoint elsewhere may know other things than we do, so only our own data limits values.
    text = _query_text(options.name, config, values, None if options.endpoint else published)
    answer = _ask(text, config, options.endpoint, published)
    if options.format == "table":
        print(table(answer, base=config.base))
    else:
        sys.stdout.buffer.write(_answer_bytes(answer, options.format))
    return 0


def describe(options: argparse.Namespace) -> int:
    """Print what is said about one thing."""
    from cnrs_graph.descriptions import build_index, describe, description_text, document, find
    from cnrs_graph.formats import GRAPH_FORMATS, by_name
    from cnrs_graph.representations import graph_bytes

    published = _publication(options)
    index = build_index(published.said, published.inferred, outside=published.outside_default)
    description = describe(index, find(index, options.thing))
    if options.format == "text":
        print(description_text(index, description, language=options.lang))
        return 0
    chosen = by_name(options.format, GRAPH_FORMATS)
    if chosen is None:
        raise _unfit_format(options.format, ["text", *(each.name for each in GRAPH_FORMATS)])
    sys.stdout.buffer.write(graph_bytes(document(index, description), chosen, base=published.base))
    return 0


def reconcile(options: argparse.Namespace) -> int:
    """Hold announced figures against the cooperations that can be named."""
    from cnrs_graph.counts import counts_text, read_counts
    from cnrs_graph.queries import Catalogue

    config = _config(options)
    if not config.counts:
        raise errors.ConfigError('the publication names no query for this; write counts = "NAME" in its file')
    published = functools.cache(lambda: _publication(options))
    values = _parameters(config.counts, options.param)
    text = _bound(Catalogue(config.queries)[config.counts], values, config, published)
    answer = _ask(text, config, None, published)
    if options.format == "text":
        print(counts_text(read_counts(answer)))
    else:
        sys.stdout.buffer.write(_answer_bytes(answer, options.format))
    return 0


def diff(options: argparse.Namespace) -> int:
    """Show the triples added and removed between two states of the data."""
    from cnrs_graph.differences import difference, difference_bytes

    change = difference(
        Path(options.before), Path(options.after), base=_config(options).base, graphs=options.graphs
    )
    sys.stdout.buffer.write(difference_bytes(change, options.format))
    _tell(options, f"{len(change.added)} added, {len(change.removed)} removed")
    return FINDINGS if options.exit_code and (change.added or change.removed) else 0


# ------------------------------------------------------------------------------------------------- helpers


def _config(options: argparse.Namespace) -> Config:
    """The settings: those of --config, of the one folder that is a publication, or the shipped ones."""
    from cnrs_graph.config import PUBLICATION, read_config

    if options.config:
        return read_config(Path(options.config))
    paths: list[str] = getattr(options, "path", [])
    if len(paths) == 1 and (Path(paths[0]) / PUBLICATION).is_file():
        # The folder says itself what of it is data.
        options.path = []
        return read_config(Path(paths[0]) / PUBLICATION)
    return read_config()


def _from_store(options: argparse.Namespace, config: Config) -> tuple[Config, Publication, Pool | None]:
    """What --store names: a folder made by `load`, or an endpoint with its own way to ask it."""
    from cnrs_graph.config import changed
    from cnrs_graph.disk import open_store, read_manifest
    from cnrs_graph.publication import on_store

    if options.path:
        raise errors.ConfigError("--store holds the data; paths beside it are loaded with `cnrs-graph load`")
    if "://" not in options.store:
        place = Path(options.store)
        manifest = read_manifest(place)
        if options.base not in (None, manifest.base):
            raise errors.ConfigError(f"{place} was loaded with --base {manifest.base}; load it again")
        config = changed(config, base=manifest.base, outside_default=manifest.outside_default)
        return config, on_store(config, open_store(place)), None
    from cnrs_graph.endpoint import Credentials, RemoteStore
    from cnrs_graph.remote import RemotePool, open_remote

    user, password = os.environ.get("CNRS_GRAPH_STORE_USER"), os.environ.get("CNRS_GRAPH_STORE_PASSWORD")
    store = RemoteStore(
        options.store,
        timeout_seconds=config.query_seconds,
        credentials=Credentials(user, password) if user and password else None,
        limit_bytes=max(1 << 20, config.query_memory_bytes // 4),
    )
    pool = RemotePool(
        store, size=4 * config.workers, timeout_seconds=config.query_seconds, queue_length=config.queue
    )
    return config, on_store(config, open_remote(store, config.base, config.outside_default)), pool


def _listener(host: str, port: int) -> socket.socket:
    """A socket at the address, taken before anything is read; it does not listen yet.

    Raises: ConfigError when the address is taken or is none.
    """
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise errors.ConfigError(f"--host {host} --port {port}: {reason}; choose another") from error
    return listener


def _publication(options: argparse.Namespace) -> Publication:
    from cnrs_graph.publication import build

    return build(_config(options), validated=False)


@contextlib.contextmanager
def _inputs(options: argparse.Namespace) -> Iterator[Sequence[Path]]:
    """The paths to read; standard input (`-`) is a file as long as it is read.

    It lies in the folder we then are in, so that messages say `stdin.ttl:4:12` and not where it was put.
    """
    from cnrs_graph.inputs import NAMED, sniffed

    if _STDIN not in options.path:
        if options.input_format:
            raise errors.ConfigError(
                "--input-format is for standard input; files tell theirs by their extension"
            )
        yield [Path(path) for path in options.path]
        return
    extension, content = sniffed(sys.stdin.buffer.read())
    name = f"stdin{NAMED[options.input_format] if options.input_format else extension}"
    with tempfile.TemporaryDirectory() as folder:
        given = [Path(name) if path == _STDIN else Path(path).absolute() for path in options.path]
        for each in ("shapes", "output", "config", "baseline"):
            _make_absolute(options, each)
        options.imports = [_absolute_import(each) for each in options.imports]
        (Path(folder) / name).write_bytes(content)
        with contextlib.chdir(folder):
            yield given


def _absolute_import(given: str) -> str:
    iri, equals, file = given.rpartition("=")
    return f"{iri}={Path(file).absolute()}" if equals else given


def _steps(options: argparse.Namespace) -> Steps | Unseen:
    """What is being done, for who sits before a terminal."""
    from cnrs_graph.progress import Steps, unseen

    return Steps(sys.stderr) if sys.stderr.isatty() and not options.quiet else unseen()


def _is_seen(options: argparse.Namespace) -> bool:
    """Whether results go to a terminal."""
    return options.output is None and sys.stdout.isatty()


def _make_absolute(options: argparse.Namespace, name: str) -> None:
    value = getattr(options, name)
    if isinstance(value, list):
        setattr(options, name, [str(Path(path).absolute()) for path in value])
    elif value is not None:
        setattr(options, name, str(Path(value).absolute()))


def _parameters(name: str, given: Iterable[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals:
            raise errors.ParameterError(name, each, "write it as name=value")
        values[key] = value
    return values


def _query_text(name: str, config: Config, values: Mapping[str, str], published: Published) -> str:
    """The text to run: standard input, a file, or a saved query with its parameters bound."""
    from cnrs_graph.queries import Catalogue, read_query
    from cnrs_graph.sparql import inspect

    if name == _STDIN and values:
        raise errors.ParameterError(
            "-", next(iter(values)), "standard input takes none; write the value there"
        )
    if name == _STDIN or Path(name).suffix == ".rq" or Path(name).is_file():
        if values:
            return _bound(read_query(Path(name)), values, config, published)
        text = _text(name)
        inspect(text)
        return text
    return _bound(Catalogue(config.queries)[name], values, config, published)


def _bound(saved: SavedQuery, values: Mapping[str, str], config: Config, published: Published) -> str:
    """A saved query with its parameters bound; what is published limits their values."""
    if not values or published is None:
        return saved.bind(values, base=config.base)
    from cnrs_graph.choices import limits
    from cnrs_graph.descriptions import build_index

    about = published()
    index = build_index(about.said, about.inferred, outside=about.outside_default)
    return saved.bind(values, base=config.base, allowed=limits(index, saved))


def _text(name: str) -> str:
    """The text of a file, or of standard input.

    Raises: SourceError when it cannot be read, or is no UTF-8.
    """
    try:
        return (sys.stdin.buffer.read() if name == _STDIN else Path(name).read_bytes()).decode("utf-8")
    except OSError as error:
        raise errors.SourceError(errors.Place(Path(name)), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise errors.SourceError(
            errors.Place(Path(name), line), "this is no UTF-8; save it as UTF-8"
        ) from error


def _ask(text: str, config: Config, endpoint: str | None, published: Callable[[], Publication]) -> Answer:
    """Answer a query from the published data, in a process that may be stopped, or at an endpoint."""
    from cnrs_graph.endpoint import RemoteStore
    from cnrs_graph.sparql import inspect, refuse_reaching_out, with_total_order

    if endpoint:
        return RemoteStore(endpoint, timeout_seconds=config.query_seconds).query(text)
    from cnrs_graph.workers import answer_once

    about = published()
    refuse_reaching_out(inspect(text), about.named_graphs())
    return answer_once(
        about.nquads(),
        with_total_order(text),
        default_graphs=about.default_graphs(),
        timeout_seconds=config.query_seconds,
        memory_bytes=config.query_memory_bytes,
    )


def _answer_bytes(answer: Answer, name: str) -> bytes:
    from cnrs_graph.answers import ANSWER_FORMATS, answer_bytes
    from cnrs_graph.formats import by_name

    offered = ANSWER_FORMATS[answer.form]
    chosen = by_name(name, offered)
    if chosen is None:
        raise _unfit_format(name, ["table", *(each.name for each in offered)])
    return answer_bytes(answer, chosen)


def _unfit_format(name: str, offered: Iterable[str]) -> errors.ConfigError:
    return errors.ConfigError(f"--format {name}: this cannot be written so; choose {', '.join(offered)}")


def _write(options: argparse.Namespace, body: bytes) -> None:
    """Put results on standard output, or into the file that was named."""
    if options.output is None:
        # Findings decide the exit code, read to their end or not.
        try:
            sys.stdout.buffer.write(body)
            sys.stdout.flush()
        except BrokenPipeError:
            _nobody_reads()
        return
    try:
        Path(options.output).write_bytes(body)
    except OSError as error:
        raise errors.ConfigError(f"--output {options.output}: {error.strerror}") from error


def _allow_connections() -> None:
    """Let as many connections be open as the system permits: each is a file."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _MOST_FILES), hard))


def _nobody_reads() -> None:
    """The reader of our output has gone, as `head` does: nothing is wrong, and the rest goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(options: argparse.Namespace, message: str) -> None:
    if not options.quiet:
        print(message, file=sys.stderr)


# ------------------------------------------------------------------------------------------------- options


def parser() -> argparse.ArgumentParser:
    """The options of every command."""
    top = argparse.ArgumentParser(
        prog="cnrs-graph",
        description="Publish, query and validate linked data about research cooperation.",
        epilog="exit codes: 0 done, 1 findings, 2 usage, 3 input unreadable, 4 shapes or query broken, "
        "5 nothing was checked, 6 a remote endpoint failed, 70 our mistake",
    )
    top.add_argument("--version", action=_Version, help="print the version and leave")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_validate(commands)
    _add_serve(commands)
    _add_load(commands)
    _add_export(commands)
    _add_query(commands)
    _add_describe(commands)
    _add_reconcile(commands)
    _add_diff(commands)
    return top


class _Version(argparse.Action):
    """Print the version, read only when it is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(nargs=0, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from cnrs_graph import __version__

        print(f"cnrs-graph {__version__}")
        parser.exit()


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], example: str
) -> argparse.ArgumentParser:
    summary = (function.__doc__ or "").rstrip(".")
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:],
        description=f"{summary}.",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--config", metavar="FILE", help="settings of another publication (publication.toml)"
    )
    command.add_argument("--quiet", action="store_true", help="print results only")
    command.add_argument("--debug", action="store_true", help="print the trace of our own mistakes")
    command.set_defaults(command=function)
    return command


def _add_validate(commands: Any) -> None:
    command = _command(
        commands, "validate", validate, "cnrs-graph validate data/ --fail-on warning --lang fr"
    )
    command.add_argument(
        "path",
        nargs="*",
        help="files, folders or patterns ('data/**/*.ttl'): Turtle, TriG, N-Triples, N-Quads, JSON-LD, "
        "RDF/XML, each also as .gz; - is standard input; none: the shipped data",
    )
    command.add_argument(
        "--shapes",
        action="append",
        default=[],
        metavar="PATH",
        help="use exactly these shapes (may be repeated)",
    )
    command.add_argument(
        "--input-format",
        choices=("turtle", "trig", "ntriples", "nquads", "jsonld", "rdfxml"),
        help="what standard input is; default: JSON is JSON-LD, XML is RDF/XML, a first statement of four "
        "terms is N-Quads, what is no Turtle but TriG is TriG, anything else is Turtle; gzip is unpacked",
    )
    command.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="IRI=FILE",
        help="the file to read for owl:imports IRI; nothing is fetched (may be repeated)",
    )
    command.add_argument("--format", choices=_REPORT_FORMATS, default="text", help="default: text")
    command.add_argument(
        "--fail-on",
        choices=_SEVERITIES,
        default="violation",
        help="from which severity to exit 1 (default: violation)",
    )
    command.add_argument(
        "--baseline", metavar="FILE", help="findings accepted before: leave them out, fail on new ones only"
    )
    command.add_argument(
        "--update-baseline", action="store_true", help="accept today's findings: write them into --baseline"
    )
    command.add_argument(
        "--lang", choices=_LANGUAGES, default="en", help="language of messages (default: en)"
    )
    command.add_argument(
        "--explain",
        metavar="RULE",
        help="say what a rule asks and why, with a case that breaks it and the case mended, and leave",
    )
    command.add_argument("--output", metavar="FILE", help="write the results there")
    command.add_argument(
        "--engine",
        choices=("auto", "pyshacl"),
        default="auto",
        help="pyshacl: let pySHACL check everything; slower, same report (default: auto)",
    )
    command.add_argument(
        "--explain-plan", action="store_true", help="say which shapes went to pySHACL and why, and leave"
    )
    command.add_argument(
        "--changed-since",
        metavar="REF",
        help="check only what the changes since this git revision can affect",
    )
    command.add_argument("--watch", action="store_true", help="validate again whenever a file changes")


def _add_serve(commands: Any) -> None:
    command = _command(commands, "serve", serve, "cnrs-graph serve --port 8000")
    command.add_argument(
        "path", nargs="*", help="data to publish instead of the shipped, or a folder with publication.toml"
    )
    command.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
    command.add_argument("--port", type=int, default=8000, help="default: 8000")
    command.add_argument("--workers", type=int, metavar="N", help="queries answered at the same time")
    command.add_argument(
        "--store",
        metavar="DIR|URL",
        help="a store on disk made by load, or a SPARQL 1.1 endpoint "
        "(CNRS_GRAPH_STORE_USER and CNRS_GRAPH_STORE_PASSWORD say who asks)",
    )
    command.add_argument("--base", metavar="IRI", help="canonical base of the IRIs")
    command.add_argument(
        "--public-url", metavar="URL", help="where the server is reached, with its path prefix"
    )
    command.add_argument(
        "--log",
        choices=("json", "text"),
        help="one line a request on standard error, as JSON or as text (default: text on a terminal)",
    )
    command.add_argument("--no-validate", action="store_true", help="publish without validating first")


def _add_load(commands: Any) -> None:
    command = _command(commands, "load", load, "cnrs-graph load data/ --into /srv/graph.store")
    command.add_argument(
        "path", nargs="*", help="files or folders with data; none: the shipped; or a publication's folder"
    )
    command.add_argument("--into", metavar="DIR", required=True, help="where the store will be")
    command.add_argument("--replace", action="store_true", help="put it in the place of the store there")
    command.add_argument(
        "--dumps", action="store_true", help="write the whole dataset as files too, to be fetched"
    )
    command.add_argument("--no-infer", action="store_true", help="leave out what follows from the data")
    command.add_argument("--base", metavar="IRI", help="canonical base of the IRIs")


def _add_export(commands: Any) -> None:
    command = _command(
        commands, "export", export, "cnrs-graph export public/ --public-url https://example.org/graph"
    )
    command.add_argument("into", metavar="DIR", help="a folder that is empty, or not there yet")
    command.add_argument(
        "path", nargs="*", help="data to publish instead of the shipped, or a folder with publication.toml"
    )
    command.add_argument("--base", metavar="IRI", help="canonical base of the IRIs")
    command.add_argument(
        "--public-url", metavar="URL", help="where the files will be served, with their path prefix"
    )
    command.add_argument("--no-validate", action="store_true", help="write without validating first")


def _add_query(commands: Any) -> None:
    command = _command(
        commands,
        "query",
        query,
        "cnrs-graph query cq-b1-laboratories-by-theme --param country=ctry:can --format csv",
    )
    command.add_argument(
        "name", nargs="?", metavar="NAME|FILE|-", help="a saved query, a file, or standard input"
    )
    command.add_argument("--list", action="store_true", help="name the saved queries")
    command.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="name=value",
        help="a parameter of the query (may be repeated)",
    )
    command.add_argument(
        "--format",
        default="table",
        metavar="FORMAT",
        help="table, csv, safe-csv, tsv, xlsx, geojson, json, xml; turtle, ntriples, jsonld, rdfxml",
    )
    command.add_argument("--endpoint", metavar="URL", help="ask this SPARQL endpoint instead")


def _add_describe(commands: Any) -> None:
    command = _command(commands, "describe", describe, "cnrs-graph describe LN2 --format turtle")
    command.add_argument("thing", metavar="THING", help="an IRI, a CURIE, a slug or a name")
    command.add_argument(
        "--format",
        default="text",
        metavar="FORMAT",
        help="text, turtle, ntriples, jsonld, rdfxml, trig, nquads",
    )
    command.add_argument("--lang", choices=_LANGUAGES, default="en", help="language of names (default: en)")


def _add_reconcile(commands: Any) -> None:
    command = _command(commands, "reconcile", reconcile, "cnrs-graph reconcile --format csv")
    command.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="name=value",
        help="a parameter of the query behind it (may be repeated)",
    )
    command.add_argument(
        "--format", default="text", metavar="FORMAT", help="text, csv, safe-csv, tsv, xlsx, json, xml"
    )


def _add_diff(commands: Any) -> None:
    command = _command(commands, "diff", diff, "cnrs-graph diff release-1.0/data data --graphs")
    command.add_argument("before", metavar="BEFORE", help="a file or a folder")
    command.add_argument("after", metavar="AFTER", help="a file or a folder")
    command.add_argument(
        "--graphs", action="store_true", help="compare graph by graph: a triple that moved counts as changed"
    )
    command.add_argument(
        "--format", choices=("text", "json"), default="text", help="text: N-Quads after + and - (default)"
    )
    command.add_argument("--exit-code", action="store_true", help="exit 1 when anything differs")
