"""The contract: what each of the provider's answers means for the delivery (delivery.md section 1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import attrs
import pytest

from alert_core.errors import DeliveryError, RetryableDeliveryError
from alert_core.report import Outcome
from alert_core.testing.contract.base import Attempt, ContractBase
from alert_core.testing.replies import Fault, Reply
from alert_core.transport import Receipt

_RAISE: Final = {
    Outcome.PERMANENT: "raise PermanentDeliveryError",
    Outcome.RETRYABLE: "raise RetryableDeliveryError",
    Outcome.UNCERTAIN: "raise UncertainDeliveryError",
    Outcome.DELIVERED: "return a Receipt",
}
_EXPECTED: Final = {  # the reply's name: its status over HTTP, its outcome, and why
    "rejected": (0, Outcome.PERMANENT, "a 2xx is no yes where its body says no"),
    "bad_request": (400, Outcome.PERMANENT, "the same request would be refused again"),
    "unauthorized": (401, Outcome.PERMANENT, "a wrong credential stays wrong, and retrying it may lock the account"),
    "forbidden": (403, Outcome.PERMANENT, "what is not allowed now is not allowed in a second"),
    "not_found": (404, Outcome.PERMANENT, "the recipient or the endpoint does not exist"),
    "request_timeout": (408, Outcome.RETRYABLE, "the provider did not take the request"),
    "too_large": (413, Outcome.PERMANENT, "the same request would be too large again"),
    "rate_limited": (429, Outcome.RETRYABLE, "the provider did not take it yet; it asks to come back later"),
    "server_error": (500, Outcome.UNCERTAIN, "the provider may have worked on it before it failed"),
    "bad_gateway": (502, Outcome.UNCERTAIN, "what stands behind the gateway may have taken it"),
    "unavailable": (503, Outcome.RETRYABLE, "the provider says that it did not take the request"),
}


class Outcomes(ContractBase):
    """Answers, one by one."""

    def judge(self, name: str) -> None:
        """Answer with one of the replies by name, and compare the outcome."""
        status, expected, why = _EXPECTED[name]
        reply = self.reply(name, status)
        self.judge_reply(name, reply, reply.outcome or expected, why)

    def reply(self, name: str, status: int) -> Reply:
        """The provider's own reply of this name, or the bare status over HTTP; else the test is skipped."""
        reply: Reply | None = getattr(self.replies, name)
        if reply is not None:
            return reply
        if name == "rejected" or not self.speaks_http:
            pytest.skip(f"replies.{name} is not given: the provider is said to have no such answer")
        return Reply(status)

    def judge_reply(self, name: str, reply: Reply, expected: Outcome, why: str) -> Attempt:
        """Answer so, and compare the outcome."""
        server = self.serve(reply)
        done = self.attempt(self.connect(server))
        what = f"{'HTTP' if self.speaks_http else 'status'} {reply.status} (replies.{name})"
        if not server.received:
            self.fail(f"{what}: {done} before any request came ({done.error!s:.200})")
        where = "read_response" if reply.status // 100 == 2 else "read_error"  # noqa: PLR2004 - a 2xx
        self.compare(what, done, expected, why, where)
        return done

    def compare(self, what: str, done: Attempt, expected: Outcome, why: str, where: str = "send") -> None:
        """Fail unless the attempt ended so, and by an exception that is meant to say so."""
        where = where if self.speaks_http else "send"
        cure = f"{_RAISE[expected]} in {where}()"
        if done.error is not None and not isinstance(done.error, DeliveryError):
            self.fail(f"{what}: {done}, which is no DeliveryError ({done.error!s:.200}); {cure}")
        if done.outcome is not expected:
            self.fail(f"{what}: {done}; {why}, so the delivery is {expected} (delivery.md section 1): {cure}")
        if done.error is None and not isinstance(done.receipt, Receipt):
            self.fail(f"{what}: {done}; return a Receipt, with the provider's id where it gives one")

    def test_the_providers_yes_gives_a_receipt(self) -> None:
        """The receipt is a Receipt; its id is a str."""
        receipt = self.deliver(self.connect(self.serve()))
        if receipt.id is not None and not isinstance(receipt.id, str):
            self.fail(f"the receipt's id is {type(receipt.id).__name__}: make it a str in read_response()")

    def test_a_2xx_that_says_no_is_permanent(self) -> None:
        """Success is the provider's yes in the body, not the status alone."""
        self.judge("rejected")

    def test_a_redirect_is_permanent_and_never_followed(self) -> None:
        """A redirect would carry the credential and the alert to another address."""
        elsewhere = self.serve()
        reply = self.reply("redirect", 302)
        if not self.speaks_http:
            pytest.skip("only HTTP redirects")
        location = f"http://{elsewhere.host}:{elsewhere.port}/elsewhere"
        server = self.serve(attrs.evolve(reply, headers={**reply.headers, "Location": location}))
        done = self.attempt(self.connect(server))
        if elsewhere.received or len(server.received) > 1:
            self.fail("the redirect was followed, and took the credential along: switch redirects off in your client")
        self.compare(f"HTTP {reply.status}", done, Outcome.PERMANENT, "redirects are not followed", "read_error")

    def test_a_bad_request_is_permanent(self) -> None:
        """400."""
        self.judge("bad_request")

    def test_a_wrong_credential_is_permanent(self) -> None:
        """401."""
        self.judge("unauthorized")

    def test_a_forbidden_request_is_permanent(self) -> None:
        """403."""
        self.judge("forbidden")

    def test_an_unknown_recipient_or_endpoint_is_permanent(self) -> None:
        """404."""
        self.judge("not_found")

    def test_a_request_timeout_of_the_provider_is_retryable(self) -> None:
        """408."""
        self.judge("request_timeout")

    def test_a_too_large_request_is_permanent(self) -> None:
        """413."""
        self.judge("too_large")

    def test_a_rate_limit_is_retryable(self) -> None:
        """429 with no word on when."""
        self.judge("rate_limited")

    def test_retry_after_in_seconds_is_kept(self) -> None:
        """429 with Retry-After: 7."""
        done = self._limited("7")
        if done != 7:  # noqa: PLR2004 - the number that was sent
            self.fail(f"Retry-After: 7 gave retry_after = {done}; pass retry_after(response.headers) to the error")

    def test_retry_after_as_a_date_is_kept(self) -> None:
        """429 with Retry-After: an HTTP date, ninety seconds from now."""
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
        done = self._limited(date)
        if done is None or not 60 <= done <= 91:  # noqa: PLR2004 - ninety, less what a slow machine takes
            self.fail(
                f"Retry-After with a date in 90 s gave retry_after = {done}; Retry-After has seconds or a date "
                "(RFC 9110 section 10.2.3): pass retry_after(response.headers) to the error"
            )

    def test_a_server_error_is_uncertain(self) -> None:
        """500."""
        self.judge("server_error")

    def test_a_bad_gateway_is_uncertain(self) -> None:
        """502."""
        self.judge("bad_gateway")

    def test_an_unavailable_provider_is_retryable(self) -> None:
        """503."""
        self.judge("unavailable")

    def test_the_providers_other_replies_have_their_outcomes(self) -> None:
        """Each of replies.others, told at once."""
        if not self.replies.others:
            pytest.skip("replies.others has none")
        wrong = []
        for name, reply in self.replies.others.items():
            if reply.outcome is None:
                self.fail(f"replies.others[{name!r}] has no outcome: give it one")
            try:
                self.judge_reply(f"others[{name!r}]", reply, reply.outcome, "the provider's page says so")
            except pytest.fail.Exception as failure:
                wrong.append(str(failure))
        if wrong:
            self.fail("\n".join(wrong))

    def test_a_2xx_with_garbage_in_its_body_is_uncertain(self) -> None:
        """A proxy's page with status 200 is no yes, and no no."""
        self._need_a_body()
        reply = attrs.evolve(self.replies.ok, json=None, text=None, content=b"<html>\xff\xfe{]")
        self.judge_reply("ok, its body replaced by garbage", reply, Outcome.UNCERTAIN, "nobody knows what it says")

    def test_a_2xx_with_an_empty_body_is_uncertain(self) -> None:
        """Where the provider's yes has a body, none is no yes."""
        self._need_a_body()
        reply = attrs.evolve(self.replies.ok, json=None, text=None, content=b"")
        self.judge_reply("ok, its body left out", reply, Outcome.UNCERTAIN, "the provider's own yes is missing")

    def test_a_truncated_answer_is_uncertain(self) -> None:
        """The connection ended within the answer."""
        reply = attrs.evolve(self.replies.ok, fault=Fault.TRUNCATE)
        self.judge_reply("ok, cut short", reply, Outcome.UNCERTAIN, "the alert may have arrived")

    def test_an_answer_of_another_protocol_is_uncertain(self) -> None:
        """Something answers, but not as the provider does."""
        reply = attrs.evolve(self.replies.ok, fault=Fault.GARBAGE)
        self.judge_reply("ok, as garbage", reply, Outcome.UNCERTAIN, "the request went out, to whatever it was")

    def _need_a_body(self) -> None:
        if not self.speaks_http:
            pytest.skip("only HTTP answers have a body")
        if not self.replies.ok.body:
            pytest.skip("the provider's yes has no body: its status alone is the yes")

    def _limited(self, value: str) -> float | None:
        if not self.speaks_http:
            pytest.skip("only HTTP has Retry-After")
        reply = self.reply("rate_limited", 429).having(retry_after=value)
        done = self.attempt(self.connect(self.serve(reply)))
        if not isinstance(done.error, RetryableDeliveryError):
            self.fail(
                f"HTTP {reply.status} with Retry-After: {value}: {done}; Retry-After has seconds or a date (RFC 9110 "
                "section 10.2.3): raise RetryableDeliveryError with retry_after(response.headers) in read_error()"
            )
        return done.error.retry_after
