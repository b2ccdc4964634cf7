"""How often a target may be called: the form of a rate, and the bucket that keeps it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core.rate import Bucket, Rate

SECONDS = {"s": 1, "m": 60, "h": 3600}
GAP = st.sampled_from(["", " "])


@given(st.integers(1, 10**9 - 1), st.integers(1, 10**6 - 1), st.sampled_from("smh"), GAP, GAP)
def test_a_rate_is_a_count_and_a_time(count: int, number: int, unit: str, before: str, after: str) -> None:
    assert Rate.parse(f"{count}{before}/{after}{number}{unit}") == Rate(count, number * SECONDS[unit])


@pytest.mark.parametrize(("text", "rate"), [("1/s", Rate(1, 1)), ("30/5m", Rate(30, 300)), (" 2/h ", Rate(2, 3600))])
def test_a_missing_number_is_one(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "30/",
        "/5m",
        "0/5m",
        "30/0m",
        "30/00s",
        "-1/s",
        "1.5/s",
        "30/5d",
        "30/5",
        "30 per 5m",
        "1/s/s",
        "1/\N{DEVANAGARI DIGIT ZERO}h",
    ],
)
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="30/5m"):
        Rate.parse(text)


@given(st.text(max_size=12) | st.text("0123456789/smh ", max_size=12))
def test_any_text_is_a_positive_rate_or_a_value_error(text: str) -> None:
    try:
        rate = Rate.parse(text)
    except ValueError:
        return
    assert rate.count >= 1
    assert rate.seconds >= 1


def taken(rate: Rate, pauses: list[float]) -> list[float]:
    """When attempts may start, where each one comes `pause` after the one before and waits as it is told."""
    now, moments = 100.0, []
    bucket = Bucket(rate, now)
    for pause in pauses:
        now += pause
        while (wait := bucket.wait(now)) > 0:
            now += wait
        bucket.take()
        moments.append(now)
    return moments


RATES = st.builds(Rate, st.integers(1, 5), st.integers(1, 100))
PAUSES = st.lists(st.floats(0, 50), max_size=40)


@given(RATES, PAUSES)
def test_no_window_has_more_than_the_burst_and_what_flows_in_meanwhile(rate: Rate, pauses: list[float]) -> None:
    moments = taken(rate, pauses)
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            window = moments[last] - moments[first]
            assert last - first + 1 <= rate.count + window * rate.count / rate.seconds + 1e-6


@given(RATES, st.integers(0, 40))
def test_a_row_of_attempts_goes_as_fast_as_the_rate_allows(rate: Rate, number: int) -> None:
    moments = taken(rate, [0.0] * number)
    for index, moment in enumerate(moments):
        waited = max(0, index + 1 - rate.count) * rate.seconds / rate.count
        assert moment - 100.0 == pytest.approx(waited, abs=1e-6)


def test_the_whole_count_may_go_at_once_after_a_rest() -> None:
    assert taken(Rate(3, 60), [0, 0, 0, 600, 0, 0]) == [100, 100, 100, 700, 700, 700]


def test_one_a_second_is_one_a_second() -> None:
    assert taken(Rate(1, 1), [0, 0, 0]) == [100, 101, 102]
