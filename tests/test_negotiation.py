"""Negotiation against a second reading of the standards, over ten thousand random headers of each kind.

The headers are made from structures, and the oracles read the structures: no parser of ours decides here.
"""

import random
from collections import Counter

import pytest

from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import ERROR_FORMATS, GRAPH_FORMATS, PAGE, RESULT_FORMATS, negotiate
from cnrs_graph.languages import negotiate_language
from cnrs_graph.words import WORDS

MANY = 10_000
TABLES = (
    GRAPH_FORMATS,
    (PAGE, *GRAPH_FORMATS),
    (*GRAPH_FORMATS, PAGE),
    (*RESULT_FORMATS, PAGE),
    ERROR_FORMATS,
)
WEIGHTS = ("", "1", "1.", "1.0", "1.000", "0", "0.", "0.0", "0.000", "0.5", "0.50", "0.1", "0.999", "0.001")
BROKEN_WEIGHTS = ("2", "1.001", "-1", "0.1234", ".5", "half", "", '"1"')


def spaced(chance):
    return chance.choice(("", "", " ", "\t", "  "))


def any_case(chance, text):
    return chance.choice((text, text, text.upper(), text.title()))


def weighted(chance, text):
    """A member with a weight: its text, and the weight as a number; None when the weight is broken."""
    if chance.random() < 0.06:
        return f"{text};q={chance.choice(BROKEN_WEIGHTS)}", None
    weight = chance.choice(WEIGHTS)
    if not weight:
        return text, 1.0
    return f"{text}{spaced(chance)};{spaced(chance)}{chance.choice('qQ')}={weight}", float(weight)


def joined(chance, members):
    """A list as RFC 9110, section 5.6.1, lets it be written: spaces, and empty members."""
    filled = [each for member in members for each in ((member, "") if chance.random() < 0.1 else (member,))]
    return ",".join(f"{spaced(chance)}{member}{spaced(chance)}" for member in filled)


# ------------------------------------------------------------------------------------------------ Accept

PARAMETERS = (
    ("charset", "utf-8", ("charset=utf-8", "charset=UTF-8", 'charset="utf-8"', "Charset=utf-8")),
    ("charset", "iso-8859-1", ("charset=iso-8859-1",)),
    ("profile", "a, b", ('profile="a, b"', 'profile="a\\, b"')),
    ("profile", 'a";q=0', ('profile="a\\";q=0"',)),
    ("level", "1", ("level=1", 'level="1"')),
)
BROKEN_RANGES = (
    "text",
    "/html",
    "text/",
    "*/html",
    "text//html",
    "text/html/x",
    "te xt/html",
    "text/html;a b",
    ";",
)


def a_media_range(chance, names):
    """A member of Accept: its text, and (type, subtype, parameters, weight); None for what is no member."""
    if chance.random() < 0.06:
        return chance.choice(BROKEN_RANGES), None
    kind, _, subtype = chance.choice(names).partition("/")
    shape = chance.random()
    if shape < 0.12:
        kind, subtype = "*", "*"
    elif shape < 0.24:
        subtype = "*"
    parameters = chance.sample(PARAMETERS, 1) if "*" not in (kind, subtype) and shape > 0.75 else []
    text = f"{any_case(chance, kind)}/{any_case(chance, subtype)}"
    for _, _, spellings in parameters:
        text += f"{spaced(chance)};{spaced(chance)}{chance.choice(spellings)}"
    text, weight = weighted(chance, text)
    values = frozenset((name, value) for name, value, _ in parameters)
    return text, None if weight is None else (kind, subtype, values, weight)


def quality(name, sent, ranges):
    """The weight that RFC 9110, section 12.5.1, gives a media type, and how it was named; None: not at all.

    *sent* are the parameters that the type is sent with.
    """
    kind, subtype = name.split("/")
    for how, matching in (
        ("itself", [r for r in ranges if r[:2] == (kind, subtype) and r[2] and r[2] <= sent]),
        ("itself", [r for r in ranges if r[:2] == (kind, subtype) and not r[2]]),
        ("kind", [r for r in ranges if r[:2] == (kind, "*")]),
        ("anything", [r for r in ranges if r[:2] == ("*", "*")]),
    ):
        if matching:
            # What stands twice with two weights is undefined; the friendlier reading holds.
            return max(weight for *_, weight in matching), how
    return None, None


def expected(ranges, offered):
    """The format to choose, None for a refusal; *ranges* are those that could be read."""
    scores = []
    for position, each in enumerate(offered):
        sent = frozenset({("charset", "utf-8")} if each.media_type.startswith("text/") else ())
        weight, how = quality(each.media_type, sent, ranges)
        if how == "itself":
            scores.append((weight, 1, -position))
            continue
        # Beyond the standard: aliases, and parameters that we do not serve, ask for a format too.
        asked = [r[3] for r in ranges if f"{r[0]}/{r[1]}" in (each.media_type, *each.aliases) and r[3] > 0]
        if each.aliases or asked:
            tolerated = max(asked, default=0)
            weight = tolerated or weight
        scores.append((weight or 0, 0, -position))
    weight, _, position = max(scores)
    return offered[-position] if weight > 0 else None


def test_ten_thousand_accept_headers_are_answered_as_the_standard_says():
    chance = random.Random(9110)  # noqa: S311 - the same headers every time
    outcomes = Counter()
    for _ in range(MANY):
        offered = chance.choice(TABLES)
        names = [name for each in offered for name in (each.media_type, *each.aliases)]
        names += ["image/png", "text/n3", "application/pdf", "x/y"]
        members = [a_media_range(chance, names) for _ in range(chance.randint(1, 6))]
        accept = joined(chance, [text for text, _ in members])
        wanted = expected([found for _, found in members if found is not None], offered)
        try:
            chosen = negotiate(accept, offered)
        except NotAcceptableError:
            chosen = None
        assert chosen is wanted, (accept, [each.media_type for each in offered])
        outcomes[chosen.name if chosen else "refused"] += 1
    # Seen to reach every corner: each format is chosen, and some headers are refused.
    assert outcomes.keys() == {each.name for table in TABLES for each in table} | {"refused"}
    assert min(outcomes.values()) > MANY / 100, outcomes


@pytest.mark.parametrize("accept", [None, "", " ", "\t", ",", " , ,"])
def test_who_says_nothing_accepts_anything(accept):
    assert negotiate(accept, GRAPH_FORMATS) is GRAPH_FORMATS[0]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        # RFC 9110, section 12.5.1: the most specific reference has precedence.
        ("text/html;charset=utf-8;q=0.1, text/html, text/turtle;q=0.5", "turtle"),
        ("text/html;level=1, text/html;q=0.1, text/turtle;q=0.5", "turtle"),
        ("text/html;level=1;q=0, text/html", "page"),
        ("text/html;level=1;q=0, */*;q=0.1", "page"),
        ("text/html;charset=utf-8;q=0, */*;q=0.1", "turtle"),
        ("text/html;level=1", "page"),
    ],
)
def test_parameters_that_we_serve_are_precise_and_others_only_ask(accept, chosen):
    assert negotiate(accept, (PAGE, *GRAPH_FORMATS)).name == chosen


# --------------------------------------------------------------------------------------- Accept-Language

BROKEN_TAGS = ("e n", "en_US", "-en", "en-", "abcdefghi", "é", "e*", "*-fr", "1a", ";")
TAGS = (
    "en",
    "fr",
    "es",
    "fr-CA",
    "es-MX",
    "en-GB",
    "fr-x-joual",
    "zh-Hant-TW",
    "de",
    "pt",
    "pt-BR",
    "pt-PT",
    "*",
    "*",
)
LANGUAGES = (tuple(WORDS), ("en", "fr", "es"), ("fr", "en"), ("es", "pt-BR", "pt-PT", "fr"), ("en",))


def a_language_range(chance):
    if chance.random() < 0.06:
        return chance.choice(BROKEN_TAGS), None
    tag = chance.choice(TAGS)
    text, weight = weighted(chance, any_case(chance, tag))
    return text, None if weight is None else (tag.lower(), weight)


def cut(tag):
    """RFC 4647, section 3.4: the last subtag goes, and with it a single letter before it."""
    shorter = tag.rpartition("-")[0]
    return shorter[:-2] if shorter[-2:-1] == "-" else shorter


def matches(tag, wanted):
    """Basic filtering, RFC 4647, section 3.3.1."""
    return tag == wanted or tag.startswith(f"{wanted}-") or wanted == "*"


def looked_up(wanted, tags):
    step = wanted
    while step:
        if step in tags:
            return step
        step = cut(step)
    return next((tag for tag in tags if matches(tag, wanted)), None)


def expected_language(ranges, offered):
    lower = {tag.lower(): tag for tag in offered}
    refused = set()
    for tag in lower:
        naming = sorted(
            (r for r in ranges if matches(tag, r[0])), key=lambda r: (r[0] != "*", len(r[0]), r[1])
        )
        if naming and naming[-1][1] == 0:
            refused.add(tag)
    open_to = [tag for tag in lower if tag not in refused] or list(lower)
    named = {
        tag for tag in open_to for r, _ in ranges if r != "*" and (matches(tag, r) or looked_up(r, [tag]))
    }
    for weight in sorted({weight for _, weight in ranges if weight > 0}, reverse=True):
        for wanted in (r for r, w in ranges if w == weight):
            rest = [tag for tag in open_to if tag not in named]
            found = (
                rest[0] if wanted == "*" and rest else None if wanted == "*" else looked_up(wanted, open_to)
            )
            if found:
                return lower[found]
    return lower[open_to[0]]


def test_ten_thousand_accept_language_headers_are_answered_as_the_standards_say():
    chance = random.Random(4647)  # noqa: S311 - likewise
    outcomes = Counter()
    for _ in range(MANY):
        offered = chance.choice(LANGUAGES)
        members = [a_language_range(chance) for _ in range(chance.randint(1, 5))]
        header = joined(chance, [text for text, _ in members])
        wanted = expected_language([found for _, found in members if found is not None], offered)
        assert negotiate_language(header, offered) == wanted, (header, offered)
        outcomes[wanted] += 1
    assert outcomes.keys() == {tag for table in LANGUAGES for tag in table}
    assert min(outcomes.values()) > MANY / 100, outcomes


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "en"),
        ("", "en"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("de", "en"),
        ("de, en;q=0", "fr"),
        ("fr;q=0, *", "en"),
        ("*, en;q=0.5", "fr"),
        ("*;q=0", "en"),
        ("*;q=0, es;q=0.1", "es"),
        ("es;q=abc, fr;q=0.1", "fr"),
    ],
)
def test_a_reader_gets_the_language_that_fits_best(header, chosen):
    assert negotiate_language(header, ("en", "fr", "es")) == chosen
