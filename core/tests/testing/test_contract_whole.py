"""No test of the contract is replaced, hidden, skipped or left out in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alert_core.testing import TransportContract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.once

NAME = "test_close_may_be_called_twice"
GUARD = "test_no_test_of_the_contract_is_left_out"
HEAD = """
import pytest
from alert_core.testing import CANARY, ProviderReplies, Reply, TransportContract

class Declared(TransportContract):
    kind = "good"
    options = {"token": CANARY}
    replies = ProviderReplies(ok=Reply(200, json={"ok": True, "id": "m1"}))

"""


@pytest.fixture
def check(site: Path, run: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Run a contract class that is written so, with a conftest.py, an ini file and arguments."""

    def check(body: str, *arguments: str, conftest: str = "", ini: str = "") -> Any:
        folder = tmp_path_factory.mktemp("contract")
        (folder / "test_it.py").write_text(HEAD + body)
        (folder / "conftest.py").write_text(conftest)
        (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        return run(str(folder), "-c", str(folder / "pytest.ini"), *arguments)

    return check


def messages(results: Any) -> str:
    return "\n".join(text for result in results.values() for text in result.failed.values())


def fresh() -> Callable[[object], None]:
    """A test that passes, with no mark on it yet."""
    return lambda self: None


@pytest.mark.parametrize("name", [NAME, GUARD])
@pytest.mark.parametrize(
    "replacement",
    [
        fresh(),
        None,
        pytest.mark.xfail(fresh()),
        pytest.mark.xfail(reason="")(fresh()),
        pytest.mark.skip(reason="no")(fresh()),
    ],
    ids=["replaced", "None", "no reason", "empty reason", "skip"],
)
def test_a_test_that_is_replaced_without_a_reason_is_refused(name: str, replacement: object) -> None:
    with pytest.raises(TypeError, match=rf"TestIt replaces {name}.* mark it @pytest.mark.xfail\(reason="):
        type("TestIt", (TransportContract,), {name: replacement})


def test_a_test_that_a_mixin_replaces_is_refused() -> None:
    mixin = type("Mixin", (), {NAME: fresh()})
    with pytest.raises(TypeError, match=f"TestIt replaces {NAME}"):
        type("TestIt", (mixin, TransportContract), {})


@pytest.mark.parametrize("mark", [pytest.mark.skip(reason="no"), [pytest.mark.skipif("True", reason="no")]])
def test_a_contract_that_skips_itself_is_refused(mark: object) -> None:
    with pytest.raises(TypeError, match="TestIt skips tests of TransportContract"):
        type("TestIt", (TransportContract,), {"pytestmark": mark})


def test_a_test_that_is_replaced_after_the_class_was_made_stops_the_run(check: Any) -> None:
    found = messages(check(f"class TestIt(Declared): pass\n\nTestIt.{NAME} = lambda self: None\n", "-k", NAME))
    assert f"TestIt.{NAME} was replaced without xfail(reason=…)" in found


def test_an_expected_failure_with_its_reason_takes_the_place_of_a_test(check: Any) -> None:
    body = f"""
class TestIt(Declared):
    @pytest.mark.xfail(reason="closing twice is not supported", strict=True)
    def {NAME}(self):
        super().{NAME}()
        raise AssertionError
"""
    results = check(body, "-k", NAME)
    assert (results["TestIt"].failed, results["TestIt"].skipped) == ({}, {NAME: "closing twice is not supported"})


@pytest.mark.parametrize(
    "body",
    [
        "@pytest.mark.skip(reason='no')\nclass TestIt(Declared): pass",
        "pytestmark = pytest.mark.skip(reason='no')\nclass TestIt(Declared): pass",
    ],
    ids=["decorator", "module"],
)
def test_a_skipped_contract_stops_the_run(check: Any, body: str) -> None:
    assert "TestIt skips tests of TransportContract" in messages(check(body))


DESELECT = f"""
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.name == "{GUARD}"]
"""
SKIP = f"""
import pytest
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name != "{GUARD}":
            item.add_marker(pytest.mark.skip(reason="slow"))
"""


@pytest.mark.parametrize(
    ("conftest", "ini"),
    [(DESELECT, ""), (SKIP, ""), ("", f"addopts = -k {GUARD}")],
    ids=["deselected", "skipped", "addopts"],
)
def test_tests_that_a_project_leaves_out_are_told(check: Any, conftest: str, ini: str) -> None:
    failed = check("class TestIt(Declared): pass", conftest=conftest, ini=ini)["TestIt"].failed
    assert set(failed) == {GUARD}
    assert "tests of the contract were left out without xfail(reason=…)" in failed[GUARD]
    assert NAME in failed[GUARD]


def test_who_selects_tests_by_hand_is_told_that_others_were_left_out(check: Any) -> None:
    result = check("class TestIt(Declared): pass", "-k", f"{NAME} or {GUARD}")["TestIt"]
    assert (result.failed, result.passed) == ({}, {NAME})
    assert "tests of the contract were left out" in result.skipped[GUARD]
