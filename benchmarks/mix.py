"""Twelve kinds of query with random parameters: the same seed asks every server the same questions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import make_data as made

_PROLOGUE = "".join(
    f"PREFIX {prefix}: <{made.PREFIXES[prefix]}>\n" for prefix in ("", "dim", "skos", "xsd", "org")
)
RESULTS, TRIPLES = "application/sparql-results+json", "application/n-triples"


@dataclass(frozen=True)
class Population:
    """How many things of each kind a set of made data holds, so that parameters exist."""

    laboratories: int
    institutions: int
    countries: tuple[str, ...]
    years: tuple[int, ...]

    def laboratory(self, dice: random.Random) -> str:
        """A laboratory."""
        return f"<{made.BASE}id/laboratory/made-{dice.randint(1, self.laboratories)}>"

    def cooperation(self, dice: random.Random) -> str:
        """A cooperation: every second laboratory carries one."""
        return f"<{made.BASE}id/cooperation/made-{2 * dice.randrange((self.laboratories + 1) // 2) + 1}>"

    def institution(self, dice: random.Random) -> str:
        """An institution."""
        return f"<{made.BASE}id/institution/made-{dice.randint(1, self.institutions)}>"

    def country(self, dice: random.Random) -> str:
        """A country."""
        return f"<{made.BASE}id/country/{dice.choice(self.countries)}>"


def population(maker: made.Maker) -> Population:
    """What a maker has made, once it has made it."""
    return Population(
        maker.laboratories_made, maker.institutions_made, tuple(maker.countries), tuple(maker.years)
    )


Query = Callable[[Population, random.Random], str]


def _point(people: Population, dice: random.Random) -> str:
    return f"SELECT ?p ?o WHERE {{ {people.laboratory(dice)} ?p ?o }}"


def _star(people: Population, dice: random.Random) -> str:
    return (
        f"SELECT ?name ?country ?body ?kind WHERE {{ {people.laboratory(dice)} skos:prefLabel ?name ; "
        ":inCountry ?country ; :supervisedBy ?body ; :structureType ?kind }"
    )


def _path(people: Population, dice: random.Random) -> str:
    return (
        f"SELECT ?cooperation ?name ?place WHERE {{ ?participation :partner {people.institution(dice)} ; "
        ":participationIn ?cooperation . ?cooperation :carriedBy ?laboratory ; skos:prefLabel ?name . "
        "?site :siteOf ?laboratory ; :inPlace ?place } LIMIT 50"
    )


def _optional(people: Population, dice: random.Random) -> str:
    return (
        f"SELECT ?laboratory ?start ?code WHERE {{ ?laboratory :inCountry {people.country(dice)} . "
        "?cooperation :carriedBy ?laboratory . ?term :termOf ?cooperation ; :startYear ?start . "
        "OPTIONAL { ?unit :codeOf ?laboratory ; skos:notation ?code } "
        f'FILTER(?start >= "{dice.choice(range(2005, 2020))}"^^xsd:gYear) }} LIMIT 100'
    )


def _aggregate(_: Population, dice: random.Random) -> str:
    theme = f"<{made.BASE}vocab/theme/{dice.choice(made.THEMES)}>"
    return (
        f"SELECT ?country (COUNT(DISTINCT ?cooperation) AS ?n) WHERE {{ ?cooperation :theme {theme} ; "
        ":carriedBy ?laboratory . ?laboratory :inCountry ?country } GROUP BY ?country"
    )


def _order(people: Population, dice: random.Random) -> str:
    return (
        f"SELECT ?laboratory ?name WHERE {{ ?laboratory :inCountry {people.country(dice)} ; "
        'a :Laboratory ; skos:prefLabel ?name FILTER(LANG(?name) = "en") } ORDER BY ?name LIMIT 10'
    )


def _property_path(people: Population, dice: random.Random) -> str:
    total = f"<{made.BASE}id/count/made-all-{dice.choice(people.years)}>"
    return f"SELECT DISTINCT ?area WHERE {{ {total} :totalOf+/dim:refArea ?area }}"


def _text(_: Population, dice: random.Random) -> str:
    return (
        "SELECT ?cooperation ?focus WHERE { ?cooperation :scientificFocus ?focus "
        f'FILTER(CONTAINS(LCASE(STR(?focus)), "{dice.choice(made.WORDS)}")) }} LIMIT 20'
    )


def _construct(people: Population, dice: random.Random) -> str:
    return (
        "CONSTRUCT { ?cooperation skos:prefLabel ?name ; :theme ?theme ; :partner ?body } WHERE { "
        f"BIND({people.cooperation(dice)} AS ?cooperation) "
        "?cooperation skos:prefLabel ?name ; :theme ?theme . "
        "?participation :participationIn ?cooperation ; :partner ?body }"
    )


def _describe(people: Population, dice: random.Random) -> str:
    return f"DESCRIBE {people.laboratory(dice)}"


def _ask(people: Population, dice: random.Random) -> str:
    return f"ASK {{ {people.laboratory(dice)} :inCountry {people.country(dice)} }}"


def _top(people: Population, dice: random.Random) -> str:
    return (
        f"SELECT ?body (COUNT(?participation) AS ?n) WHERE {{ ?body :inCountry {people.country(dice)} . "
        "?participation :partner ?body } GROUP BY ?body ORDER BY DESC(?n) LIMIT 5"
    )


#: Each kind with its query and what is accepted as answer.
KINDS: dict[str, tuple[Query, str]] = {
    "point": (_point, RESULTS),
    "star": (_star, RESULTS),
    "path": (_path, RESULTS),
    "filter+optional": (_optional, RESULTS),
    "aggregate": (_aggregate, RESULTS),
    "order+limit": (_order, RESULTS),
    "property path": (_property_path, RESULTS),
    "text": (_text, RESULTS),
    "construct": (_construct, TRIPLES),
    "describe": (_describe, TRIPLES),
    "ask": (_ask, RESULTS),
    "top": (_top, RESULTS),
}


def questions(kind: str, people: Population, seed: int, count: int) -> list[str]:
    """So many queries of one kind."""
    query, _ = KINDS[kind]
    dice = random.Random(f"{seed} {kind}")  # noqa: S311  (nothing secret)
    return [_PROLOGUE + query(people, dice) for _ in range(count)]
