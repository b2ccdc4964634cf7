"""The contract: what becomes of a delivery when the network, not the provider, says no."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from alert_core.errors import RetryableDeliveryError
from alert_core.report import Outcome
from alert_core.testing.contract.base import GRACE, SHORT
from alert_core.testing.contract.outcomes import Outcomes
from alert_core.testing.replies import Fault
from alert_core.testing.standin import HOST, refusing_port, silent_port

_MAY_HAVE: Final = "the request went out, so the alert may have arrived"
_NOT_SENT: Final = "nothing was sent, so the alert surely did not arrive"
_DRIPPING: Final = 1.0  # seconds: of a timeout that a provider which drips outlasts, on a busy machine too


class Network(Outcomes):
    """Faults below the protocol, over real sockets."""

    def test_a_refused_connection_is_retryable(self) -> None:
        """Nothing listens."""
        self.need_network()
        port = self.enter(refusing_port())
        done = self.attempt(self.instance(HOST, port))
        self.compare("connection refused", done, Outcome.RETRYABLE, _NOT_SENT)

    def test_a_connect_timeout_is_retryable(self) -> None:
        """Nobody takes the connection."""
        self.need_network()
        port = self.enter(silent_port())
        done = self.attempt(self.instance(HOST, port, timeout=SHORT))
        self.compare("connect timeout", done, Outcome.RETRYABLE, _NOT_SENT)

    def test_a_read_timeout_is_uncertain(self) -> None:
        """The provider takes the request and never answers."""
        self._faulty(Fault.HANG, _MAY_HAVE)

    def test_a_provider_that_never_reads_fails_within_the_timeout(self) -> None:
        """The connection is taken, and nothing read."""
        self._faulty(Fault.HANG_BEFORE, "it ends within its timeout", received=False)

    def test_a_reset_before_the_request_is_no_delivery_and_no_refusal(self) -> None:
        """Whether bytes had gone out is not for every client to know: retryable or uncertain."""
        self._faulty(Fault.RESET_BEFORE, "the provider did not refuse it", received=False)

    def test_a_reset_after_the_request_is_uncertain(self) -> None:
        """The connection is lost once the request is read."""
        self._faulty(Fault.RESET, _MAY_HAVE)

    def test_an_answer_that_drips_is_bounded_by_the_timeout(self) -> None:
        """Each read gets a byte in time; the whole never ends."""
        self._faulty(Fault.DRIP_HEAD, _MAY_HAVE, timeout=_DRIPPING)

    def test_a_body_that_drips_is_bounded_by_the_timeout(self) -> None:
        """The same, after a complete head with the status of a yes."""
        if not self.speaks_http:
            pytest.skip("only HTTP answers have a body")
        self._faulty(Fault.DRIP_BODY, _MAY_HAVE, timeout=_DRIPPING)

    def test_a_body_without_end_is_not_read_without_end(self) -> None:
        """As fast as it comes: bounded by its size or by the timeout."""
        if not self.speaks_http:
            pytest.skip("only HTTP answers have a body")
        self._faulty(Fault.ENDLESS, _MAY_HAVE)

    def test_a_certificate_of_a_trusted_authority_is_accepted(self) -> None:
        """The way that the next two tests go wrong, going right."""
        self.need_network()
        context, bundle = self.authority("localhost", HOST)
        server = self.serve(tls=context)
        self.deliver(self.instance(server.host, server.port, bundle))
        if not server.received:
            self.fail("nothing arrived over TLS")

    def test_a_certificate_of_an_unknown_authority_is_refused(self) -> None:
        """Self-signed, as far as the transport can tell."""
        self._distrusted("localhost", HOST, trusted=False)

    def test_a_certificate_for_another_host_is_refused(self) -> None:
        """Signed by whom we trust, for somebody else."""
        self._distrusted("somebody-else.example", trusted=True)

    def _faulty(self, fault: Fault, why: str, *, received: bool = True, timeout: float = SHORT) -> None:
        server = self.serve(attrs.evolve(self.replies.ok, fault=fault))
        done = self.attempt(self.connect(server, timeout=timeout))
        what = f"provider told to {fault.value}"
        if received or not isinstance(done.error, RetryableDeliveryError):
            self.compare(what, done, Outcome.UNCERTAIN, why)
        if received and not server.wait(timeout=GRACE):
            self.fail(f"{what}: {done} before any request came ({done.error!s:.200})")

    def _distrusted(self, *names: str, trusted: bool) -> None:
        self.need_network()
        context, bundle = self.authority(*names)
        if not trusted:
            _, bundle = self.authority(*names)
        server = self.serve(tls=context)
        done = self.attempt(self.instance(server.host, server.port, bundle))
        if server.received:
            self.fail("the request went to a server whose certificate does not verify: leave verification on")
        why = "it will not verify in a second either"
        self.compare("a certificate that does not verify", done, Outcome.PERMANENT, why)
