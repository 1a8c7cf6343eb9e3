"""The address where strangers validate files: answers, refusals, limits."""

import asyncio
import json
import time
from dataclasses import replace

import httpx
import jsonschema
import pytest
from conftest import Server

from cnrs_graph.checking import Check, Checker
from cnrs_graph.errors import CheckStoppedError, TooManyQueriesError
from cnrs_graph.reports import SCHEMA

TURTLE = {"Content-Type": "text/turtle"}
PREFIXES = "@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://example.org/> .\n"
SHAPES = (
    f"{PREFIXES}e:S a sh:NodeShape ; sh:targetClass e:T ; sh:property e:P . e:P sh:path e:p ; sh:minCount 1 ."
)
DATA = f"{PREFIXES}\ne:x a e:T ."
#: A pattern that takes longer than anybody lives.
ENDLESS = (
    f"{PREFIXES}e:S a sh:NodeShape ; sh:targetClass e:T ; "
    'sh:property [ sh:path e:p ; sh:pattern "^(a+)+$" ] .'
)


@pytest.fixture(scope="module")
def client():
    with (
        Server("--no-validate", query_seconds=20, body_bytes=100_000) as server,
        httpx.Client(base_url=server.url, timeout=60) as opened,
    ):
        yield opened


def post(client, data=DATA, shapes=SHAPES, accept="application/json", **fields):
    return client.post(
        "/api/validate", data={"data": data, "shapes": shapes, **fields}, headers={"Accept": accept}
    )


def test_a_form_with_data_and_shapes_is_validated(client):
    answer = post(client)

    assert answer.status_code == 200
    told = answer.json()
    jsonschema.validate(told, json.loads(SCHEMA.read_text(encoding="utf-8")))
    (found,) = told["results"]
    assert (found["rule"], found["file"], found["line"]) == ("P", "data.ttl", 3)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_file_is_held_against_the_published_rules(client):
    term = (
        "@prefix : <https://w3id.org/cnrs-graph/ontology#> . "
        "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
        "<https://w3id.org/cnrs-graph/id/term/x/1> a :Term ;\n"
        ' :startDate "2020-01-01"^^xsd:date ;\n :endDate "2019-01-01"^^xsd:date .'
    )
    answer = client.post("/api/validate", content=term, headers=TURTLE)

    assert answer.status_code == 200
    assert ("TM2", 4) in {(each["rule"], each["line"]) for each in answer.json()["results"]}


@pytest.mark.parametrize(
    ("accept", "begins"),
    [
        ("text/turtle", "@prefix"),
        ("application/sarif+json", '{\n  "$schema"'),
        ("text/plain", "data.ttl:3:1: violation P"),
        ("text/html", "<!DOCTYPE html>"),
    ],
)
def test_the_report_comes_in_the_format_asked_for(client, accept, begins):
    answer = post(client, accept=accept)

    assert answer.headers["content-type"].startswith(accept)
    assert answer.text.startswith(begins)


def test_the_page_shows_what_was_sent_and_what_was_found_without_script(client):
    page = client.get("/api/validate?lang=fr", headers={"Accept": "text/html"})
    assert "Valider un fichier" in page.text
    answer = post(client, data=f"{DATA}\n# </textarea><script>", accept="text/html", lang="es")

    assert "1 infracción" in answer.text
    assert "&lt;/textarea&gt;&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"data": "<a"}, 400, "data.ttl:1"),
        ({"data": " "}, 400, "nothing to validate"),
        ({"shapes": "@prefix"}, 400, "shapes.ttl:1"),
        ({"shapes": SHAPES.replace("sh:path e:p ;", "")}, 400, "needs exactly one sh:path"),
        ({"data": DATA.replace("e:T", "e:Tt")}, 422, "finds none"),
        ({"lang": "xx"}, 400, "lang=xx"),
        ({"input": "exe"}, 400, "input=exe"),
        ({"else": "x"}, 400, "no field 'else'"),
        ({"data": "x" * 100_001}, 413, "larger than"),
    ],
)
def test_what_cannot_be_validated_is_refused_with_its_place(client, sent, status, said):
    answer = post(client, **sent)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_other_types_and_methods_are_refused(client):
    assert (
        client.post("/api/validate", content=b"x", headers={"Content-Type": "image/png"}).status_code == 415
    )
    assert client.put("/api/validate", content=b"x").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert post(client, accept="image/png").status_code == 406


def test_the_schema_of_the_report_is_published(client):
    assert client.get("/api/validate/schema.json").json() == json.loads(SCHEMA.read_text(encoding="utf-8"))


def test_nothing_leaves_the_server_and_no_secret_comes_in(client):
    call = (
        f"{PREFIXES}e:S a sh:NodeShape ; sh:targetClass e:T ; sh:sparql [ sh:select "
        '"SELECT $this WHERE { SERVICE <http://127.0.0.1:9/> { $this ?p ?o } }" ] .'
    )
    assert post(client, shapes=call).status_code == 400


# Limits


def check(config, sent, **changes):
    return asyncio.run(Checker(replace(config, **changes)).run(sent))


def test_a_validation_without_end_is_stopped_in_time(config):
    sent = Check(f'{DATA} e:x e:p "{"a" * 60}b" .'.encode(), shapes=ENDLESS.encode())
    start = time.monotonic()

    with pytest.raises(CheckStoppedError, match="more than 4 seconds"):
        check(config, sent, query_seconds=4)
    assert time.monotonic() - start < 8


def test_a_validation_that_wants_all_memory_is_stopped(config):
    many = " ".join(f'e:n{number} e:p "{number}" .' for number in range(40_000))
    with pytest.raises(CheckStoppedError):
        check(config, Check(f"{DATA} {many}".encode(), shapes=SHAPES.encode()), query_memory_bytes=60 << 20)


def test_no_more_wait_than_may(config):
    checker = Checker(config)
    checker._waiting = 8

    with pytest.raises(TooManyQueriesError):
        asyncio.run(checker.run(Check(b"")))


def test_the_process_of_a_caller_who_left_is_ended(config):
    sent = Check(f'{DATA} e:x e:p "{"a" * 60}b" .'.encode(), shapes=ENDLESS.encode())

    async def leave():
        checker = Checker(config)
        task = asyncio.create_task(checker.run(sent))
        await asyncio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert checker._waiting == 0

    start = time.monotonic()
    asyncio.run(leave())
    assert time.monotonic() - start < 8
