"""alert-infra's side: its AlertDispatcher and its transports, as its README shows them."""

import json
from typing import Any

import work

from alert_infra import Alert, AlertDispatcher
from alert_infra.apps import SlackWebhookTransport
from alert_infra.email import SMTPEmailTransport


class Encoder:
    """Encode as its own HTTP client does, and send nothing."""

    def post(self, _url: str, *, json: dict[str, Any], headers: object = None, timeout: float) -> int:  # noqa: ARG002
        encode(json)
        return 200


def encode(body: object) -> bytes:
    return json.dumps(body).encode("utf-8")


def slack(url: str) -> SlackWebhookTransport:
    transport = SlackWebhookTransport("https://localhost/")
    transport.webhook_url = url  # it takes https:// alone; what it does then is the same
    return transport


def fan_out(urls: list[str]) -> float:
    dispatcher = AlertDispatcher([slack(url) for url in urls])
    return work.per_call(lambda fields: work.check(dispatcher.send(Alert(**fields)).ok), 1)


def post(url: str, seconds: float) -> float:
    dispatcher = AlertDispatcher([slack(url)])
    return work.per_second(lambda fields: dispatcher.send(Alert(**fields)).ok, seconds)


def mail(port: int, seconds: float) -> float:
    smtp = SMTPEmailTransport(
        host="127.0.0.1", port=port, use_tls=False, from_email="alerts@example.com", to_emails=["ops@example.com"]
    )
    dispatcher = AlertDispatcher([smtp])
    return work.per_second(lambda fields: dispatcher.send(Alert(**fields)).ok, seconds)


def build(count: int) -> float:
    return work.per_call(lambda fields: Alert(**fields), count)


def build_again(count: int) -> float:
    return work.per_call(lambda fields: Alert(**fields), count, lambda _: work.fields(0))


def encode_slack(count: int) -> float:
    dispatcher = AlertDispatcher([SlackWebhookTransport("https://localhost/", http_client=Encoder()) for _ in range(5)])
    return work.per_call(lambda fields: work.check(dispatcher.send(Alert(**fields)).ok), count, work.large_fields)


def encode_json(count: int) -> float:
    def five_times(fields: work.Fields) -> None:
        alert = Alert(**fields)
        for _ in range(5):
            encode(alert.to_dict())

    return work.per_call(five_times, count, work.large_fields)


if __name__ == "__main__":
    work.main(globals())
