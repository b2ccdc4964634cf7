"""The dispatcher: what `send()` promises of targets, routes, processors and reports."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Self

import pytest

from alert_core import (
    Alert,
    AlertError,
    ConfigError,
    Dispatcher,
    PermanentDeliveryError,
    ProcessorSpec,
    QueueFull,
    Receipt,
    Redactor,
    RetryableDeliveryError,
    RetryPolicy,
    Route,
    UncertainDeliveryError,
    hookimpl,
)
from alert_core.plugins import Plugins
from alert_core.transport import Transport, option

if TYPE_CHECKING:
    from collections.abc import Callable

    from alert_core import DeliveryError, DeliveryReport

NOTHING_INSTALLED = Plugins()
AT_ONCE = RetryPolicy(attempts=3, initial=1e-6, maximum=1e-6)


class Fake:
    """Any object with `name` and `send(alert)` is a transport."""

    def __init__(self, name: str, answer: Callable[[Alert], object] = lambda _: None) -> None:
        self.name = name
        self.answer = answer
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> object:
        self.alerts.append(alert)
        return self.answer(alert)


def raising(*errors: BaseException | None) -> Callable[[Alert], object]:
    """Raise each of the errors in turn, the last for ever; None is a success."""
    left = list(errors)

    def answer(_: Alert) -> object:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error
        return None

    return answer


def dispatcher(*targets: object, **arguments: Any) -> Dispatcher:
    arguments = {"plugins": NOTHING_INSTALLED, "retry": AT_ONCE, **arguments}
    return Dispatcher(list(targets), **arguments)


def alert(title: str = "Disk full", **fields: Any) -> Alert:
    return Alert(title, "/var is at 98 %", **fields)


def only(report: DeliveryReport) -> Any:
    (delivery,) = report.deliveries
    return delivery


def test_every_target_gets_the_alert_and_the_report_names_them_in_order() -> None:
    first, second = Fake("first"), Fake("second")
    with dispatcher(first, second) as d:
        report = d.send(alert())
    assert report.ok
    assert report.sent == ("first", "second")
    assert first.alerts[0].title == second.alerts[0].title == "Disk full"


def test_the_providers_id_is_in_the_report() -> None:
    with dispatcher(Fake("a", lambda _: Receipt(id="m-1", detail={"channel": "C1"}))) as d:
        receipt = only(d.send(alert())).receipt
    assert (receipt.id, receipt.detail) == ("m-1", {"channel": "C1"})


def test_a_mapping_names_its_targets_and_a_transport_learns_its_name() -> None:
    class Pager(Transport):
        kind = "pager"

        def send(self, alert: Alert) -> Receipt:
            return Receipt(id=self.name)

    with Dispatcher({"night": Pager(), "day": Pager(name="own")}, plugins=NOTHING_INSTALLED) as d:
        report = d.send(alert())
    assert [(x.target, x.kind, x.receipt.id) for x in report.deliveries if x.receipt] == [
        ("night", "pager", "night"),
        ("day", "pager", "own"),
    ]


def test_two_targets_of_one_name_an_object_without_send_and_one_without_name_are_told_together() -> None:
    class Nameless:
        def send(self, alert: Alert) -> None: ...

    with pytest.raises(ConfigError) as caught:
        dispatcher(Fake("ops"), Fake("ops"), Nameless(), type("Mute", (), {"name": "mute"})())
    assert [fault.path for fault in caught.value.faults] == ["targets.ops", "targets", "targets.mute"]


def test_named_targets_bypass_the_routes() -> None:
    a, b = Fake("a"), Fake("b")
    with dispatcher(a, b, routes=[Route(["a"])]) as d:
        assert d.send(alert()).sent == ("a",)
        assert d.send(alert(), targets=["b"]).sent == ("b",)


def test_a_name_that_does_not_exist_is_an_error_and_sends_nothing() -> None:
    a = Fake("ops-slack")
    with dispatcher(a) as d, pytest.raises(ConfigError, match="ops-slack"):
        d.send(alert(), targets=["ops-slack", "ops-slac"])
    assert a.alerts == []


def test_only_an_alert_can_be_sent() -> None:
    with dispatcher(Fake("a")) as d, pytest.raises(TypeError, match="Alert"):
        d.send("Disk full")  # type: ignore[arg-type]


def test_below_its_min_severity_a_target_gets_nothing_unless_it_is_named() -> None:
    class Loud(Fake):
        min_severity = "error"

    quiet, loud = Fake("quiet"), Loud("loud")
    with dispatcher(quiet, loud) as d:
        assert d.send(alert(severity="warning")).sent == ("quiet",)
        assert d.send(alert(severity="error")).sent == ("quiet", "loud")
        assert d.send(alert(severity="info"), targets=["loud"]).sent == ("loud",)


def test_an_alert_below_every_min_severity_is_dropped_and_counted() -> None:
    class Loud(Fake):
        min_severity = "error"

    with dispatcher(Loud("loud")) as d:
        report = d.send(alert(severity="info"))
        assert (report.ok, report.deliveries, report.dropped) == (True, (), "min_severity")
        assert d.drops == {"min_severity": 1}


def test_a_route_without_targets_is_a_silence_that_shows() -> None:
    routes = [Route([], match={"source": "noise"}, name="noise"), Route(["a"])]
    with dispatcher(Fake("a"), routes=routes) as d:
        report = d.send(alert(source="noise"))
        assert (report.ok, report.dropped) == (True, "silenced: noise")
        assert d.drops == {"silenced": 1}


def test_routes_that_do_not_end_in_one_for_everything_are_a_fault() -> None:
    with pytest.raises(ConfigError, match="last route must match every alert"):
        dispatcher(Fake("a"), routes=[Route(["a"], match={"severity": "critical"})])


class TestRetries:
    def test_a_retryable_failure_is_tried_again(self) -> None:
        a = Fake("a", raising(RetryableDeliveryError("busy"), None))
        with dispatcher(a) as d:
            delivery = only(d.send(alert()))
        assert (delivery.outcome, delivery.attempts) == ("delivered", 2)

    def test_only_what_failed_is_tried_again(self) -> None:
        good, bad = Fake("good"), Fake("bad", raising(RetryableDeliveryError("busy"), None))
        with dispatcher(good, bad) as d:
            assert d.send(alert()).sent == ("good", "bad")
        assert (len(good.alerts), len(bad.alerts)) == (1, 2)

    def test_a_permanent_failure_is_not(self) -> None:
        a = Fake("a", raising(PermanentDeliveryError("401", status=401, code="invalid_auth")))
        with dispatcher(a) as d:
            delivery = only(d.send(alert()))
        assert (delivery.outcome, delivery.attempts) == ("permanent", 1)
        assert (delivery.error.status, delivery.error.code) == (401, "invalid_auth")

    @pytest.mark.parametrize(("again", "attempts"), [(True, 3), (False, 1)])
    def test_an_uncertain_one_is_as_the_policy_says(self, again: bool, attempts: int) -> None:
        a = Fake("a", raising(UncertainDeliveryError("timeout")))
        policy = RetryPolicy(attempts=3, initial=1e-6, maximum=1e-6, retry_uncertain=again)
        with dispatcher(a, retry=policy) as d:
            delivery = only(d.send(alert()))
        assert (delivery.outcome, delivery.attempts) == ("uncertain", attempts)

    def test_a_targets_own_policy_comes_first(self) -> None:
        class Once(Fake):
            retry = RetryPolicy(attempts=1)

        with dispatcher(Once("a", raising(RetryableDeliveryError("busy")))) as d:
            assert only(d.send(alert())).attempts == 1

    def test_a_retry_that_would_pass_the_deadline_is_not_waited_for(self) -> None:
        a = Fake("a", raising(RetryableDeliveryError("busy", retry_after=29)))
        with dispatcher(a, deadline=20, retry=RetryPolicy()) as d:
            delivery = only(d.send(alert()))
        assert (delivery.outcome, delivery.attempts) == ("retryable", 1)
        assert delivery.elapsed < 15


class TestExceptions:
    @pytest.mark.parametrize(
        ("raised", "outcome"),
        [
            (ValueError("secret-text"), "uncertain"),
            (OSError("secret-text"), "uncertain"),
            (SystemExit("secret-text"), "uncertain"),
            (TypeError("secret-text"), "permanent"),
            (AttributeError("secret-text"), "permanent"),
            (NotImplementedError("secret-text"), "permanent"),
        ],
    )
    def test_one_that_is_no_delivery_error_shows_its_class_alone(self, raised: BaseException, outcome: str) -> None:
        with dispatcher(Fake("a", raising(raised)), retry=RetryPolicy(attempts=1)) as d:
            delivery = only(d.send(alert()))
        assert (delivery.outcome, str(delivery.error)) == (outcome, type(raised).__name__)

    def test_a_delivery_error_is_replaced_by_a_masked_one_of_its_class(self) -> None:
        class OutOfPaperError(PermanentDeliveryError):
            pass

        def answer(_: Alert) -> None:
            raise OutOfPaperError("password=hunter2hunter2") from ValueError("hunter2hunter2")

        with dispatcher(Fake("a", answer)) as d:
            error = only(d.send(alert())).error
        assert type(error) is OutOfPaperError
        assert (error.__cause__, error.__context__, error.__traceback__) == (None, None, None)
        assert "hunter2" not in "".join(traceback.format_exception(error))

    def test_an_error_whose_text_or_constructor_fails_is_reported_all_the_same(self) -> None:
        class HostileError(PermanentDeliveryError):
            def __new__(cls, *_: object, needed: int) -> Self:
                return super().__new__(cls)

            def __init__(self, *, needed: int) -> None:
                self.needed = needed

            def __str__(self) -> str:
                raise RuntimeError

        with dispatcher(Fake("a", raising(HostileError(needed=1)))) as d:
            delivery = only(d.send(alert()))
        assert delivery.outcome == "permanent"

    def test_a_receipt_of_odd_values_is_a_yes_all_the_same(self) -> None:
        odd = Receipt(id=7, detail=object())  # type: ignore[arg-type]
        with dispatcher(Fake("a", lambda _: odd)) as d:
            delivery = only(d.send(alert()))
        assert (delivery.outcome, delivery.receipt.id, delivery.receipt.detail) == ("delivered", "7", {})

    def test_raise_for_failures_raises_the_one_error_or_one_that_has_all(self) -> None:
        bad = raising(PermanentDeliveryError("no"))
        with dispatcher(Fake("a", bad), Fake("b")) as d, pytest.raises(PermanentDeliveryError, match="no"):
            d.send(alert()).raise_for_failures()
        with dispatcher(Fake("a", bad), Fake("b", bad)) as d, pytest.raises(AlertError) as caught:
            d.send(alert()).raise_for_failures()
        errors: tuple[DeliveryError, ...] = caught.value.errors  # type: ignore[attr-defined]
        assert [str(error) for error in errors] == ["no", "no"]


class TestProcessors:
    def test_they_change_the_alert_in_their_order_and_its_id_stays(self) -> None:
        def tag(name: str) -> Callable[[Alert], Alert]:
            return lambda given: given.evolve(tags=(*given.tags, name))

        a, sent = Fake("a"), alert()
        processors = [ProcessorSpec("second", tag("2"), 2), ProcessorSpec("first", tag("1"), 1)]
        with dispatcher(a, processors=processors) as d:
            report = d.send(sent)
        assert a.alerts[0].tags == ("1", "2")
        assert a.alerts[0].id == report.alert_id == sent.id

    def test_none_drops_the_alert_with_its_reason_and_a_count(self) -> None:
        def quiet(_: Alert) -> None:
            return None

        a = Fake("a")
        with dispatcher(a, processors=[quiet]) as d:
            report = d.send(alert())
            assert (report.ok, report.dropped, a.alerts) == (True, "processor: quiet", [])
            assert d.drops == {"processor": 1}

    @pytest.mark.parametrize("result", [ZeroDivisionError(), "no alert"])
    def test_one_that_fails_is_skipped_and_logged(self, result: object, caplog: pytest.LogCaptureFixture) -> None:
        def broken(_: Alert) -> Any:
            if isinstance(result, Exception):
                raise result
            return result

        with dispatcher(Fake("a"), processors=[broken]) as d:
            assert d.send(alert()).sent == ("a",)
        assert "broken" in caplog.text

    def test_what_a_processor_adds_is_masked(self) -> None:
        a = Fake("a")
        with dispatcher(a, processors=[lambda x: x.evolve(metadata={"password": "hunter2hunter2"})]) as d:
            d.send(alert())
        assert a.alerts[0].metadata == {"password": "[REDACTED]"}

    def test_defaults_come_before_the_processors_and_the_dedup_key_follows_them(self) -> None:
        seen: list[Alert] = []
        defaults = {"source": "billing", "tags": ("eu",), "metadata": {"region": "eu", "host": "?"}}
        with dispatcher(
            Fake("a"),
            defaults=defaults,
            processors=[lambda x: (seen.append(x), x)[1]],  # type: ignore[func-returns-value]
        ) as d:
            d.send(alert(metadata={"host": "db1"}))
            d.send(alert(source="shop", tags=["us"], dedup_key="mine"))
        assert (seen[0].source, seen[0].tags) == ("billing", ("eu",))
        assert seen[0].metadata == {"region": "eu", "host": "db1"}
        assert seen[0].dedup_key == alert(source="billing", tags=["eu"]).dedup_key
        assert (seen[1].source, seen[1].tags, seen[1].dedup_key) == ("shop", ("us",), "mine")


class TestMasking:
    def test_the_dispatchers_own_redactor_runs_too(self) -> None:
        a = Fake("a")
        with dispatcher(a, redactor=Redactor(extra_keys=["iban"])) as d:
            d.send(alert(metadata={"iban": "AO06004400006729503010102"}))
        assert a.alerts[0].metadata == {"iban": "[REDACTED]"}

    def test_an_unmasked_alert_is_masked_unless_that_is_allowed(self) -> None:
        a, given = Fake("a"), alert(metadata={"password": "hunter2hunter2"}, redact=False)
        with dispatcher(a) as d:
            d.send(given)
        with dispatcher(a, allow_unmasked=True) as d:
            d.send(given)
        assert [x.metadata["password"] for x in a.alerts] == ["[REDACTED]", "hunter2hunter2"]


class TestRecipients:
    class Pager(Transport):
        kind = "pager"
        recipients_option = "to"
        to: tuple[str, ...] = option()

        def __attrs_post_init__(self) -> None:
            super().__attrs_post_init__()
            self.calls: list[str] = []

        def send(self, alert: Alert, recipient: str = "") -> Receipt:
            self.calls.append(recipient)
            if recipient == "+2" and self.calls.count("+2") == 1:
                raise RetryableDeliveryError("busy")
            if recipient == "+3":
                raise PermanentDeliveryError("unknown number")
            return Receipt(id=f"to {recipient}")

    def test_each_gets_a_delivery_of_its_own_and_a_retry_goes_to_those_who_did_not_get_it(self) -> None:
        pager = self.Pager(to=("+1", "+2"))
        with dispatcher(pager) as d:
            report = d.send(alert())
        assert report.sent == ("pager",)
        assert [(x.recipient, x.attempts, x.receipt.id) for x in report.deliveries if x.receipt] == [
            ("+1", 1, "to +1"),
            ("+2", 2, "to +2"),
        ]
        assert sorted(pager.calls) == ["+1", "+2", "+2"]

    def test_a_target_with_one_failed_recipient_has_failed(self) -> None:
        with dispatcher(self.Pager(to=("+1", "+3"))) as d:
            report = d.send(alert())
        assert (report.ok, report.sent, tuple(report.failed)) == (False, (), ("pager",))


class TestObservers:
    def test_they_hear_of_every_attempt_and_once_of_the_dispatch(self) -> None:
        events: list[object] = []

        class Watch:
            @hookimpl
            def alert_delivery_started(self, target: str, attempt: int) -> None:
                events.append(("started", target, attempt))

            @hookimpl
            def alert_delivery_failed(self, attempt: int, error: Exception, will_retry: bool) -> None:
                events.append(("failed", attempt, str(error), will_retry))

            @hookimpl
            def alert_delivery_succeeded(self, attempt: int, receipt: Receipt) -> None:
                events.append(("succeeded", attempt, receipt.id))

            @hookimpl
            def alert_dispatch_finished(self, report: DeliveryReport) -> None:
                events.append(("finished", report.ok))

        answers = [RetryableDeliveryError("busy"), Receipt(id="m1")]

        def answer(_: Alert) -> object:
            given = answers.pop(0)
            if isinstance(given, Exception):
                raise given
            return given

        with dispatcher(Fake("a", answer), plugins=Plugins([Watch()])) as d:
            d.send(alert())
        assert events == [
            ("started", "a", 1),
            ("failed", 1, "busy", True),
            ("started", "a", 2),
            ("succeeded", 2, "m1"),
            ("finished", True),
        ]

    def test_they_hear_of_what_is_dropped(self) -> None:
        drops: list[tuple[str, str, str]] = []

        class Watch:
            @hookimpl
            def alert_dropped(self, alert: Alert, reason: str, dropped_by: str) -> None:
                drops.append((alert.title, reason, dropped_by))

        def quiet(_: Alert) -> None:
            return None

        with dispatcher(Fake("a"), processors=[quiet], plugins=Plugins([Watch()])) as d:
            d.send(alert())
        assert drops == [("Disk full", "processor", "quiet")]

    def test_one_that_raises_changes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken:
            @hookimpl
            def alert_delivery_started(self) -> None:
                raise ZeroDivisionError("hunter2hunter2")

        with dispatcher(Fake("a"), plugins=Plugins([Broken()])) as d:
            assert d.send(alert()).sent == ("a",)
        assert "ZeroDivisionError" in caplog.text
        assert "hunter2" not in caplog.text

    def test_they_see_the_masked_alert_only(self) -> None:
        seen: list[Alert] = []

        class Watch:
            @hookimpl
            def alert_delivery_started(self, alert: Alert) -> None:
                seen.append(alert)

            @hookimpl
            def alert_dispatch_finished(self, alert: Alert) -> None:
                seen.append(alert)

        with dispatcher(Fake("a"), plugins=Plugins([Watch()])) as d:
            d.send(alert(metadata={"password": "hunter2hunter2"}, redact=False))
        assert [x.metadata for x in seen] == [{"password": "[REDACTED]"}] * 2


def test_enqueue_returns_a_ticket_whose_report_shows_open_deliveries_as_queued() -> None:
    import threading

    go = threading.Event()
    with dispatcher(Fake("a", lambda _: go.wait(30))) as d:
        ticket = d.enqueue(alert())
        assert ticket.report(timeout=0).queued == ("a",)
        assert ticket.wait(0) is False
        go.set()
        assert ticket.wait(30) is True
        assert ticket.report().sent == ("a",)


def test_enqueue_into_full_lanes_raises_and_send_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr("alert_core.lanes.CAPACITY", 2)
    go = threading.Event()
    with dispatcher(Fake("a", lambda _: go.wait(30))) as d:
        d.enqueue(alert())
        d.enqueue(alert())
        with pytest.raises(QueueFull):
            d.enqueue(alert())
        delivery = only(d.send(alert()))
        assert (delivery.outcome, delivery.attempts) == ("dropped", 0)
        assert d.drops == {"queue_full": 2}
        go.set()


class TestForeignObjects:
    """What a transport is, has and raises is anybody's code: it costs no other target anything."""

    @pytest.mark.parametrize(
        ("options", "path"),
        [
            ({"timeout": None}, "targets.a.timeout"),
            ({"concurrency": "x"}, "targets.a.concurrency"),
            ({"rate": "often"}, "targets.a.rate"),
            ({"min_severity": "bogus"}, "targets.a.min_severity"),
            ({"retry": {"attemps": 2}}, "targets.a.retry"),
            ({"recipients_option": "to", "to": None}, "targets.a.recipients_option"),
            ({"recipients_option": "to", "to": "+1"}, "targets.a.recipients_option"),
            ({"recipients_option": "to", "to": ()}, "targets.a.recipients_option"),
        ],
    )
    def test_an_option_of_a_wrong_form_is_a_fault_with_its_path(self, options: dict[str, Any], path: str) -> None:
        target = Fake("a")
        vars(target).update(options)
        with pytest.raises(ConfigError) as caught:
            dispatcher(target)
        assert [fault.path for fault in caught.value.faults] == [path]

    def test_a_class_is_no_target(self) -> None:
        with pytest.raises(ConfigError, match="is a class"):
            dispatcher(Fake)

    def test_retry_may_be_a_table(self) -> None:
        target = Fake("a", raising(RetryableDeliveryError("busy")))
        vars(target).update(retry={"attempts": 2, "initial": 1e-6})
        with dispatcher(target) as d:
            assert only(d.send(alert())).attempts == 2

    def test_a_receipt_that_cannot_be_read_is_a_yes_and_the_lane_goes_on(self) -> None:
        class Odd:
            def __str__(self) -> str:
                raise RuntimeError

            def __bool__(self) -> bool:
                raise RuntimeError

        with dispatcher(Fake("a", lambda _: Receipt(id=Odd(), detail=Odd()))) as d:  # type: ignore[arg-type]
            assert [d.send(alert()).sent for _ in range(3)] == [("a",)] * 3

    def test_an_error_that_shows_more_than_its_text_is_reported_as_its_plain_base(self) -> None:
        class LeakyError(PermanentDeliveryError):
            def __str__(self) -> str:
                return "password=hunter2hunter2"

        class ReadOnlyError(PermanentDeliveryError):
            @property
            def code(self) -> str:
                raise RuntimeError

            @code.setter
            def code(self, _: object) -> None: ...

        with dispatcher(Fake("a", raising(LeakyError("x"))), Fake("b", raising(ReadOnlyError("y")))) as d:
            report = d.send(alert())
        assert {delivery.outcome for delivery in report.deliveries} == {"permanent"}
        assert "hunter2" not in str(report.to_dict())

    def test_a_close_that_hangs_or_is_a_coroutine_is_waited_for_a_second_at_most(self) -> None:
        import threading

        release, closed = threading.Event(), threading.Event()

        class Hung(Fake):
            def close(self) -> None:
                release.wait(60)

        class Async(Fake):
            async def close(self) -> None:
                closed.set()

        dispatcher(Hung("hung"), Async("async")).close(0)
        assert closed.wait(10)
        release.set()


class TestNothingIsLostInSilence:
    def test_no_target_is_a_drop_that_is_counted(self) -> None:
        with dispatcher(Fake("a")) as d:
            assert d.send(alert(), targets=[]).dropped == "no_target"
            assert d.drops == {"no_target": 1}
        with dispatcher() as d:
            assert d.send(alert()).dropped == "no_target"

    def test_a_failed_delivery_is_logged_by_names_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        with dispatcher(Fake("a", raising(PermanentDeliveryError("password=hunter2hunter2")))) as d:
            d.enqueue(alert("Disk full of secrets"))
            assert d.flush(10)
        told = [r.getMessage() for r in caplog.records if r.name.startswith("alert_core")]
        assert told == ["a: PermanentDeliveryError after 1 attempts"]

    def test_a_queue_is_refused_while_there_is_none_that_keeps_what_it_is_given(self) -> None:
        with pytest.raises(ConfigError, match="queue"):
            dispatcher(Fake("a"), queue=object())

    def test_observers_see_the_masked_alert_even_where_the_target_does_not(self) -> None:
        seen: list[Alert] = []

        class Watch:
            @hookimpl
            def alert_delivery_started(self, alert: Alert) -> None:
                seen.append(alert)

        given = alert(metadata={"password": "hunter2hunter2"}, redact=False)
        a = Fake("a")
        with dispatcher(a, allow_unmasked=True, plugins=Plugins([Watch()])) as d:
            d.send(given)
        assert seen[0].metadata == {"password": "[REDACTED]"}
        assert a.alerts[0].metadata == {"password": "hunter2hunter2"}

    def test_what_is_abandoned_behind_a_hung_delivery_leaves_its_lane(self) -> None:
        import threading

        release = threading.Event()
        d = dispatcher(Fake("a", lambda _: release.wait(60)), deadline=0.01)
        d.enqueue(alert(dedup_key="k"))
        for _ in range(20):
            d.send(alert(dedup_key="k"))
        assert sum(map(len, d._lanes["a"]._held.values())) == 0
        release.set()
        d.close()
