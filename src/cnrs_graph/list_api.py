"""What a list of things answers: a page, narrowed down as the address says, or a file."""

from __future__ import annotations

from cnrs_graph.documents import Documents
from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import PAGE, Format, negotiate
from cnrs_graph.list_pages import browsable
from cnrs_graph.narrowing import read_narrowing
from cnrs_graph.pages import Desk
from cnrs_graph.protocol import read_parameters
from cnrs_graph.views import view_bytes, view_formats

_FOLDER = "/browse/"


def answer(
    documents: Documents, path: str, query: str, accept: str | None, desk: Desk
) -> tuple[Format, bytes] | None:
    """What the path of a list answers, with its format; None for other paths.

    Raises: RequestError, NotAcceptableError.
    """
    if not path.startswith(_FOLDER):
        return None
    named, kinds = path.removeprefix(_FOLDER), browsable(documents.index)
    slug = named if named in kinds else named.partition(".")[0]
    if slug not in kinds:
        return None
    kind = kinds[slug]
    properties = documents.publication.facets.get(kind, ())
    asked = read_narrowing(kind, properties, read_parameters(query), documents.base)
    offered = view_formats(desk, asked)
    if named == slug:
        fmt = negotiate(accept, (PAGE, *offered))
    else:
        found = [each for each in offered if f"{slug}.{each.extension}" == named]
        if not found:
            raise NotAcceptableError(named.partition(".")[2], [each.media_type for each in (PAGE, *offered)])
        fmt = found[0]
    return fmt, documents.class_page(desk, asked) if fmt is PAGE else view_bytes(desk, asked, fmt)
