import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from alert_gateway.asgi import Application

Make = Callable[..., Any]


def test_the_document_has_every_route_of_the_gateway_but_the_pages(asked: Any) -> None:
    document = json.loads(asked.ask("GET", "/openapi.json").body)
    assert document["openapi"] == "3.1.0"
    told = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    for path, method in told:
        assert asked.ask(method, path.replace("{source}", "grafana").replace("{name}", "job"), {}).status != 405
    assert len(told) == 7


def test_the_document_names_the_sources_and_heartbeats_that_there_are(make: Make) -> None:
    asked = make({"gateway": {"state": ":memory:"}, "heartbeats": {"job": {"every": 60}}})
    document = json.loads(asked.ask("GET", "/openapi.json").body)
    told = {
        path: item["post"]["parameters"][0]["schema"]["examples"]
        for path, item in document["paths"].items()
        if "{" in path
    }
    assert told == {"/alerts/{source}": sorted(asked.gateway.sources), "/heartbeat/{name}": ["job"]}


@pytest.mark.once
@pytest.mark.needs(modules=["schemathesis"])
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_schemathesis_finds_no_answer_that_the_document_does_not_tell_of(make: Make, mode: str) -> None:
    import schemathesis

    shown = {"X-Api-Key": "first-token"}
    asked = make({"gateway": {"state": ":memory:", "token": "first-token"}, "heartbeats": {"job": {"every": 60}}})
    application = Application(asked.gateway)
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", application, headers=shown)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 6
    for operation in operations:
        if mode == "NEGATIVE" and operation.path != "/alerts":
            continue  # nothing that could be sent there breaks the document

        @settings(max_examples=10, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        def check(case: Any) -> None:
            case.call_and_validate(headers=shown)

        check()
    application.close()
    if mode == "POSITIVE":
        assert asked.alerts != []
