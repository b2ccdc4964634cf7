"""This project's side: alerts go through a Dispatcher with its default options."""

import statistics
import time

import work

from alert_core import Alert, Dispatcher, Redactor, Secret, Transport
from alert_core.http import HttpRequest
from alert_slack.transport import SlackTransport
from alert_smtp.transport import SmtpTransport

BURST = 500


def slack(urls: list[str]) -> dict[str, SlackTransport]:
    return {f"slack-{number}": SlackTransport(webhook_url=Secret(url)) for number, url in enumerate(urls)}


def smtp(port: int) -> SmtpTransport:
    return SmtpTransport(
        host="127.0.0.1", port=port, security="none", from_email="alerts@example.com", to_emails=("ops@example.com",)
    )


def fan_out(urls: list[str]) -> float:
    """Seconds of one send() to all."""
    with Dispatcher(slack(urls)) as dispatcher:
        return work.per_call(lambda fields: work.check(dispatcher.send(Alert(**fields)).ok), 5)


def hang(urls: list[str], deadline: float) -> float:
    """Seconds of one send() to all of which the last hangs; the others must have the alert."""
    targets = slack(urls)
    dispatcher = Dispatcher(targets, deadline=deadline)
    healthy = list(targets)[:-1]
    work.check(dispatcher.send(Alert(**work.fields(0)), targets=healthy).ok)
    start = time.perf_counter()
    report = dispatcher.send(Alert(**work.fields(1)))
    taken = time.perf_counter() - start
    work.check(list(report.sent) == healthy)
    dispatcher.close(timeout=0)
    return taken


def burst(target: Transport, seconds: float) -> float:
    """Alerts a second, enqueued in bursts and flushed."""
    with Dispatcher({"target": target}) as dispatcher:
        work.check(dispatcher.send(Alert(**work.fields(0))).ok)
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            tickets = [dispatcher.enqueue(Alert(**work.fields(done + number))) for number in range(BURST)]
            dispatcher.flush()
            work.check(all(ticket.report(0).ok for ticket in tickets))
            done += BURST
        return done / elapsed


def one_by_one(target: Transport, seconds: float) -> float:
    """Alerts a second by send(), which returns once the alert is delivered."""
    with Dispatcher({"target": target}) as dispatcher:
        return work.per_second(lambda fields: dispatcher.send(Alert(**fields)).ok, seconds)


def post(url: str, ca_bundle: str, seconds: float) -> float:
    return burst(SlackTransport(webhook_url=Secret(url), ca_bundle=ca_bundle), seconds)


def post_send(url: str, ca_bundle: str, seconds: float) -> float:
    return one_by_one(SlackTransport(webhook_url=Secret(url), ca_bundle=ca_bundle), seconds)


def mail(port: int, seconds: float) -> float:
    return burst(smtp(port), seconds)


def mail_send(port: int, seconds: float) -> float:
    return one_by_one(smtp(port), seconds)


def enqueue(urls: list[str], count: int) -> float:
    """The 99th percentile of the seconds that enqueue() keeps its caller."""
    alerts = [Alert(**work.fields(number)) for number in range(count)]
    dispatcher = Dispatcher(slack(urls))
    for number in range(50):  # starts every worker, and connects it
        dispatcher.enqueue(Alert(**work.fields(count + number)))
    dispatcher.flush()
    taken = []
    for alert in alerts:
        start = time.perf_counter()
        dispatcher.enqueue(alert)
        taken.append(time.perf_counter() - start)
    dispatcher.close(timeout=0)
    return statistics.quantiles(taken, n=100)[98]


def build(count: int) -> float:
    return work.per_call(lambda fields: Alert(**fields), count)


def build_again(count: int) -> float:
    return work.per_call(lambda fields: Alert(**fields), count, lambda _: work.fields(0))


def encode_slack(count: int) -> float:
    targets = slack(["https://hooks.slack.com/services/T0/B0/x"] * 5).values()

    def encode(fields: work.Fields) -> None:
        alert = Alert(**fields)
        for target in targets:
            target.build_request(alert)

    return work.per_call(encode, count, work.large_fields)


def encode_json(count: int) -> float:
    def encode(fields: work.Fields) -> None:
        alert = Alert(**fields)
        for _ in range(5):
            HttpRequest.json("https://example.com/", alert.to_dict())

    return work.per_call(encode, count, work.large_fields)


def scan() -> dict[str, float]:
    redactor = Redactor()
    for kind, text in work.clean_texts().items():
        work.check(not redactor.matches(text), kind)
    return work.megabytes_per_second(redactor.text)


if __name__ == "__main__":
    work.main(globals())
