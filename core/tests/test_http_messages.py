"""Requests, answers, Retry-After and the URLs that an option may hold: what needs no network."""

import urllib.parse
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Secret
from alert_core.http import HttpRequest, HttpResponse, error_for, retry_after, secure_url


def test_json_is_utf8_without_escapes_or_spaces_and_with_strict_numbers() -> None:
    request = HttpRequest.json("https://a.example", {"a": "já", "b": [1]}, headers={"X": "1"}, method="PUT")
    assert request.content == '{"a":"já","b":[1]}'.encode()
    assert (request.method, request.headers["X"]) == ("PUT", "1")
    with pytest.raises(ValueError, match="JSON"):
        HttpRequest.json("https://a.example", float("nan"))


@pytest.mark.parametrize("fields", [{"To": "+244 9", "Body": "já & não"}, [("To", "+244 9"), ("Body", "já & não")]])
def test_a_form_is_urlencoded_utf8(fields: Any) -> None:
    request = HttpRequest.form("https://a.example", fields)
    assert urllib.parse.parse_qs(request.content.decode()) == {"To": ["+244 9"], "Body": ["já & não"]}
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_an_error_says_the_statuss_phrase_and_the_providers_code() -> None:
    error = error_for(HttpResponse(401), code="invalid_auth")
    assert str(error) == "answered HTTP 401 Unauthorized: invalid_auth"
    assert error.code == "invalid_auth"


def test_an_answer_has_its_headers_in_any_case_its_text_and_its_json() -> None:
    response = HttpResponse(200, {"X-Request-Id": "r1"}, b'{"a": "\xc3\xa9"}')
    assert response.headers["x-request-ID"] == "r1"
    assert response.json() == {"a": "é"}
    assert HttpResponse(200, {}, b"\xff").text == "\ufffd"
    with pytest.raises(ValueError, match="Expecting"):
        HttpResponse(200, {}, b"<").json()


# Retry-After


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0", 0.0), (" 120 ", 120.0), ("1.5", 1.5)])
def test_retry_after_is_read_in_seconds(value: str, seconds: float) -> None:
    assert retry_after(httpx.Headers({"Retry-After": value})) == seconds


def test_retry_after_is_read_as_a_date_and_never_negative() -> None:
    ahead = retry_after({"retry-after": in_seconds(100)})
    assert ahead is not None
    assert 90 < ahead <= 100
    assert retry_after({"retry-after": in_seconds(-100)}) == 0.0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}) == 0.0


@pytest.mark.parametrize("value", ["", "-5", "soon", "nan", "inf", "Wed, 99 Foo 2015", "Mon, 1 Jan 99999 0:0:0 GMT"])
def test_retry_after_that_is_neither_is_none(value: str) -> None:
    assert retry_after({"retry-after": value}) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,5} [A-Z][a-z]{2} \d{1,12} \d+:\d+:\d+ [+-]?\w{0,30}"))
def test_any_retry_after_is_a_finite_number_of_seconds_or_none(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds < float("inf")


def test_an_error_that_is_not_retryable_has_no_retry_after() -> None:
    assert error_for(HttpResponse(403, {"Retry-After": "7"})).retry_after is None


# secure_url


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/services/T0/B0/x",
        "https://example.org",
        "HTTPS://example.org:8443/a?b=c",
        "https://[2001:db8::1]/",
        "https://bücher.example/",
        "http://127.0.0.1:8080/a",
        "http://127.9.9.9",
        "http://localhost/a",
        "http://api.localhost:3000",
        "http://[::1]:80/",
    ],
)
def test_an_https_url_or_a_loopback_one_is_taken(url: str) -> None:
    secure_url(None, None, url)
    secure_url(None, None, Secret(url))


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://example.org/", "loopback hosts alone"),
        ("http://localhost.example.org/", "loopback hosts alone"),
        ("http://127.0.0.1.example.org/", "loopback hosts alone"),
        ("http://10.0.0.1/", "loopback hosts alone"),
        ("http://2130706433/", "loopback hosts alone"),
        ("ftp://example.org/", "absolute https://"),
        ("file:///etc/passwd", "absolute https://"),
        ("//example.org/", "absolute https://"),
        ("example.org/hook", "absolute https://"),
        ("https://", "absolute https://"),
        ("https:///hook", "absolute https://"),
        ("", "absolute https://"),
        ("https://example.org/a b", "white space"),
        ("https://example.org/\r\nX: 1", "white space"),
        (" https://example.org/", "white space"),
        ("https://example.org/\0", "white space"),
        ("https://user:pw@example.org/", "no user or password"),
        ("https://user@example.org/", "no user or password"),
        ("https://example.org\\@evil.example/", "no user or password"),
        ("https://example.org/services/…", "percent-encoded"),
        ("https://example.org:port/", "not a URL"),
        ("https://example.org:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
    ],
)
def test_any_other_url_is_refused_with_the_reason_and_not_quoted(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as refused:
        secure_url(None, None, Secret(url))
    assert "example.org" not in str(refused.value)
