"""A target that stands for several: each child gets one attempt, until one delivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alert_core.alert import Severity
from alert_core.clock import Clock
from alert_core.errors import DeliveryError, PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
from alert_core.jobs import Job
from alert_core.lanes import Lane
from alert_core.report import DeliveryReport, Outcome, Ticket
from alert_core.retry import RetryPolicy
from alert_core.transport import Receipt

_ONCE: Final = RetryPolicy(attempts=1)
_WORST: Final = (UncertainDeliveryError, RetryableDeliveryError)


class Failover:
    """What its lane calls in a transport's place. Its children's attempts run in their own lanes."""

    kind = "failover"
    concurrency = 16  # its workers wait for other lanes

    def __init__(
        self,
        name: str,
        children: Sequence[str],
        lanes: Mapping[str, Lane],
        *,
        deadline: float,
        min_severity: Severity,
        retry: RetryPolicy | None,
        clock: Clock,
    ) -> None:
        self.name = name
        self.min_severity = min_severity
        self.retry = retry
        self._children = children
        self._lanes = lanes
        self._clock = clock
        self.timeout = deadline

    def attempt(self, job: Job) -> Receipt:
        """One pass over the children, each with its share of the time left.

        Raises:
            DeliveryError: none of them delivered; uncertain if any may have, else retryable if any can be retried.
        """
        ends = self._clock.monotonic() + self.timeout if job.deadline is None else job.deadline
        failures: list[tuple[str, DeliveryError]] = []
        for position, child in enumerate(self._children):
            budget = max(ends - self._clock.monotonic(), 0.0) / (len(self._children) - position)
            report = self._try(child, job, budget)
            if report.ok:
                receipt = next((d.receipt for d in report.deliveries if d.receipt), None) or Receipt()
                return Receipt(receipt.id, receipt.recipient, {**receipt.detail, "via": child})
            failures += report.failed.items()
        text = "; ".join(f"{child}: {error}" for child, error in failures)
        for kind in _WORST:
            if any(isinstance(error, kind) for _, error in failures):
                raise kind(f"no child delivered ({text})")
        raise PermanentDeliveryError(f"no child delivered ({text})")

    def _try(self, child: str, job: Job, budget: float) -> DeliveryReport:
        """One attempt of one child, to those of its recipients that have not got the alert by an earlier one."""
        lane = self._lanes[child]
        now = self._clock.monotonic()
        ticket = Ticket(job.alert.id, clock=self._clock, on_finished=lambda _: None)
        jobs = [
            Job(
                alert=job.alert,
                told=job.told,
                lane=lane,
                ticket=ticket,
                index=index,
                recipient=recipient,
                began=now,
                deadline=now + budget,
                retry=_ONCE,
                budget=budget,
            )
            for index, recipient in enumerate(r for r in lane.settings.recipients if (child, r) not in job.arrived)
        ]
        ticket.open(jobs)
        for part in jobs:
            lane.put(part)
        ticket.wait(budget)
        report = ticket.freeze()
        job.arrived |= {(child, d.recipient) for d in report.deliveries if d.outcome is Outcome.DELIVERED}
        return report
