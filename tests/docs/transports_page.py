"""Make the tables and the views of docs/transports/index.md from the code: `python tests/docs/transports_page.py`.

Every kind is found by its contract class (`plugins/*/tests/test_*contract*.py`). Each sends to a stand-in of its
provider; what a row says is read off its class, its receipts and the bytes that arrived.
"""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import runpy
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from alert_core import Alert, Receipt
from alert_core.plugins import Plugins
from alert_core.testing import Received, TransportContract

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "transports" / "index.md"
ALERT = Alert(
    "Payment provider timeout",
    "No answer in 10 s from https://api.example.org/charge.\nQueue: 1,204 payments waiting.",
    severity="critical",
    source="billing",
    tags=["payments", "eu"],
    metadata={"order": 17, "hosts": ["a", "b"], "api_key": "not to be seen"},
    url="https://grafana.example.org/d/payments",
    created_at=datetime(2026, 8, 21, 12, 0, 5, tzinfo=UTC),
    id="3f0e6c9a-6f0c-4c7e-9d55-0a4b6f0b8a11",
    correlation_id="0b9d6a52-5a8e-4f39-8f4e-2f3f7d1c9e10",
    request_id="req-9",
)


def contracts() -> dict[str, type[TransportContract]]:
    """The contract class of each kind that opens connections."""
    classes = (
        value
        for path in sorted(ROOT.glob("plugins/*/tests/test_*contract*.py"))
        for value in runpy.run_path(str(path)).values()
        if isinstance(value, type) and issubclass(value, TransportContract) and value is not TransportContract
    )
    return {found.kind: found for found in classes if found.stand_in is not None}


def deliver(contract: type[TransportContract], *alerts: Alert) -> tuple[list[Receipt], list[Received]]:
    """Send the alerts by one instance; what it returned for each, and what arrived."""
    transport_class = Plugins.discover({}).transport_class(contract.kind)
    assert contract.stand_in is not None
    with contract.stand_in(contract.replies.ok) as server:
        where = contract().endpoint(server.host, server.port, None)
        transport = transport_class(**{**contract.options, **where})
        send: Callable[..., Receipt] = transport.send
        to = transport_class.recipients_option
        receipts = [send(alert, getattr(transport, to)[0]) if to else send(alert) for alert in alerts]
        transport.close()
    return receipts, server.received


def joins_its_firing(contract: type[TransportContract]) -> bool:
    """Whether a resolve says to the provider which firing it ends: another dedup key then makes another message."""
    resolve = ALERT.evolve(status="resolved", id="resolve")
    other = resolve.evolve(dedup_key="another")
    return deliver(contract, ALERT, resolve)[1][-1].body != deliver(contract, ALERT, other)[1][-1].body


def features() -> Iterator[str]:
    """A row a kind."""
    yield "| kind | package | one delivery a | id in the receipt | a repeat is known by | a resolve | own pace |"
    yield "|---|---|---|---|---|---|---|"
    specs = Plugins.discover({}).transport_specs
    rows = {row["name"]: row for row in Plugins.discover({}).rows()}
    for kind, contract in contracts().items():
        transport = Plugins.discover({}).transport_class(kind)
        package = next(row["distribution"] for row in rows.values() if kind in row["kinds"])
        cells = [
            f"`{kind}`: {specs[kind].summary}",
            f"[{package}]({package.removeprefix('alert-')}.md)",
            "recipient" if transport.recipients_option else "alert",
            "yes" if deliver(contract, ALERT)[0][0].id else "no",
            f"`{transport.idempotency}`" if transport.idempotency else "nothing",
            "joins its firing" if joins_its_firing(contract) else "is a message of its own",
            transport.provider_rate or "none",
        ]
        yield f"| {' | '.join(cells)} |"


def slack(request: Received) -> Iterator[str]:
    """Blocks, one below the other."""
    for block in json.loads(request.body)["blocks"]:
        parts = [block["text"]] if "text" in block else [*block.get("fields", []), *block.get("elements", [])]
        for part in parts:
            yield re.sub(r"<[^|>]+\|([^>]+)>", r"\1", part["text"])
        yield ""


def telegram(request: Received) -> Iterator[str]:
    """A bubble."""
    yield json.loads(request.body)["text"]


def smtp(request: Received) -> Iterator[str]:
    """The subject, and the text for who reads no HTML."""
    message = email.message_from_bytes(request.body, policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    yield from mail(message["Subject"], body.get_content())


def mail(subject: str, text: str) -> Iterator[str]:
    """As a program for mail shows it."""
    yield f"Subject: {subject}"
    yield ""
    yield text.rstrip()


def resend(request: Received) -> Iterator[str]:
    """The same mail."""
    body = json.loads(request.body)
    yield from mail(body["subject"], body["text"])


def sendgrid(request: Received) -> Iterator[str]:
    """The same mail."""
    body = json.loads(request.body)
    subject = body.get("subject") or body["personalizations"][0]["subject"]
    yield from mail(subject, body["content"][0]["value"])


def pagerduty(request: Received) -> Iterator[str]:
    """The incident's title, and the table of its details."""
    event = json.loads(request.body)
    yield f"{event['payload']['summary']} ({event['payload']['severity']}, {event['payload']['source']})"
    yield ""
    for name, value in event["payload"].get("custom_details", {}).items():
        yield f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
    for link in event.get("links", []):
        yield f"{link.get('text', 'Link')} → {link['href']}"


def castbrick(request: Received) -> Iterator[str]:
    """One short message."""
    yield json.loads(request.body)["content"]


def twilio(request: Received) -> Iterator[str]:
    """One short message."""
    yield dict(parse_qsl(request.body.decode()))["Body"]


def vonage(request: Received) -> Iterator[str]:
    """One short message."""
    yield dict(parse_qsl(request.body.decode()))["text"]


READERS: Mapping[str, Callable[[Received], Iterator[str]]] = {
    "slack": slack,
    "slack-bot": slack,
    "telegram": telegram,
    "smtp": smtp,
    "resend": resend,
    "sendgrid": sendgrid,
    "pagerduty": pagerduty,
    "castbrick": castbrick,
    "twilio": twilio,
    "vonage": vonage,
}


def views() -> Iterator[str]:
    """Each provider's reader's view of the alert; kinds that show the same stand together."""
    seen: dict[str, list[str]] = {}
    for kind, contract in contracts().items():
        told = "\n".join(READERS[kind](deliver(contract, ALERT)[1][0])).replace("\r\n", "\n")
        seen.setdefault(html.unescape(told).strip(), []).append(kind)
    for text, kinds in seen.items():
        yield f"### {', '.join(f'`{kind}`' for kind in kinds)}"
        yield ""
        yield "```text"
        yield text
        yield "```"
        yield ""


def page(text: str) -> str:
    """The page with its generated parts made anew."""
    made: dict[str, Any] = {"features": features(), "views": views()}
    for name, lines in made.items():
        part = "\n".join(lines).strip()
        text = re.sub(
            rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)",
            lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


NOW = PAGE.read_text()
MADE = page(NOW)

if __name__ == "__main__":
    PAGE.write_text(MADE)
