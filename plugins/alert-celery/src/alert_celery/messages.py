"""What a task carries: one alert for one target, as JSON and without a credential. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from alert_core import Alert, Redactor

Arrived = tuple[tuple[str, str | None], ...]


@attrs.frozen(kw_only=True)
class Message:
    """One delivery, as a task carries it.

    Attributes:
        alert: masked.
        target: the target's name.
        recipient: the one recipient, where the provider takes one a call.
        arrived: of a failover: the children, and recipients of theirs, that have the alert by an earlier attempt.
        paced: it has waited for its target's rate.
    """

    alert: Alert
    target: str
    recipient: str | None = None
    arrived: Arrived = ()
    paced: bool = False

    def arguments(self, body: str | None = None) -> dict[str, Any]:
        """The task's keyword arguments; `body` is `encoded(alert)`, where that was made already."""
        arguments: dict[str, Any] = {"alert": body or encoded(self.alert), "target": self.target}
        if self.recipient is not None:
            arguments["recipient"] = self.recipient
        if self.arrived:
            arguments["arrived"] = [list(one) for one in self.arrived]
        return arguments | ({"paced": True} if self.paced else {})

    @classmethod
    def read(cls, positional: Sequence[object], arguments: Mapping[str, Any], redactor: Redactor) -> Message:
        """Take back what `arguments()` gave, and mask it again. What a later version may add is ignored.

        Raises:
            ValueError: this is no delivery; the text says why, and has no value in it.
        """
        target, recipient = arguments.get("target"), arguments.get("recipient")
        if positional or not isinstance(target, str) or not target:
            raise ValueError("it names no target")
        if not (recipient is None or isinstance(recipient, str)):
            raise ValueError("its recipient is no text")
        return cls(
            alert=_decoded(arguments.get("alert"), redactor),
            target=target,
            recipient=recipient,
            arrived=_arrived(arguments.get("arrived", ())),
            paced=arguments.get("paced") is True,
        )


def encoded(alert: Alert) -> str:
    """The alert as JSON text.

    A text, since kombu's JSON revives `{"__type__": …, "__value__": …}` wherever it stands: metadata of that form would
    make a message that no worker can read.
    """
    return json.dumps(alert.to_dict())


def _decoded(body: object, redactor: Redactor) -> Alert:
    if not isinstance(body, str):
        raise ValueError("it has no alert")  # noqa: TRY004 - one kind of error for all that is no delivery
    try:
        return Alert.from_dict(json.loads(body)).masked(redactor)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it; the text may quote it
        raise ValueError(f"its alert cannot be read ({type(error).__name__})") from None


def _arrived(given: object) -> Arrived:
    def pair(child: str, recipient: str | None) -> tuple[str, str | None]:
        return str(child), None if recipient is None else str(recipient)

    if not isinstance(given, Iterable):
        raise ValueError("its list of who has the alert is none")  # noqa: TRY004 - as above
    try:
        return tuple(pair(*one) for one in given)
    except TypeError:
        raise ValueError("its list of who has the alert is none") from None
