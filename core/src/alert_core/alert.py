"""The alert: one event, masked when it is made."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Final, Self

import attrs

from alert_core.errors import AlertValidationError
from alert_core.redaction import BUILT_IN, REDACTED, Redactor, json_safe, mask_token
from alert_core.redaction import redact as mask

MAX_DEDUP_KEY: Final = 255  # PagerDuty's limit, providers.md section 5: no other target's is lower
_URL = re.compile(r"https?://[^\s/?#]\S*", re.IGNORECASE)


class _Word(StrEnum):
    """A StrEnum that takes any case, and names its members where it is given something else."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        if isinstance(value, str):
            for member in cls:
                if member.value == value.strip().lower():
                    return member
            given = f"{mask(value)!s:.40}"
        else:
            given = type(value).__name__
        words = ", ".join(cls)
        raise AlertValidationError(f"{cls.__name__.lower()} must be one of {words}; not {given}")


class Severity(_Word):
    """How bad it is: `info < warning < error < critical`, compared in this order, also with a plain str."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info to 3 for critical."""
        return _RANKS[self]

    def __lt__(self, other: object) -> bool:
        return self.rank < Severity(other).rank if isinstance(other, str) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self.rank <= Severity(other).rank if isinstance(other, str) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self.rank > Severity(other).rank if isinstance(other, str) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self.rank >= Severity(other).rank if isinstance(other, str) else NotImplemented


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class Status(_Word):
    """Where the event stands."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@attrs.frozen(init=False, repr=False)
class Alert:
    """One event, to be told to people.

    Every field is masked when the alert is made, by the built-in rules and every `Secret` known to the process; the
    dispatcher's own redactor runs again later.

    Args:
        title: one short line. Stripped.
        message: the text. Stripped.
        severity: a Severity, or its name in any case.
        source: which service or job says so.
        tags: any iterable of str; a set is sorted.
        metadata: a mapping of anything; JSON-safe once masked. Read it, do not change it: every target shares it.
        status: firing, acknowledged or resolved.
        dedup_key: what makes a later alert the same event, so that a resolve finds its firing. Default: a SHA-256 of
            source, title and sorted tags. Longer than 255 characters, it is hashed.
        url: a dashboard or runbook, http or https.
        created_at: when; naive is taken as UTC. Default: now.
        id: a uuid4; one an alert.
        correlation_id: a uuid4; may be shared by many alerts.
        request_id: of the request in which it happened.
        redact: False keeps the values as they are until the dispatcher, which masks them unless it was built with
            `allow_unmasked=True`.

    Raises:
        AlertValidationError: an empty title or message, an unknown severity or status, a url that is not http(s).
        TypeError: a field of a wrong type.
    """

    title: str
    message: str
    severity: Severity
    source: str | None
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    status: Status
    dedup_key: str
    url: str | None
    created_at: datetime
    id: str
    correlation_id: str
    request_id: str | None
    _masked_under: object = attrs.field(eq=False)

    def __init__(  # noqa: PLR0913 - the fields of an alert
        self,
        title: str,
        message: str,
        *,
        severity: Severity | str = Severity.ERROR,
        source: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        status: Status | str = Status.FIRING,
        dedup_key: str | None = None,
        url: str | None = None,
        created_at: datetime | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        correlation_id: str | None = None,
        request_id: str | None = None,
        redact: bool = True,
    ) -> None:
        if metadata is not None and not isinstance(metadata, Mapping):
            raise TypeError(f"metadata must be a mapping, not {type(metadata).__name__}")
        token = mask_token(BUILT_IN) if redact else None  # first: a Secret made meanwhile is masked later
        fields: dict[str, Any] = {
            "title": _text("title", title),
            "message": _text("message", message),
            "severity": Severity(severity),
            "source": _optional("source", source),
            "tags": _tags(tags),
            "metadata": {} if metadata is None else metadata,
            "status": Status(status),
            "dedup_key": _optional("dedup_key", dedup_key),
            "url": _url(url),
            "created_at": _moment(created_at),
            "id": _optional("id", id),
            "correlation_id": _optional("correlation_id", correlation_id),
            "request_id": _optional("request_id", request_id),
        }
        self.__attrs_init__(**_ready(fields, BUILT_IN if redact else None), masked_under=token)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        shown = self.masked(BUILT_IN)
        return f"<Alert {shown.id} {shown.severity} {shown.status} {shown.title!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Masked again where it is unpickled: other secrets may be known there."""
        return _unpickled, (self._fields(), self.is_masked)

    @property
    def is_masked(self) -> bool:
        """Whether its values went through masking: false for `redact=False` alone."""
        return self._masked_under is not None

    def masked(self, redactor: Redactor) -> Alert:
        """This alert, masked by this redactor too; itself where that was done already."""
        token = mask_token(redactor)
        if self._masked_under == token:
            return self
        fields = self._fields()
        if self._has_computed_key():
            fields["dedup_key"] = None
        masked = object.__new__(Alert)
        masked.__attrs_init__(**_ready(fields, redactor), masked_under=token)
        return masked

    def evolve(self, **changes: Any) -> Alert:
        """A copy with these fields changed, masked like any new alert.

        The id stays, so that a processor's result is still the same alert, unless `status` changes: a resolve is an
        alert of its own. A dedup key that was computed is computed again.
        """
        fields = self._fields()
        if self._has_computed_key():
            fields["dedup_key"] = None
        if "status" in changes and Status(changes["status"]) is not self.status:
            fields["id"] = None
        changes.setdefault("redact", self.is_masked)
        return Alert(**(fields | changes))

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types, in the order of the class; `created_at` in ISO 8601."""
        fields = self._fields()
        fields["severity"], fields["status"] = self.severity.value, self.status.value
        fields["tags"] = list(self.tags)
        fields["metadata"] = _copied(self.metadata) if self.is_masked else json_safe(self.metadata)
        fields["created_at"] = self.created_at.isoformat()
        return fields

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Alert:
        """Take back what `to_dict()` gave, and mask again. Missing fields get defaults, unknown ones are ignored.

        Raises:
            AlertValidationError: no title or message, or a value that no alert can have.
            TypeError: a field of a wrong type.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"an alert is taken from a mapping, not {type(values).__name__}")
        known = {name: values[name] for name in _NAMES if values.get(name) is not None}
        moment = known.get("created_at")
        if isinstance(moment, str):
            try:
                known["created_at"] = datetime.fromisoformat(moment)
            except ValueError:
                raise AlertValidationError("created_at must be a time in ISO 8601") from None
        return cls(known.pop("title", ""), known.pop("message", ""), **known)

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NAMES}

    def _has_computed_key(self) -> bool:
        return self.dedup_key == computed_key(self.source, self.title, self.tags)


_NAMES: Final = tuple(field.name for field in attrs.fields(Alert) if not field.name.startswith("_"))
_TEXTS: Final = ("title", "message", "source", "dedup_key", "url", "id", "correlation_id", "request_id")


def _unpickled(fields: dict[str, Any], redact: bool) -> Alert:
    return Alert(**fields, redact=redact)


def _ready(fields: dict[str, Any], redactor: Redactor | None) -> dict[str, Any]:
    """The checked fields as an alert keeps them: masked by the redactor, if any, and with a dedup key."""
    metadata = fields["metadata"]
    if redactor is None:
        try:
            metadata = dict(metadata)
        except Exception:  # noqa: BLE001 - a mapping may fail in any way, and must not take the alert with it
            metadata = json_safe(metadata)
    else:
        metadata = redactor.redact(metadata)
        masked = {text: redactor.text(text) for text in {fields[name] for name in _TEXTS} if text is not None}
        for name in _TEXTS:
            if fields[name] is not None:  # the message is often the title once more: masked once
                fields[name] = masked[fields[name]].strip() or REDACTED
        fields["tags"] = tuple(map(redactor.text, fields["tags"]))
        if fields["url"] and not _URL.fullmatch(fields["url"]):
            fields["url"] = None  # nothing that a reader could open is left of it
    fields["metadata"] = metadata if isinstance(metadata, dict) else {metadata: metadata}
    fields["id"] = (fields["id"] or str(uuid.uuid4())).encode("utf-8", "replace").decode()
    fields["correlation_id"] = fields["correlation_id"] or str(uuid.uuid4())
    key = fields["dedup_key"]
    fields["dedup_key"] = _key(key) if key else computed_key(fields["source"], fields["title"], fields["tags"])
    return fields


def computed_key(source: str | None, title: str, tags: Iterable[str]) -> str:
    """The dedup key of an alert that was given none: never of its message, severity or time."""
    return hashlib.sha256(json.dumps([source, title, sorted(tags)]).encode()).hexdigest()


def _key(given: str) -> str:
    return given if len(given) <= MAX_DEDUP_KEY else hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()


def _text(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not (stripped := value.strip()):
        raise AlertValidationError(f"{name} must not be empty")
    return stripped


def _optional(name: str, value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a str or None, not {type(value).__name__}")
    return (value.strip() or None) if value else None


def _url(value: str | None) -> str | None:
    url = _optional("url", value)
    if url is not None and not _URL.fullmatch(url):
        raise AlertValidationError("url must begin with http:// or https:// and hold no white space")
    return url


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tags, str | bytes) or not isinstance(tags, Iterable):
        raise TypeError(f"tags must be an iterable of str, not {type(tags).__name__}")
    found = tuple(tags)
    for tag in found:
        if not isinstance(tag, str):
            raise TypeError(f"tags must be an iterable of str; one of them is {type(tag).__name__}")
    return tuple(sorted(found)) if isinstance(tags, set | frozenset) else found


def _moment(value: datetime | None) -> datetime:
    if value is None:
        return datetime.now(UTC)
    if not isinstance(value, datetime):
        raise TypeError(f"created_at must be a datetime, not {type(value).__name__}")
    offset = value.utcoffset() or timedelta()
    if offset.microseconds:  # ISO 8601 has none; fromisoformat() loses them
        return value.astimezone(UTC)
    # A fixed offset: two time zones compare unequal in the hour that a clock change repeats.
    return value.replace(tzinfo=timezone(offset) if offset else UTC, fold=0)


def _copied(value: Any) -> Any:
    """A copy of JSON types, so that who changes it changes nobody else's."""
    if type(value) is dict:
        return {key: item if type(item) in _SCALARS else _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if type(value) is list else value


_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
