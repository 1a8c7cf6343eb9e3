"""Long lists made short: pages of them, and what they can be narrowed down by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cnrs_graph.errors import RequestError

_MOST_PAGES = 100_000


@dataclass(frozen=True)
class Choice:
    """One way to narrow a list down, with what it leaves, and a link."""

    text: str
    href: str
    count: str
    language: str | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Paging:
    """Which page of how many this is, with links to those beside it."""

    number: int
    count: int
    before: str = ""
    after: str = ""


def page_number(text: str) -> int:
    """The number of a page as it stands in an address; the first where none does.

    >>> page_number(""), page_number("3")
    (1, 3)

    Raises: RequestError.
    """
    if not text:
        return 1
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= _MOST_PAGES):
        raise RequestError(f"page={text[:20]}: write a whole number from 1")
    return int(text)


def paging(total: int, per_page: int, number: int, address: Callable[[int], str]) -> Paging:
    """The pages of a list; one past the last is empty and leads back."""
    count = max(1, -(-total // per_page))
    return Paging(
        number,
        count,
        address(min(number - 1, count)) if number > 1 else "",
        address(number + 1) if number < count else "",
    )
