"""The alert, by the contract of alert-infra, masked by alert-core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from alert_core import REDACTED, redact
from alert_core.presentation import utc
from alert_infra.exceptions import AlertValidationError
from alert_infra.security import redact_metadata

Severity = str
VALID_SEVERITIES: Final = frozenset({"info", "warning", "error", "critical"})

_TEXTS: Final = ("title", "message", "source", "correlation_id", "request_id")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Alert:
    """One event, to be told to people. Its arguments may be given by position.

    Args:
        title: required; stripped.
        message: required; stripped.
        severity: `info`, `warning`, `error` or `critical`, in any case.
        source: which service or job says so.
        tags: any iterable; a str is one tag.
        metadata: a mapping of anything.
        created_at: default: now. Naive is taken as UTC.
        correlation_id: default: a new uuid4.
        request_id: of the request in which it happened.
        redact_sensitive_data: False keeps texts and metadata as they are, but in `to_dict()`.

    Raises:
        AlertValidationError: no title or message, an unknown severity, a `created_at` that is no datetime.
        TypeError: metadata that is no mapping.
    """

    title: str
    message: str
    severity: Severity = "error"
    source: str | None = None
    tags: tuple[str, ...] = field(default_factory=tuple)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=_now)
    correlation_id: str | None = None
    request_id: str | None = None
    redact_sensitive_data: bool = True

    def __post_init__(self) -> None:
        """Check the fields, and mask them."""
        for name in ("title", "message"):
            self._set(**{name: _required(name, getattr(self, name))})
        self._set(severity=_severity(self.severity), tags=_tags(self.tags))
        moment: object = self.created_at
        if not isinstance(moment, datetime):
            raise AlertValidationError("created_at must be a datetime")
        if self.created_at.tzinfo is None:
            self._set(created_at=self.created_at.replace(tzinfo=UTC))
        if self.correlation_id is None:
            self._set(correlation_id=str(uuid4()))
        if self.redact_sensitive_data:
            self._set(**self._masked())
        else:
            self._set(metadata=dict(self.metadata))

    def to_dict(self) -> dict[str, Any]:
        """The fields but for the last as JSON types, always masked: for a queue, for a transport."""
        values = {"severity": self.severity, **self._masked(), "created_at": utc(self).isoformat()}  # type: ignore[arg-type]  # utc() reads created_at alone
        values["tags"] = list(values["tags"])
        return {name: values[name] for name in _NAMES}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Alert:
        """Take back what `to_dict()` gave, and mask it again. What is missing gets its default.

        Raises:
            AlertValidationError: as by the constructor; `created_at` is no time in ISO 8601; `data` is no mapping.
        """
        if not isinstance(data, Mapping):
            raise AlertValidationError(f"an alert is taken from a mapping, not from {type(data).__name__}")
        return cls(
            title=str(data.get("title") or ""),
            message=str(data.get("message") or ""),
            severity=str(data.get("severity") or "error"),
            source=data.get("source"),
            tags=data.get("tags") or (),
            metadata=data.get("metadata") or {},
            created_at=_moment(data.get("created_at") or _now()),
            correlation_id=data.get("correlation_id"),
            request_id=data.get("request_id"),
        )

    def _masked(self) -> dict[str, Any]:
        texts = redact({name: getattr(self, name) for name in _TEXTS})
        texts["title"], texts["message"] = ((texts[name].strip() or REDACTED) for name in ("title", "message"))
        return {**texts, "tags": tuple(map(redact, self.tags)), "metadata": redact_metadata(self.metadata)}

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


_NAMES: Final = tuple(name for name in Alert.__dataclass_fields__ if name != "redact_sensitive_data")


def _required(name: str, value: object) -> str:
    stripped = value.strip() if isinstance(value, str) else ""
    if not stripped:
        raise AlertValidationError(f"{name} is required")
    return stripped


def _severity(value: object) -> str:
    word = value.lower() if isinstance(value, str) else ""
    if word not in VALID_SEVERITIES:
        expected = ", ".join(sorted(VALID_SEVERITIES))
        raise AlertValidationError(f"unsupported severity '{redact(value)}'. Expected one of: {expected}")
    return word


def _tags(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(tag) for tag in value)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise AlertValidationError("created_at must be a datetime or ISO-8601 string")
