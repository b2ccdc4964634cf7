"""A transport is one class that knows one provider's API; its annotated options are its configuration."""

from __future__ import annotations

import functools
import hmac
import inspect
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, Final, NoReturn, dataclass_transform

import attrs

from alert_core.alert import Alert, Severity
from alert_core.errors import ConfigError, Fault
from alert_core.rate import Rate
from alert_core.redaction import REDACTED, redact, register_literal
from alert_core.retry import RetryPolicy

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], Any]
_OPTION: Final = "alert_core.option"
_TELLING: Final = 16  # characters of a URL's path that are no common word
_FIELD: Final = type(attrs.field())

attempt_ends: ContextVar[float] = ContextVar("attempt_ends")
"""Set by the lane while a transport works: when its attempt must end (`time.monotonic()`)."""

delivering: ContextVar[bool] = ContextVar("delivering", default=False)
"""True in lanes and observers: what is logged there never becomes an alert."""


class Secret:
    """A credential. Masked in `repr`, `str` and formatting, and wherever its value turns up in an alert or an error.

    Its value is registered as a literal when it is made (six characters at least), so masking knows it from then on.
    """

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a Secret is made of a str, not {type(value).__name__}")
        object.__setattr__(self, "_value", value)
        register_literal(value)
        if "://" in value:  # of a webhook's URL, its path: libraries tell it without the host
            path = value.partition("://")[2].partition("/")[2]
            for part in (path, path.rpartition("/")[2]):
                if len(part) >= _TELLING:
                    register_literal(part)

    def reveal(self) -> str:
        """The value itself: for the request that the provider asks it in, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, others = (value.encode("utf-8", "surrogatepass") for value in (self._value, other._value))
        return hmac.compare_digest(mine, others)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: configure the other process with it instead")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


@attrs.frozen
class Receipt:
    """A provider's yes.

    Attributes:
        id: the provider's id of the message, where it gives one.
        recipient: to whom it went, where a delivery has one recipient.
        detail: what else the provider said that helps to find the message again; JSON types.
    """

    id: str | None = None
    recipient: str | None = None
    detail: Mapping[str, Any] = attrs.field(factory=dict)


def option(
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    env: str | None = None,
    shared: bool = False,
    validator: Validator | None = None,
    help: str = "",  # noqa: A002 - click's and argparse's word
) -> Any:
    """Declare one option of a transport, beside its annotation.

    Args:
        default: its value where none is given; without default and factory the option is required.
        factory: makes the default.
        env: the environment variable that sets it.
        shared: other kinds read that variable too, so that alone it makes `Dispatcher.from_env()` choose none of them.
        validator: as attrs has them, `(transport, attribute, value)`; raises ValueError saying what is wrong. It gets a
            Secret as a Secret, is not called for None, and never quotes a credential.
        help: one line for `alertctl plugins NAME` and the docs.
    """
    metadata = {_OPTION: True, "env": env, "shared": shared, "check": validator, "help": help}
    if factory is not None:
        return attrs.field(factory=factory, kw_only=True, metadata=metadata)
    return attrs.field(default=default, kw_only=True, metadata=metadata)


@attrs.frozen
class Option:
    """What a transport's class says of one of its options."""

    name: str
    type: Any
    required: bool
    default: Any
    env: str | None
    shared: bool
    help: str

    @property
    def secret(self) -> bool:
        """Whether it holds a credential."""
        return self.type is Secret or Secret in typing.get_args(self.type)


def _valid_rate(_: object, __: object, value: str) -> None:
    Rate.parse(value)


def _valid_severity(_: object, __: object, value: str) -> None:
    Severity(value)


def _positive(_: object, __: object, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError("must be more than 0, and finite")


def _attrs_class(cls: type) -> None:
    """Make it an attrs class of its `attrs.field`s alone; other annotations are its own business."""
    inherited = {name for base in cls.__mro__[1:] if attrs.has(base) for name in attrs.fields_dict(base)}
    for name in inherited & vars(cls).keys():
        if not isinstance(vars(cls)[name], _FIELD):
            raise TypeError(f"{cls.__name__}: every instance has its own {name!r}; for another default, write option()")
    attrs.define(cls, auto_attribs=False, slots=False, eq=False, repr=False, on_setattr=attrs.setters.NO_OP)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(option, attrs.field))
class _Declared:
    """Makes attrs classes of its subclasses. Apart from Transport, whose own options type checkers then see too."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _attrs_class(cls)


class Transport(_Declared):
    """Base class of the transports. A subclass sets `kind`, declares options, and implements `send`.

    Every subclass is an attrs class (keyword arguments, no slots, compared by identity) of its `option()` fields alone;
    no decorator is needed. Instances are called from several threads at once.

    Raises (when made):
        ConfigError: with every option that is wrong, by its name.
    """

    kind: ClassVar[str] = ""
    """A short name for the class of provider API: `slack`."""
    recipients_option: ClassVar[str | None] = None
    """The option that lists the recipients, where the provider takes one a call: then `send(alert, recipient)`."""
    idempotency: ClassVar[str | None] = None
    """What the provider knows a repeated request by, in its words (`Idempotency-Key`); None: a repeat arrives again."""
    provider_rate: ClassVar[str | None] = None
    """The provider's own limit (`"1/s"`), kept by delaying, where no `rate` is set and the endpoint is not loopback."""

    name: str = attrs.field(default="", kw_only=True)
    timeout: float = option(default=4.0, validator=_positive, help="seconds that one attempt may take as a whole")
    concurrency: int = option(default=4, validator=_positive, help="attempts at once")
    retry: RetryPolicy | None = option(default=None, help="retries of this target; default: the dispatcher's")
    rate: str | None = option(default=None, validator=_valid_rate, help='attempts in a time, as "30/5m"; delays only')
    min_severity: Severity = option(
        default=Severity.INFO, validator=_valid_severity, help="below it nothing is routed here"
    )

    def __attrs_post_init__(self) -> None:
        """Wrap credentials and check every option; a subclass that extends this calls it first."""
        self.name = self.name or self.kind or type(self).__name__
        faults = []
        for declared in self.options():
            value = getattr(self, declared.name)
            if declared.secret and isinstance(value, str):
                object.__setattr__(self, declared.name, value := Secret(value))
            faults += _faults(self, declared.name, value)
        faults += self.check() if not faults else ()
        if faults:
            raise ConfigError(faults) from None

    def check(self) -> list[Fault]:
        """What is wrong with the options taken together, once each is right by itself; default: nothing."""
        return []

    def send(self, alert: Alert) -> Receipt:
        """Deliver one alert; with `recipients_option`, to the one recipient given as a second argument.

        Raises:
            DeliveryError: one of its three subclasses, whose text has no URL, credential or alert body.
        """
        raise NotImplementedError(f"{type(self).__name__} has no send()")

    def close(self) -> None:
        """Let go of connections. May be called twice; a `send` after it connects again."""

    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine: then the provider's own rate does not hold."""
        return False

    def time_left(self) -> float:
        """Seconds left for this attempt: `timeout`, or less where the lane gave less (a failover's child)."""
        ends = attempt_ends.get(None)
        return self.timeout if ends is None else min(self.timeout, max(ends - time.monotonic(), 0.0))

    def _forget(self) -> None:
        """Drop connections without a word, in the child of a fork: they are the parent's."""

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options, in the order of declaration, the class's own before those that every transport has."""
        return _options(cls)  # type: ignore[arg-type]  # a type is hashable

    def __repr__(self) -> str:
        given = (
            f"{o.name}={getattr(self, o.name, None)!r}"
            for o in self.options()
            if o.required or getattr(self, o.name, None) != o.default
        )
        name = getattr(self, "name", None)  # an instance whose making failed has none
        return str(redact(f"{type(self).__name__}({', '.join([f'name={name!r}', *given])})"))


def option_faults(kind: type[Transport], values: Mapping[str, Any]) -> list[Fault]:
    """What the validators say of these options, where the others are missing or wrong and nothing can be made."""
    probe = object.__new__(kind)
    vars(probe).update({option.name: option.default for option in kind.options() if not option.required}, **values)
    return [fault for name, value in values.items() for fault in _faults(probe, name, value)]


def _faults(transport: Transport, name: str, value: Any) -> list[Fault]:
    attribute = next(field for field in _fields(type(transport)) if field.name == name)
    validate: Validator | None = attribute.metadata["check"]
    if value is None or validate is None:
        return []
    try:
        validate(transport, attribute, value)
    except ConfigError as error:
        return [Fault(name, fault.message) for fault in error.faults]
    except Exception as error:  # noqa: BLE001 - a validator is a plugin's code: whatever it raises is the option's fault
        text = next((part for part in error.args if isinstance(part, str)), "")  # attrs's have the value after it
        return [Fault(name, str(redact(text)) or f"is not valid ({type(error).__name__})")]
    return []


def _fields(cls: type[Transport]) -> tuple[attrs.Attribute[Any], ...]:
    return attrs.fields(cls)  # type: ignore[arg-type,no-any-return]  # mypy does not see that __init_subclass__ made it one


def _default(field: attrs.Attribute[Any]) -> Any:
    factory = getattr(field.default, "factory", None)
    return factory() if factory is not None else field.default


@functools.cache
def _options(cls: type[Transport]) -> tuple[Option, ...]:
    fields = [field for field in _fields(cls) if field.metadata.get(_OPTION)]
    hints: dict[str, Any] = {}
    for owner in reversed(cls.__mro__):
        hints |= _option_types(owner, {field.name for field in fields})
    untyped = [field.name for field in fields if field.name not in hints]
    if untyped:
        raise TypeError(f"{cls.__name__}: annotate the option {untyped[0]!r} with its type")
    own = inspect.get_annotations(cls)
    everywhere = {field.name for field in _fields(Transport)}
    return tuple(
        Option(
            name=field.name,
            type=hints[field.name],
            required=field.default is attrs.NOTHING,
            default=_default(field),
            env=field.metadata["env"],
            shared=field.metadata["shared"],
            help=field.metadata["help"],
        )
        for field in sorted(fields, key=lambda field: (field.name in everywhere, field.name not in own))
    )


def _option_types(owner: type, names: set[str]) -> dict[str, Any]:
    """The types of the options that this class itself declares, evaluated in its module."""
    own = {name: kind for name, kind in inspect.get_annotations(owner).items() if name in names}
    module = vars(sys.modules.get(owner.__module__, sys.modules[__name__]))
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__=own), module, dict(vars(owner)))
    except Exception as error:  # noqa: BLE001 - an annotation may be any expression
        raise TypeError(
            f"{owner.__name__}: the type of an option cannot be read at run time ({error}); "
            "import it outside `if TYPE_CHECKING`"
        ) from None
