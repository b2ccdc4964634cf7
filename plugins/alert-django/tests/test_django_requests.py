"""What an alert tells of a request."""

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from hypothesis import given
from hypothesis import strategies as st

from alert_core import REDACTED, Alert
from alert_django import request_metadata

make = RequestFactory()


def test_it_tells_method_path_and_headers_but_no_query_and_no_address() -> None:
    request = make.put("/invoices/7/?token=4bd6", headers={"User-Agent": "shop/1", "X-Shop": "nothing"})
    told = request_metadata(request)
    assert told["method"] == "PUT"
    assert told["path"] == "/invoices/7/"
    assert told["headers"]["User-Agent"] == "shop/1"
    assert "X-Shop" not in told["headers"]
    assert "4bd6" not in str(told)
    assert "127.0.0.1" not in str(told)


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Cookie", "X-CSRFToken", "X-Api-Key", "Proxy-Authorization", "X-Hub-Signature-256", "X-Session"],
)
def test_of_a_credential_there_is_the_name_alone(name: str) -> None:
    told = request_metadata(make.get("/", headers={name: "hunter-2-and-more"}))
    assert {key.lower(): value for key, value in told["headers"].items()}[name.lower()] == REDACTED
    assert "hunter" not in str(told)


@given(st.dictionaries(st.sampled_from(["HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_TOKEN"]), st.just("canary-41c7")))
def test_no_credential_is_told_even_where_alerts_are_not_masked(headers: dict[str, str]) -> None:
    request = HttpRequest()
    request.META.update(headers)
    alert = Alert("t", "m", metadata={"request": request_metadata(request)}, redact=False)
    assert "canary" not in str(alert.to_dict())


@pytest.mark.parametrize(
    ("attributes", "header", "wanted"),
    [
        ({"request_id": "a"}, "c", "a"),
        ({"id": "b"}, "c", "b"),
        ({}, "c", "c"),
        ({"request_id": uuid.UUID(int=7)}, "", "00000000-0000-0000-0000-000000000007"),
        ({}, "two words", None),
        ({}, "x" * 201, None),
        ({}, "", None),
    ],
)
def test_the_request_id_is_a_middlewares_or_the_headers(
    attributes: dict[str, Any], header: str, wanted: str | None
) -> None:
    request: Any = make.get("/", headers={"X-Request-ID": header})
    vars(request).update(attributes)
    assert request_metadata(request).get("request_id") == wanted


@pytest.mark.parametrize(
    ("key", "wanted"), [(7, 7), (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"), (None, None)]
)
def test_the_user_is_told_by_the_primary_key(key: object, wanted: object) -> None:
    request: Any = make.get("/")
    request.user = SimpleNamespace(pk=key)
    assert request_metadata(request).get("user_id") == wanted


def test_a_user_who_cannot_be_known_now_is_left_out() -> None:
    def broken() -> object:
        raise RuntimeError("the database is away")

    request: Any = make.get("/")
    request.user = SimpleLazyObject(broken)
    assert "user_id" not in request_metadata(request)


def test_a_request_without_anything_tells_nothing() -> None:
    assert request_metadata(object()) == {}
