"""The Reconciliation Service API 0.2: what its specification asks of a service, clause by clause."""

import json
from urllib.parse import quote, urlencode

import jsonschema
import pytest
from garden import a_publication

from cnrs_graph.reconciliation import BATCH, reply, reply_to_form

#: Written after the text of the specification, stricter than its own schemas: nothing it does not name.
TEXT = {"type": "string", "minLength": 1}
NAMED = {"type": "object", "properties": {"id": TEXT, "name": TEXT}, "required": ["id", "name"]}
NAMED_ONLY = {**NAMED, "additionalProperties": False}
CANDIDATE = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "description": TEXT,
        "type": {"type": "array", "items": NAMED_ONLY},
        "score": {"type": "number", "minimum": 0, "maximum": 100},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": TEXT, "value": {"type": ["number", "boolean"]}},
                "required": ["id", "value"],
                "additionalProperties": False,
            },
        },
        "match": {"type": "boolean"},
    },
    "required": ["id", "name", "type", "score", "match"],
    "additionalProperties": False,
}
RESULTS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"result": {"type": "array", "items": CANDIDATE}},
        "required": ["result"],
        "additionalProperties": False,
    },
}
CELL = {
    "oneOf": [
        {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}
        for key, value in {
            "str": {"type": "string"},
            "int": {"type": "integer"},
            "float": {"type": "number"},
            "date": {"type": "string", "pattern": "T"},
        }.items()
    ]
    + [NAMED_ONLY]
}
EXTENSION = {
    "type": "object",
    "properties": {
        "meta": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": TEXT, "name": TEXT, "type": NAMED_ONLY},
                "required": ["id", "name"],
                "additionalProperties": False,
            },
        },
        "rows": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": CELL},
            },
        },
    },
    "required": ["meta", "rows"],
    "additionalProperties": False,
}
PLACE = {
    "type": "object",
    "properties": {"service_url": {"pattern": "^https?://.*[^/]$"}, "service_path": {"pattern": "^/"}},
}
WITH_ID = {"pattern": r"\{\{id\}\}"}
FORM = "application/x-www-form-urlencoded"
MANIFEST = {
    "type": "object",
    "properties": {
        "versions": {"const": ["0.2"]},
        "name": TEXT,
        "identifierSpace": {"pattern": "^https?://"},
        "schemaSpace": {"pattern": "^https?://"},
        "defaultTypes": {"type": "array", "items": NAMED_ONLY, "minItems": 1, "uniqueItems": True},
        "view": {"properties": {"url": WITH_ID}, "required": ["url"]},
        "preview": {
            "properties": {
                "url": {"pattern": r"\{\{id\}\}"},
                "width": {"type": "integer"},
                "height": {"type": "integer"},
            },
            "required": ["url", "width", "height"],
        },
        "suggest": {
            "properties": {"entity": PLACE, "type": PLACE, "property": PLACE},
            "required": ["entity", "type", "property"],
        },
        "extend": {"properties": {"propose_properties": PLACE}, "required": ["propose_properties"]},
        "batchSize": {"type": "integer", "minimum": 1},
    },
    "required": [
        "versions",
        "name",
        "identifierSpace",
        "schemaSpace",
        "defaultTypes",
        "view",
        "preview",
        "suggest",
        "extend",
    ],
}
SUGGESTED = {
    "type": "object",
    "properties": {"result": {"type": "array", "items": NAMED}},
    "required": ["result"],
}


def fields(**values):
    return urlencode(
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    )


@pytest.fixture
def ask(publication):
    def ask_(path="/reconcile", **values):
        answer = reply(publication, path, fields(**values))
        assert answer.status == 200, answer.body
        assert answer.header("Access-Control-Allow-Origin") == "*"
        return json.loads(answer.body)

    return ask_


@pytest.fixture
def one(ask):
    """The candidates for one query."""

    def one_(**query):
        answer = ask(queries={"q": query})
        jsonschema.validate(answer, RESULTS)
        return answer["q"]["result"]

    return one_


def test_without_parameters_the_service_gives_its_manifest(ask, publication):
    manifest = ask()

    jsonschema.validate(manifest, MANIFEST)
    assert manifest["identifierSpace"] == publication.base


def test_addresses_in_the_manifest_come_from_the_configuration():
    answer = reply(a_publication(public_url="https://gardens.example/g"), "/reconcile", "")

    manifest = json.loads(answer.body)
    assert manifest["preview"]["url"] == "https://gardens.example/g/reconcile/preview?id={{id}}"
    assert manifest["suggest"]["entity"]["service_url"] == "https://gardens.example/g"


def test_a_name_is_matched_and_the_features_say_why(one):
    first = one(query="Georgia Institute of Technology", type="Institution")[0]

    assert (first["id"], first["match"], first["score"]) == ("id/institution/gatech", True, 100)
    assert {"id": "type", "value": True} in first["features"]


def test_a_name_of_two_things_matches_neither_until_the_class_is_said(one):
    assert [each["match"] for each in one(query="LN2")][:2] == [False, False]
    assert [(each["id"], each["match"]) for each in one(query="LN2", type="Laboratory")] == [
        ("id/laboratory/ln2", True)
    ]


def test_candidates_come_by_falling_score_and_no_more_than_asked_for(one):
    found = one(query="university", limit=7)

    assert len(found) == 7
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)


@pytest.mark.parametrize("text", ["id/institution/mit", "https://w3id.org/cnrs-graph/id/institution/mit"])
def test_an_identifier_as_query_gives_its_thing(one, text):
    assert [(each["id"], each["match"]) for each in one(query=text)] == [("id/institution/mit", True)]


def test_an_identifier_elsewhere_matches_what_bears_it(one):
    found = one(query="https://ror.org/02feahw73", type="Institution")

    assert [(each["id"], each["match"]) for each in found][:1] == [("id/institution/cnrs", True)]


def test_a_property_moves_the_thing_that_has_it_up(one):
    in_mexico = [{"pid": "inCountry", "v": {"id": "id/country/mex"}}]
    found = one(query="University", type="Institution", properties=in_mexico)

    assert {"id": "property:inCountry", "value": 100.0} in found[0]["features"]
    assert found[0]["id"] != one(query="University", type="Institution")[0]["id"]
    assert all("property:inCountry" in {each["id"] for each in one["features"]} for one in found)


CANADA = {"id": "id/country/can"}


@pytest.mark.parametrize("value", ["Canada", "canada", CANADA, ["Nowhere", CANADA]])
def test_properties_alone_find_things(one, value):
    found = one(properties=[{"pid": "inCountry", "v": value}], type="Laboratory", limit=3)

    assert [each["score"] for each in found] == [100, 100, 100]
    assert not any(each["match"] for each in found)


def test_a_code_alone_finds_its_laboratory(one):
    assert one(query="UMI 3463", type="Laboratory")[0]["id"] == "id/laboratory/ln2"


def test_a_class_that_should_be_there_only_counts(one):
    strict = one(query="Takuvik", type=["Institution"], type_strict="any")
    loose = one(query="Takuvik", type=["Institution"], type_strict="should")

    assert strict == [] or all(each["type"] for each in strict)
    assert loose
    assert not loose[0]["match"]


def test_all_classes_or_any_of_them(one):
    both = ["Cooperation", "InternationalResearchLaboratory"]
    names = {each["id"] for each in one(query="Takuvik", type=both, type_strict="all")}

    assert names == {"id/cooperation/takuvik"}


def test_a_batch_is_answered_by_its_own_keys(ask):
    answer = ask(queries={"a": {"query": "MIT"}, "b": {"query": "xyzzy qwrtz"}, "c": {"query": "NYU"}})

    jsonschema.validate(answer, RESULTS)
    assert list(answer) == ["a", "b", "c"]
    assert answer["b"] == {"result": []}


def test_a_post_is_answered_as_a_get(publication, ask):
    batch = {"q0": {"query": "Université Laval", "type": "Institution"}}
    posted = reply_to_form(publication, f"{FORM}; charset=utf-8", fields(queries=batch).encode())

    assert json.loads(posted.body) == ask(queries=batch)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1, column 2"),
        ("[]", "JSON object"),
        ('{"q": {}}', "query q"),
        ('{"q": {"query": ""}}', "query q"),
        ('{"q": {"query": "a", "limit": 0}}', "limit"),
        ('{"q": {"query": "a", "type_strict": "maybe"}}', "type_strict"),
        ('{"q": {"query": "a", "properties": [{"pid": "x"}]}}', "pid and a v"),
        ('{"q": {"query": "a", "type": [3]}}', "identifier"),
        ('{"q": "a"}', "object"),
        ("[" * 100_000, "queries"),
    ],
)
def test_a_query_that_is_not_understood_is_refused_with_its_place(publication, text, said):
    answer = reply(publication, "/reconcile", urlencode({"queries": text}))

    assert answer.status == 400
    assert said in json.loads(answer.body)["detail"]
    assert answer.header("Access-Control-Allow-Origin") == "*"


def test_a_batch_that_is_too_large_is_413(publication):
    batch = {str(number): {"query": "a"} for number in range(BATCH + 1)}

    assert reply(publication, "/reconcile", fields(queries=batch)).status == 413


def test_a_body_that_is_no_form_is_415(publication):
    assert reply_to_form(publication, "application/json", b"{}").status == 415


def test_values_of_things_are_fetched_by_property(ask):
    answer = ask(
        extend={
            "ids": ["id/laboratory/takuvik", "id/place/sherbrooke", "id/nothing"],
            "properties": [
                {"id": "inCountry"},
                {"id": "supervisedBy", "settings": {"limit": 1}},
                {"id": "wgs84:lat"},
            ],
        }
    )

    jsonschema.validate(answer, EXTENSION)
    rows = answer["rows"]
    assert rows["id/laboratory/takuvik"]["inCountry"] == [{"id": "id/country/can", "name": "Canada"}]
    assert len(rows["id/laboratory/takuvik"]["supervisedBy"]) == 1
    assert rows["id/nothing"] == {"inCountry": [], "supervisedBy": [], "wgs84:lat": []}
    assert answer["meta"][0]["type"] == {"id": "Country", "name": "country"}


def test_numbers_come_as_numbers_and_texts_as_texts(ask):
    ids = ["id/count/founding-irl-canada", "id/scheme/irl"]
    answer = ask(
        extend={"ids": ids, "properties": [{"id": "sdmx-measure:obsValue"}, {"id": "skos:prefLabel"}]}
    )

    jsonschema.validate(answer, EXTENSION)
    assert answer["rows"][ids[0]]["sdmx-measure:obsValue"] == [{"int": 5}]
    assert "str" in answer["rows"][ids[1]]["skos:prefLabel"][0]


@pytest.mark.parametrize("text", ["{}", '{"ids": "a", "properties": []}', '{"ids": [], "properties": [{}]}'])
def test_a_request_for_values_that_is_not_understood_is_refused(publication, text):
    assert reply(publication, "/reconcile", urlencode({"extend": text})).status == 400


def test_properties_of_a_class_are_proposed(ask):
    proposed = ask("/reconcile/properties", type="Laboratory", limit="4")

    assert (proposed["type"], proposed["limit"], len(proposed["properties"])) == ("Laboratory", 4, 4)
    everything = ask("/reconcile/properties", type="Laboratory")
    assert {"id": "inCountry", "name": "in country"} in everything["properties"]


@pytest.mark.parametrize(
    ("kind", "prefix", "wanted"),
    [
        ("entity", "Takuv", "id/cooperation/takuvik"),
        ("entity", "id/laboratory/takuvik", "id/laboratory/takuvik"),
        ("type", "labo", "Laboratory"),
        ("type", "Laboratory", "Laboratory"),
        ("property", "in cou", "inCountry"),
        ("property", "inCountry", "inCountry"),
    ],
)
def test_what_begins_like_this_is_suggested_first(ask, kind, prefix, wanted):
    found = ask(f"/reconcile/suggest/{kind}", prefix=prefix)

    jsonschema.validate(found, SUGGESTED)
    assert found["result"][0]["id"] == wanted


def test_more_suggestions_follow_a_cursor(ask):
    first = ask("/reconcile/suggest/entity", prefix="university")["result"]
    more = ask("/reconcile/suggest/entity", prefix="university", cursor="10")["result"]

    assert first
    assert more
    assert not {each["id"] for each in first} & {each["id"] for each in more}


def test_a_preview_may_stand_in_another_page_and_no_other_page_may(publication):
    preview = reply(publication, "/reconcile/preview", "id=" + quote("id/laboratory/takuvik", safe=""))

    assert preview.status == 200
    assert "frame-ancestors *" in preview.header("Content-Security-Policy")
    assert "Takuvik" in preview.body.decode()
    assert len(preview.body) < 8_000


def test_a_view_leads_to_the_page_and_an_unknown_one_is_404(publication):
    assert (
        reply(publication, "/reconcile/view", "id=id%2Fcountry%2Fcan").header("Location")
        == "/doc/country/can"
    )
    for path in ("view", "preview", "nothing"):
        assert reply(publication, f"/reconcile/{path}", "id=id%2Fcountry%2Fnope").status == 404


def test_a_garden_can_be_reconciled_too():
    answer = reply(a_publication(), "/reconcile", fields(queries={"q": {"query": "north"}}))

    jsonschema.validate(json.loads(answer.body), RESULTS)


def test_over_http_a_form_from_anywhere_is_answered(client):
    batch = json.dumps({"q0": {"query": "Takuvik", "type": "Laboratory"}})
    posted = client.post("/reconcile", data={"queries": batch}, headers={"Origin": "https://refine.example"})
    fetched = client.get("/reconcile", params={"queries": batch})

    assert posted.json() == fetched.json()
    assert posted.headers["access-control-allow-origin"] == "*"
    assert client.options("/reconcile").headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, POST"
    assert client.put("/reconcile").status_code == 405
    large = client.post("/reconcile", content=b"x" * (1 << 21), headers={"Content-Type": FORM})
    assert large.status_code == 413
