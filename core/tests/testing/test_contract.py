"""The contract passes a good transport, and each bad one fails the tests that are meant for it, and no other."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.once

# The bad transport: each test that must fail, and words of its message that say how to mend the transport.
BAD: dict[str, dict[str, str]] = {
    "AcceptsPlainHttp": {"test_plain_http_is_refused_but_for_loopback": "give it validator=secure_url"},
    "BelievesAny2xx": {
        "test_a_2xx_that_says_no_is_permanent": "raise PermanentDeliveryError in read_response()",
        "test_a_2xx_with_an_empty_body_is_uncertain": "raise UncertainDeliveryError in read_response()",
        "test_a_2xx_with_garbage_in_its_body_is_uncertain": "raise UncertainDeliveryError in read_response()",
        "test_the_providers_other_replies_have_their_outcomes": "raise RetryableDeliveryError in read_response()",
    },
    "BoundsEachRead": {
        "test_a_body_that_drips_is_bounded_by_the_timeout": "not each read",
        "test_an_answer_that_drips_is_bounded_by_the_timeout": "not each read",
    },
    "ChangesTheAlert": {"test_the_alert_is_left_as_it_was": "copy what you change"},
    "DiesWhenClosed": {"test_a_send_after_close_connects_again": "though the provider said yes"},
    "FollowsRedirects": {"test_a_redirect_is_permanent_and_never_followed": "switch redirects off"},
    "Hangs": dict.fromkeys(
        (
            "test_a_body_that_drips_is_bounded_by_the_timeout",
            "test_a_connect_timeout_is_retryable",
            "test_a_provider_that_never_reads_fails_within_the_timeout",
            "test_a_read_timeout_is_uncertain",
            "test_an_answer_that_drips_is_bounded_by_the_timeout",
        ),
        "bound the attempt as a whole by time_left()",
    ),
    "Heavy": {"test_loading_the_plugin_imports_nothing_heavy": "give TransportSpec an import string"},
    "HidesResolves": {"test_a_resolve_is_delivered": "show alert.status"},
    "LeaksInCause": {"test_the_credential_is_not_in_an_error": "raise it `from None`"},
    "LeaksInError": {"test_the_credential_is_not_in_an_error": "leave URL, headers and options out of its text"},
    "LogsItsToken": {"test_the_credential_is_not_in_the_logs": "logger 'samples' wrote the credential"},
    "LosesRetryAfter": {
        "test_retry_after_in_seconds_is_kept": "pass retry_after(response.headers) to the error",
        "test_retry_after_as_a_date_is_kept": "pass retry_after(response.headers) to the error",
    },
    "MakesNewKeys": {"test_a_retry_repeats_the_first_request": "make keys and times out of"},
    "NeverCuts": {"test_a_long_alert_is_cut_to_the_providers_limit": "cut it with alert_core.text.truncate()"},
    "NotThreadSafe": {"test_eight_threads_at_once_each_deliver_their_own_alert": "in local variables"},
    "PlainToken": {"test_options_that_hold_a_credential_are_secrets": "annotate it `token: Secret`"},
    "PrintsItsToken": {"test_the_credential_is_not_printed": "print nothing"},
    "QuotesItsToken": {"test_a_credential_is_in_no_fault_of_the_configuration": "say what is wrong without it"},
    "RaisesAnything": {"test_a_server_error_is_uncertain": "raise UncertainDeliveryError"},
    "ReadsSecondsOnly": {"test_retry_after_as_a_date_is_kept": "has seconds or a date"},
    "RepeatsItself": {"test_one_attempt_is_one_request": "leave retries to the dispatcher"},
    "RetriesWrongCredentials": {
        "test_a_wrong_credential_is_permanent": "so the delivery is permanent (delivery.md section 1): "
        "raise PermanentDeliveryError in read_error()"
    },
    "SendsItsTokenTwice": {
        "test_the_credential_is_on_the_wire_only_where_the_api_asks_for_it": "in the request's body:debug: take it out"
    },
    "SendsMarkup": {"test_markup_in_an_alert_is_not_live": "escape every text that goes in"},
    "SendsNothingVisible": {
        "test_an_alert_of_nothing_visible_is_taken": "would refuse this request: title is required"
    },
    "SharesItsAddress": {"test_two_instances_share_nothing": "keep what belongs to an instance on self"},
    "ShowsItsToken": {"test_the_credential_is_not_in_the_repr": "leave __repr__ to Transport"},
    "Swallows429": {
        "test_a_rate_limit_is_retryable": "raise RetryableDeliveryError in read_error()",
        "test_retry_after_as_a_date_is_kept": "raise RetryableDeliveryError with retry_after(response.headers)",
        "test_retry_after_in_seconds_is_kept": "raise RetryableDeliveryError with retry_after(response.headers)",
    },
    "TakesFalseForTrue": {
        "test_a_2xx_that_says_no_is_permanent": "raise PermanentDeliveryError in read_response()",
        "test_the_providers_other_replies_have_their_outcomes": "raise RetryableDeliveryError in read_response()",
    },
    "TrustsEveryone": {
        "test_a_certificate_of_an_unknown_authority_is_refused": "leave verification on",
        "test_a_certificate_for_another_host_is_refused": "leave verification on",
    },
    "UsesItsParentsConnection": {"test_it_works_after_a_fork": "drop it in _forget()"},
}


def test_the_contract_has_at_least_thirty_tests_and_a_good_transport_passes_them_all(contracts: Any) -> None:
    good = contracts["TestGood"]
    assert (good.failed, good.skipped) == ({}, {})
    assert len(good.passed) >= 30


@pytest.mark.parametrize("name", BAD)
def test_a_bad_transport_fails_the_tests_meant_for_it_and_no_other(name: str, contracts: Any) -> None:
    assert set(contracts[f"Test{name}"].failed) == set(BAD[name])


@pytest.mark.parametrize("name", BAD)
def test_each_failure_says_how_to_mend_the_transport(name: str, contracts: Any) -> None:
    failed = contracts[f"Test{name}"].failed
    assert {test: words for test, words in BAD[name].items() if words not in failed.get(test, "")} == {}


def test_every_sample_is_expected_to_fail_somewhere(contracts: Any) -> None:
    assert {name.removeprefix("Test") for name in contracts} == {"Good", "Lines", *BAD}


def test_a_transport_of_another_protocol_passes_what_is_not_of_http(contracts: Any) -> None:
    lines = contracts["TestLines"]
    assert lines.failed == {}
    assert len(lines.passed) >= 40
    assert all(reason for reason in lines.skipped.values())
