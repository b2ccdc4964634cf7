"""Amazon SNS: CloudWatch's alarms, and whatever else is published to a topic.

Fields are Amazon's (docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import quote

from alert_core import Alert, Status
from alert_gateway import amazon
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError, document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "sns"
SIGNED: Final = True
"""Without `verify = false`, a request without SNS's signature is refused, whatever else it shows."""
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}", re.ASCII)


def authenticate(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> bool:
    """Whether SNS signed the message within a day, and it is of one of our topics: anybody may have topics.

    Raises:
        TryLaterError: the certificate cannot be had now.
    """
    found = document(body, headers)
    ours = isinstance(found, Mapping) and found.get("TopicArn") in settings.topics
    return settings.verify and ours and amazon.is_signed(found)


def delivery_id(body: bytes, headers: Mapping[str, str]) -> str | None:
    """SNS's own id of the message, the same when it tries again: the one that is signed, where there is an envelope."""
    found = document(body, headers)
    own = first(found, "MessageId") if first(found, "TopicArn") else None
    return own or headers.get("x-amz-sns-message-id")


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert in a notification. The subscription of one of our topics is confirmed; any other is ignored.

    Raises:
        UnknownShapeError: it is no message of SNS, nor an alarm without its envelope (raw message delivery).
    """
    found = document(body, headers)
    topic, kind = first(found, "TopicArn") or headers.get("x-amz-sns-topic-arn", ""), first(found, "Type")
    if kind == "SubscriptionConfirmation":
        return _subscription(settings, found, topic)
    if kind == "UnsubscribeConfirmation":
        title = f"The SNS topic {_name(topic)} no longer sends to this gateway"
        return Parsed([event(NAME, settings, title=title, message=f"{topic} was unsubscribed.", key=f"topic:{topic}")])
    said = found if first(found, "AlarmName") else _inside(value(found, "Message"))
    if first(said, "AlarmName"):
        return Parsed([_alarm(settings, said, topic)])
    if kind != "Notification":
        raise UnknownShapeError
    return Parsed([_message(settings, found, said)])


def _subscription(settings: SourceTable, found: Any, topic: str) -> Parsed:
    if not settings.verify or topic not in settings.topics:
        return Parsed(ignored=1)
    try:
        amazon.confirm(topic, first(found, "Token") or "")
    except OSError as error:
        title = f"The subscription of the SNS topic {_name(topic)} is not confirmed"
        message = f"SNS did not take the confirmation ({type(error).__name__}). Request it again in the SNS console."
        return Parsed([event(NAME, settings, title=title, message=message, key=f"topic:{topic}")])
    return Parsed(ignored=1)


def _inside(message: object) -> Any:
    """What the text of a message holds, where that is JSON; else the text."""
    if not isinstance(message, str):
        return message
    try:
        return document(message.encode("utf-8", "replace"), {})
    except BodyError:
        return message


def _alarm(settings: SourceTable, said: Any, topic: str) -> Alert:
    name, state = first(said, "AlarmName") or "", (first(said, "NewStateValue") or "").upper()
    parts = [*(first(said, "AlarmArn") or topic).split(":"), "", "", "", "", ""]
    region, account = parts[3] if _REGION.fullmatch(parts[3]) else "", first(said, "AWSAccountId") or parts[4]
    mapped = next((found for pattern, found in settings.severities.items() if fnmatchcase(name, pattern)), None)
    reason, description = first(said, "NewStateReason"), first(said, "AlarmDescription")
    dimensions = {first(one, "name"): first(one, "value") for one in items(said, "Trigger.Dimensions")}
    return event(
        NAME,
        settings,
        title=name,
        message="\n\n".join(filter(None, (reason, description))),
        severity=mapped,
        status=Status.RESOLVED if state == "OK" else Status.FIRING,
        key=f"{account}:{region}:{name}",
        url=_console(region, name) if region else None,
        at=moment(first(said, "StateChangeTime")),
        metadata={
            "state": state if state not in {"OK", "ALARM"} else None,
            "region": first(said, "Region") or region,
            "account": account,
            "namespace": first(said, "Trigger.Namespace"),
            "metric": first(said, "Trigger.MetricName"),
            **{key: text for key, text in dimensions.items() if key},
        },
    )


def _message(settings: SourceTable, found: Any, said: Any) -> Alert:
    """What is no alarm: Subject and text, or an event of EventBridge."""
    text = value(found, "Message")
    return event(
        NAME,
        settings,
        title=first(found, "Subject") or first(said, "title", "detail-type", "summary"),
        message=text if isinstance(text, str) else None,
        severity=first(said, "severity", "detail.severity"),
        at=moment(first(found, "Timestamp")),
        metadata={"topic": first(found, "TopicArn")},
        service=first(said, "source"),
    )


def _console(region: str, name: str) -> str:
    return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{quote(name, '')}"


def _name(topic: str) -> str:
    return topic.rpartition(":")[2]
