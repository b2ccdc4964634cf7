"""What a transport's class declares, and what its instances check and hide."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pytest

from alert_core import Alert, ConfigError, Receipt, RetryPolicy, Secret, Severity, Transport, option
from alert_core.errors import Fault
from alert_core.transport import attempt_ends

if TYPE_CHECKING:
    from decimal import Decimal  # noqa: TC004 - the fault under test: an option's type that cannot be had at run time
    from pathlib import Path

EVERYWHERE = ["timeout", "concurrency", "retry", "rate", "min_severity"]
CANARY = "transport-canary-Zq81x"


def starts_with_plus(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if not value.startswith("+"):
        raise ValueError(f"{attribute.name} must begin with +")


class Pager(Transport):
    """A pager."""

    kind = "pager"
    recipients_option = "to"
    colours: ClassVar[tuple[str, ...]] = ("red",)
    token: Secret = option(env="PAGER_TOKEN", help="the API token")
    to: tuple[str, ...] = option(factory=tuple)
    region: str = option(default="us", validator=attrs.validators.in_(["us", "eu"]))
    number: str | None = option(default=None, validator=starts_with_plus)

    def send(self, alert: Alert, recipient: str = "") -> Receipt:
        return Receipt(id=f"{recipient}-{alert.id}")


class LoudPager(Pager):
    kind = "loud-pager"
    volume: int = option(default=11, validator=attrs.validators.instance_of(int))
    timeout: float = option(default=9.0)

    def check(self) -> list[Fault]:
        return [Fault("volume", "too loud for the us")] if (self.volume, self.region) == (12, "us") else []


# Options


def test_options_come_in_order_the_classs_own_first_and_those_of_every_transport_last() -> None:
    assert [o.name for o in Pager.options()] == ["token", "to", "region", "number", *EVERYWHERE]
    assert [o.name for o in LoudPager.options()][:5] == ["volume", "token", "to", "region", "number"]
    assert sorted(o.name for o in LoudPager.options()[5:]) == sorted(EVERYWHERE)


def test_an_option_says_its_type_default_environment_and_help() -> None:
    token, to, region, number = Pager.options()[:4]
    assert (token.type, token.required, token.secret) == (Secret, True, True)
    assert (token.env, token.help) == ("PAGER_TOKEN", "the API token")
    assert (to.type, to.required, to.default, to.secret) == (tuple[str, ...], False, (), False)
    assert (region.type, region.default) == (str, "us")
    assert number.type == str | None


def test_what_is_no_option_is_no_option() -> None:
    assert not {"name", "kind", "colours", "recipients_option"} & {o.name for o in Pager.options()}


def test_every_transport_has_the_options_of_the_contract() -> None:
    plain = Transport()
    assert [o.name for o in Transport.options()] == EVERYWHERE
    assert (plain.timeout, plain.concurrency, plain.retry, plain.rate) == (4.0, 4, None, None)
    assert plain.min_severity is Severity.INFO


def test_an_option_of_an_optional_secret_or_of_several_is_a_secret_too() -> None:
    class Doors(Transport):
        key: Secret | None = option(default=None)
        keys: tuple[Secret, ...] = option(default=())

    assert [o.secret for o in Doors.options()[:2]] == [True, True]


def test_a_subclass_can_give_an_option_another_default() -> None:
    assert LoudPager(token=Secret(CANARY)).timeout == 9.0
    assert Pager(token=Secret(CANARY)).timeout == 4.0


def test_a_class_attribute_that_would_silently_not_be_the_default_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Slow: every instance has its own 'timeout'.*option\(\)"):

        class Slow(Transport):
            timeout = 60.0


def test_an_option_without_annotation_is_refused_by_its_name() -> None:
    class Bare(Transport):
        colour = option(default="red")

    with pytest.raises(TypeError, match="annotate the option 'colour'"):
        Bare()


def test_a_type_that_cannot_be_read_at_run_time_is_refused_with_what_to_do() -> None:
    class Puzzled(Transport):
        price: Decimal = option(default=None)

    with pytest.raises(TypeError, match=r"Puzzled.*Decimal.*outside `if TYPE_CHECKING`"):
        Puzzled.options()


def test_a_plain_annotation_need_not_exist_at_run_time() -> None:
    class Careless(Transport):
        price: Decimal
        colour: str = option(default="red")

    assert Careless.options()[0].name == "colour"


# Making one


def test_a_required_option_that_is_missing_is_a_type_error_naming_it() -> None:
    with pytest.raises(TypeError, match="token"):
        Pager()  # type: ignore[call-arg]  # the fault under test


def test_an_unknown_option_is_a_type_error_naming_it() -> None:
    with pytest.raises(TypeError, match="colour"):
        Pager(token=Secret(CANARY), colour="red")  # type: ignore[call-arg]  # the fault under test


def test_options_are_keywords_alone() -> None:
    with pytest.raises(TypeError):
        Pager(Secret(CANARY))  # type: ignore[call-arg, arg-type]  # the fault under test


def test_the_name_falls_back_to_the_kind_and_then_to_the_class() -> None:
    class Nameless(Transport):
        pass

    assert Pager(token=Secret(CANARY)).name == "pager"
    assert Pager(token=Secret(CANARY), name="night").name == "night"
    assert Nameless().name == "Nameless"


def test_a_factory_makes_a_default_for_each_instance() -> None:
    class Lists(Transport):
        items: list[str] = option(factory=list)

    one, other = Lists(), Lists()
    one.items.append("a")
    assert other.items == []


def test_instances_are_hashable_and_equal_by_identity() -> None:
    one, other = Pager(token=Secret(CANARY)), Pager(token=Secret(CANARY))
    assert one != other
    assert len({one, other, one}) == 2


def test_every_fault_is_told_at_once_each_with_its_option() -> None:
    with pytest.raises(ConfigError) as refused:
        LoudPager(token=Secret(CANARY), region="mars", number="244", timeout=5, rate="often", concurrency=0)
    assert [fault.path for fault in refused.value.faults] == ["region", "number", "concurrency", "rate"]
    assert "number: number must begin with +" in str(refused.value)


def test_a_validator_of_attrs_says_its_sentence_and_nothing_of_its_internals() -> None:
    with pytest.raises(ConfigError) as refused:
        LoudPager(token=Secret(CANARY), volume="loud")  # type: ignore[arg-type]  # the fault under test
    assert "'volume' must be <class 'int'>" in str(refused.value)
    assert "Attribute(" not in str(refused.value)


def test_a_validator_is_not_called_for_none() -> None:
    assert Pager(token=Secret(CANARY), number=None).number is None


def test_a_validator_that_fails_without_a_word_is_still_a_fault() -> None:
    def fails(*_: object) -> None:
        raise KeyError

    class Odd(Transport):
        thing: int = option(default=1, validator=fails)

    with pytest.raises(ConfigError, match=r"thing: is not valid \(KeyError\)"):
        Odd()


def test_options_are_checked_together_once_each_is_right() -> None:
    with pytest.raises(ConfigError, match="volume: too loud for the us"):
        LoudPager(token=Secret(CANARY), volume=12)
    assert LoudPager(token=Secret(CANARY), volume=12, region="eu").volume == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", "soon"),
        ("concurrency", -1),
        ("rate", "30 a minute"),
        ("min_severity", "fatal"),
    ],
)
def test_an_option_that_every_transport_has_is_checked(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        Pager(token=Secret(CANARY), **{name: value})  # type: ignore[arg-type]  # the faults under test


def test_options_that_every_transport_has_are_taken() -> None:
    retry = RetryPolicy(attempts=1)
    pager = Pager(token=Secret(CANARY), timeout=1.5, retry=retry, rate="30/5m", min_severity=Severity.ERROR)
    assert (pager.timeout, pager.retry, pager.rate, pager.min_severity) == (1.5, retry, "30/5m", Severity.ERROR)


@pytest.mark.once
def test_mypy_flags_a_missing_option_and_one_of_a_wrong_type(tmp_path: Path) -> None:
    page = tmp_path / "snippet.py"
    page.write_text(
        "from alert_core import Secret, Transport, option\n"
        "class Pager(Transport):\n"
        "    token: Secret = option()\n"
        "    beeps: int = option(default=1)\n"
        "Pager(token=Secret('a'), beeps=2, timeout=1.0, name='night')\n"
        "Pager(beeps=2)\n"
        "Pager(token='a')\n"
    )
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--no-error-summary", str(page)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False).stdout
    assert re.findall(r":(\d+): error:.*\[([a-z-]+)\]", told) == [("6", "call-arg"), ("7", "arg-type")]


# Secrets


def test_a_plain_str_for_a_secret_option_is_wrapped() -> None:
    pager = Pager(token=CANARY)  # type: ignore[arg-type]  # what somebody in a hurry writes
    assert isinstance(pager.token, Secret)
    assert CANARY not in Alert("t", f"it said {CANARY}").message


def test_the_repr_of_a_transport_has_what_was_given_but_no_credential() -> None:
    shown = repr(Pager(token=Secret(CANARY), name="night", region="eu"))
    assert CANARY not in shown
    assert "night" in shown
    assert "region='eu'" in shown
    assert "timeout" not in shown


def test_the_repr_of_a_transport_whose_making_failed_does_not_fail() -> None:
    assert repr(object.__new__(LoudPager)).startswith("LoudPager(")


def test_a_config_error_has_no_secret_in_its_chain_even_with_the_locals_of_every_frame() -> None:
    def quotes(_: object, __: object, value: Secret) -> None:
        opened = value.reveal()
        raise ValueError(f"{opened} is wrong")

    class Indiscreet(Transport):
        token: Secret = option(validator=quotes)

    secret = Secret(CANARY)
    with pytest.raises(ConfigError, match="token") as refused:
        Indiscreet(token=secret)
    shown = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
    assert CANARY not in shown
    assert refused.value.__context__ is None


# Time


def test_the_time_left_is_the_timeout_or_less_where_the_lane_gave_less() -> None:
    pager = Pager(token=Secret(CANARY), timeout=3.0)
    assert pager.time_left() == 3.0
    for given, least, most in [(1.0, 0.5, 1.0), (60.0, 3.0, 3.0), (-5.0, 0.0, 0.0)]:
        token = attempt_ends.set(time.monotonic() + given)
        try:
            assert least <= pager.time_left() <= most
        finally:
            attempt_ends.reset(token)


# What a subclass need not write


def test_a_transport_without_send_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Transport has no send"):
        Transport().send(Alert("t", "m"))


def test_closing_does_nothing_and_may_be_done_twice() -> None:
    pager = Pager(token=Secret(CANARY))
    pager.close()
    pager.close()
    assert pager.send(Alert("t", "m", id="i1"), "ops").id == "ops-i1"
