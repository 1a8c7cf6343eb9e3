"""Make data of this domain at any size: the same seed gives the same file.

Everything in it is invented. Countries bear codes that ISO 3166-1 leaves to its users (XA, XAA, 900 …), so
none passes for a real one. Schemes, code lists and CNRS are those of the shipped publication, by name only.

    python benchmarks/make_data.py --laboratories 50 data.ttl
    python benchmarks/make_data.py --triples 1000000 data.nq
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

BASE = "https://w3id.org/cnrs-graph/"
GRAPH = f"{BASE}graph/made"
PREFIXES = {
    "": f"{BASE}ontology#",
    "id": f"{BASE}id/",
    "vocab": f"{BASE}vocab/",
    "dcterms": "http://purl.org/dc/terms/",
    "dim": "http://purl.org/linked-data/sdmx/2009/dimension#",
    "msr": "http://purl.org/linked-data/sdmx/2009/measure#",
    "org": "http://www.w3.org/ns/org#",
    "prov": "http://www.w3.org/ns/prov#",
    "qb": "http://purl.org/linked-data/cube#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
#: What is said about a thing: the thing, and predicates with their objects, all as N-Triples terms.
Block = tuple[str, list[tuple[str, str]]]

COUNTRIES = 26
FIRST_YEAR, LAST_YEAR = 2000, 2024
TERM_YEARS = 5
LABORATORIES_PER_INSTITUTION = 8
LABORATORIES_PER_SOURCE = 50
LABORATORIES_PER_UNIT_CODE = 3
#: A unit code has four digits at most.
UNIT_CODES = 9_000
WORDS = (
    *(
        "optics",
        "catalysis",
        "glaciers",
        "algebra",
        "oceans",
        "proteins",
        "plasma",
        "archives",
        "soils",
        "robotics",
    ),
    *(
        "galaxies",
        "materials",
        "languages",
        "forests",
        "genomes",
        "networks",
        "polymers",
        "climate",
        "neurons",
    ),
)
THEMES = ("materials-science", "photonics", "robotics", "mathematics")
KINDS = ("university", "research-organisation", "higher-education")


def name(text: str) -> str:
    """An IRI, from a short name with one of our prefixes."""
    prefix, _, local = text.partition(":")
    return f"<{PREFIXES[prefix]}{local}>"


def text(words: str, language: str) -> str:
    """Words in a language; they hold no quotes."""
    return f'"{words}"@{language}'


def typed(value: object, datatype: str) -> str:
    """A value of an XML Schema datatype."""
    return f'"{value}"^^<{PREFIXES["xsd"]}{datatype}>'


A, LABEL, SOURCE = name("rdf:type"), name("skos:prefLabel"), name("prov:hadPrimarySource")
IN_COUNTRY, CNRS = name(":inCountry"), name("id:institution/cnrs")


class Maker:
    """Makes one set of data; `blocks` may be taken once."""

    def __init__(self, *, seed: int = 1, laboratories: int | None = None, triples: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  (nothing secret)
        self._laboratories = laboratories
        self._triples = triples
        size = laboratories or (triples or 0) // 32
        self.countries = [f"x{chr(97 + at)}a" for at in range(min(COUNTRIES, max(3, size // 15)))]
        self.years = range(LAST_YEAR + 1 - min(25, max(2, size // 60)), LAST_YEAR + 1)
        self._running: Counter[tuple[str, int]] = Counter()
        self._sources: list[str] = []
        self._institutions: list[tuple[str, str]] = []
        self.made = 0
        self.laboratories_made = 0

    @property
    def institutions_made(self) -> int:
        """How many institutions there are so far."""
        return len(self._institutions)

    def blocks(self) -> Iterator[Block]:
        """Everything, one thing at a time; only what later things refer to is remembered."""
        for block in self._everything():
            self.made += len(block[1])
            yield block

    def _everything(self) -> Iterator[Block]:
        yield self._source()
        yield from self._world()
        at = 0
        while self._wants_more(at):
            if at and at % LABORATORIES_PER_SOURCE == 0:
                yield self._source()
            if at % LABORATORIES_PER_INSTITUTION == 0:
                yield self._institution()
            yield from self._laboratory(at)
            at = self.laboratories_made = at + 1
        yield from self._figures()

    def _wants_more(self, at: int) -> bool:
        if self._laboratories is not None:
            return at < self._laboratories
        figures = len(self.years) * (len(self.countries) + 1) * 13
        return self.made + figures < (self._triples or 0)

    def _source(self) -> Block:
        number = len(self._sources) + 1
        source = name(f"id:source/made-{number}")
        self._sources.append(source)
        return source, [
            (A, name(":Source")),
            (LABEL, text(f"Made report {number}", "en")),
            (LABEL, text(f"Rapport factice {number}", "fr")),
            (name("dcterms:title"), text(f"Made report {number}", "en")),
            (name("dcterms:publisher"), '"A generator"'),
            (name("dcterms:language"), '"en"'),
            (name(":addressNote"), text("Made by a program; there is no address.", "en")),
            (name(":addressNote"), text("Produit par un programme ; sans adresse.", "fr")),
            (name(":consultedOn"), typed("2026-11-24", "date")),
        ]

    def _any_source(self) -> tuple[str, str]:
        return SOURCE, self._random.choice(self._sources)

    def _world(self) -> Iterator[Block]:
        for at, code in enumerate(self.countries):
            country = name(f"id:country/{code}")
            yield (
                country,
                [
                    (A, name(":Country")),
                    (LABEL, text(f"Country {code.upper()}", "en")),
                    (LABEL, text(f"Pays {code.upper()}", "fr")),
                    (name(":alpha2"), f'"{code[:2].upper()}"'),
                    (name(":alpha3"), f'"{code.upper()}"'),
                    (name(":numeric3"), f'"{900 + at}"'),
                    self._any_source(),
                ],
            )
            yield (
                name(f"id:place/made-{code}"),
                [
                    (A, name(":Place")),
                    (LABEL, text(f"City of {code.upper()}", "en")),
                    (LABEL, text(f"Ville de {code.upper()}", "fr")),
                    (name(":placeLevel"), name("vocab:place-level/city")),
                    (IN_COUNTRY, country),
                    self._any_source(),
                ],
            )
        members = [(name(":hasMemberCountry"), name(f"id:country/{code}")) for code in self.countries]
        yield (
            name("id:region/made"),
            [
                (A, name(":Region")),
                (LABEL, text("All made countries", "en")),
                (LABEL, text("Tous les pays factices", "fr")),
                *members,
                self._any_source(),
            ],
        )

    def _institution(self) -> Block:
        number = len(self._institutions) + 1
        institution = name(f"id:institution/made-{number}")
        country = self._random.choice(self.countries)
        self._institutions.append((institution, country))
        return institution, [
            (A, name(":Institution")),
            (LABEL, text(f"Made University {number}", "en")),
            (LABEL, text(f"Université factice {number}", "fr")),
            (name("org:classification"), name(f"vocab:institution-type/{self._random.choice(KINDS)}")),
            (IN_COUNTRY, name(f"id:country/{country}")),
            self._any_source(),
        ]

    def _laboratory(self, at: int) -> Iterator[Block]:
        institution, country = self._random.choice(self._institutions)
        slug = f"made-{at + 1}"
        laboratory = name(f"id:laboratory/{slug}")
        topic, second = self._random.sample(WORDS, 2)
        in_country = (IN_COUNTRY, name(f"id:country/{country}"))
        yield (
            laboratory,
            [
                (A, name(":Laboratory")),
                (LABEL, text(f"Laboratory {at + 1} for {topic} and {second}", "en")),
                (LABEL, text(f"Laboratoire {at + 1} ({topic}, {second})", "fr")),
                in_country,
                (name(":supervisedBy"), CNRS),
                (name(":supervisedBy"), institution),
                (name(":structureType"), name("vocab:structure-type/umi")),
                self._any_source(),
            ],
        )
        yield (
            name(f"id:site/{slug}/main"),
            [
                (A, name(":Site")),
                (name(":siteOf"), laboratory),
                (name(":siteRole"), name("vocab:site-role/primary")),
                (name(":inPlace"), name(f"id:place/made-{country}")),
                in_country,
                self._any_source(),
            ],
        )
        if at % LABORATORIES_PER_UNIT_CODE == 0 and at // LABORATORIES_PER_UNIT_CODE < UNIT_CODES:
            yield self._unit_code(1000 + at // LABORATORIES_PER_UNIT_CODE, laboratory)
        if at % 2 == 0:
            yield from self._cooperation(slug, laboratory, institution, country, topic)

    def _unit_code(self, number: int, laboratory: str) -> Block:
        return name(f"id:unit-code/umi-{number}"), [
            (A, name(":UnitCode")),
            (name("skos:notation"), f'"UMI {number}"'),
            (name(":codeOf"), laboratory),
            (name(":codePrefix"), '"UMI"'),
            (name(":codeNumber"), typed(number, "integer")),
            self._any_source(),
        ]

    def _cooperation(
        self, slug: str, laboratory: str, institution: str, country: str, topic: str
    ) -> Iterator[Block]:
        cooperation = name(f"id:cooperation/{slug}")
        start = self._random.randint(FIRST_YEAR, LAST_YEAR - 1)
        yield (
            cooperation,
            [
                (A, name(":Cooperation")),
                (A, name(":InternationalResearchLaboratory")),
                (LABEL, text(f"IRL {slug} ({topic})", "en")),
                (LABEL, text(f"IRL {slug} sur {topic}", "fr")),
                (name(":underScheme"), name("id:scheme/irl")),
                (name(":carriedBy"), laboratory),
                (name(":theme"), name(f"vocab:theme/{self._random.choice(THEMES)}")),
                (name(":scientificFocus"), text(f"{topic}, measured again and again", "en")),
                (name(":scientificFocus"), text(f"{topic}, encore et encore", "fr")),
                self._any_source(),
            ],
        )
        for side, body, role in (("participant", CNRS, "supervising-body"), ("partner", institution, "host")):
            yield (
                name(f"id:participation/{slug}/{side}/{role}"),
                [
                    (A, name(":Participation")),
                    (name(":participationIn"), cooperation),
                    (name(f":{side}"), body),
                    (name(":role"), name(f"vocab:role/{role}")),
                    self._any_source(),
                ],
            )
        yield (
            name(f"id:term/{slug}/1"),
            [
                (A, name(":Term")),
                (name(":termOf"), cooperation),
                (name(":termUnder"), name(f"id:scheme/{'irl' if start >= 2019 else 'umi'}")),
                (name(":termNumber"), typed(1, "integer")),
                (name(":startYear"), typed(start, "gYear")),
                (name(":endYear"), typed(start + TERM_YEARS - 1, "gYear")),
                self._any_source(),
            ],
        )
        for year in range(start, start + TERM_YEARS):
            self._running[country, year] += 1

    def _figures(self) -> Iterator[Block]:
        """How many cooperations ran, by country and year, and each year's total: true of what was made."""
        for year in self.years:
            parts = [(code, self._running[code, year]) for code in self.countries]
            for code, value in parts:
                yield self._figure(f"made-{code}-{year}", f"id:country/{code}", year, value)
            total = self._figure(f"made-all-{year}", "id:region/made", year, sum(value for _, value in parts))
            of = [(name(":totalOf"), name(f"id:count/made-{code}-{year}")) for code, _ in parts]
            yield total[0], [*total[1], *of]

    def _figure(self, slug: str, area: str, year: int, value: int) -> Block:
        source = self._sources[0]
        return name(f"id:count/{slug}"), [
            (A, name(":PublishedCount")),
            (LABEL, text(f"IRL in {slug}: {value}", "en")),
            (LABEL, text(f"IRL en {slug} : {value}", "fr")),
            (name("qb:dataSet"), f"<{BASE}dataset/counts>"),
            (name("dim:refArea"), name(area)),
            (name("dim:refPeriod"), typed(year, "gYear")),
            (name("msr:obsValue"), typed(value, "nonNegativeInteger")),
            (name(":countedScheme"), name("vocab:counted-scheme/irl-excluding-umifre")),
            (name(":indicator"), name("vocab:indicator/active-structures")),
            (name(":claimedBy"), source),
            (name(":countingBasis"), name("vocab:counting-basis/not-stated")),
            (name(":valueQualifier"), name("vocab:value-qualifier/exact")),
            (SOURCE, source),
        ]


def as_ntriples(block: Block) -> str:
    """A block as N-Triples."""
    subject, said = block
    return "".join(f"{subject} {predicate} {value} .\n" for predicate, value in said)


def as_nquads(block: Block) -> str:
    """A block as N-Quads, all in one graph."""
    subject, said = block
    return "".join(f"{subject} {predicate} {value} <{GRAPH}> .\n" for predicate, value in said)


def as_turtle(block: Block) -> str:
    """A block as Turtle; `prologue` declares the prefixes it uses."""
    subject, said = block
    lines = " ;\n    ".join(f"{_short(predicate)} {_short(value)}" for predicate, value in said)
    return f"{_short(subject)} {lines} .\n\n"


def _short(term: str) -> str:
    """A term with a prefix where its local name needs no escape."""
    if term.startswith('"'):
        value, mark, datatype = term.partition("^^")
        return f"{value}^^{_short(datatype)}" if mark else term
    cut = max(term.rfind("#"), term.rfind("/")) + 1
    for prefix, namespace in PREFIXES.items():
        if term[1:cut] == namespace:
            return f"{prefix}:{term[cut:-1]}"
    return term


def prologue() -> str:
    """The prefixes of the Turtle."""
    return "".join(f"@prefix {prefix}: <{namespace}> .\n" for prefix, namespace in PREFIXES.items()) + "\n"


FORMATS: dict[str, Callable[[Block], str]] = {".nt": as_ntriples, ".nq": as_nquads, ".ttl": as_turtle}


def write(maker: Maker, file: TextIO, suffix: str) -> None:
    """Write all that a maker makes, as it is made."""
    form = FORMATS[suffix]
    if suffix == ".ttl":
        file.write(prologue())
    file.writelines(map(form, maker.blocks()))


def main() -> int:
    """Read the options, write the file, say how much it holds."""
    parser = argparse.ArgumentParser(description="Make data of this domain at any size.")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--laboratories", type=int, metavar="N", help="so many laboratories")
    size.add_argument("--triples", type=int, metavar="N", help="about so many triples")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another seed, other data (default 1)"
    )
    parser.add_argument("file", type=Path, help="a file that ends in .nt, .nq or .ttl")
    options = parser.parse_args()
    if options.file.suffix not in FORMATS:
        parser.error(f"{options.file}: the name must end in {', '.join(FORMATS)}")
    maker = Maker(seed=options.seed, laboratories=options.laboratories, triples=options.triples)
    with options.file.open("w", encoding="utf-8", newline="\n") as file:
        write(maker, file, options.file.suffix)
    print(f"{maker.made} triples in {options.file}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
