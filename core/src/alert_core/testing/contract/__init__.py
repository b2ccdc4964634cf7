"""The tests that every transport passes, over real sockets: derive a class from `TransportContract`.

class TestExample(TransportContract):
    kind = "example"                      # found through the installed entry point
    options = {"token": CANARY, "channel": "#ops"}
    replies = ProviderReplies(ok=Reply(200, json={"ok": True, "id": "m1"}), unauthorized=Reply(401))
"""

from __future__ import annotations

from typing import Any

import pytest

from alert_core.testing.contract.content import Content
from alert_core.testing.contract.discovery import Discovery
from alert_core.testing.contract.network import Network
from alert_core.testing.contract.secrets import Secrets
from alert_core.testing.contract.state import State

__all__ = ["TransportContract"]

_SELECTING = ("-k", "-m", "--deselect", "--lf", "--last-failed", "--sw", "--stepwise", "--nf", "--ff")


class TransportContract(Discovery, Network, Secrets, Content, State):
    """The contract of a transport. A subclass declares `kind`, `options`, `replies`, and what its provider asks for.

    A test of the contract that a transport cannot pass is overridden by one that is marked
    `@pytest.mark.xfail(reason="…")` and calls `super()`; nothing else may take its place, hide it or skip it.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for owner in cls.__mro__[: cls.__mro__.index(TransportContract)]:
            _refuse_skips(cls, getattr(owner, "pytestmark", []))
            for name in CONTRACT & vars(owner).keys():
                if not _is_excused(vars(owner)[name]):
                    raise TypeError(
                        f"{cls.__name__} replaces {name}, a test of TransportContract: mark it "
                        '@pytest.mark.xfail(reason="…") and call super(), or mend the transport'
                    )

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Refuse, while collecting, what was put on the class or on a test after the class was made."""
        _refuse_skips(type(self), metafunc.definition.iter_markers())
        name = metafunc.definition.originalname
        original = getattr(TransportContract, name) if name in CONTRACT else metafunc.function
        if metafunc.function is not original and not _is_excused(metafunc.function):
            pytest.fail(f"{type(self).__name__}.{name} was replaced without xfail(reason=…)", pytrace=False)

    def test_no_test_of_the_contract_is_left_out(self, request: pytest.FixtureRequest) -> None:
        """By a conftest.py or a configuration; whoever selects tests by hand is told so."""
        chosen = [item for item in request.session.items if getattr(item, "cls", None) is type(self)]
        left_out = CONTRACT - {getattr(item, "originalname", item.name) for item in chosen}
        left_out |= {item.name for item in chosen if item.get_closest_marker("skip")}
        if not left_out:
            return
        arguments = [str(argument) for argument in request.config.invocation_params.args]
        if any(argument.startswith(_SELECTING) or "::" in argument for argument in arguments):
            pytest.skip(f"by hand, {len(left_out)} tests of the contract were left out")
        self.fail(f"tests of the contract were left out without xfail(reason=…): {', '.join(sorted(left_out))}")


CONTRACT = frozenset(name for name in dir(TransportContract) if name.startswith("test_"))
"""The names of the contract's tests."""


def _refuse_skips(cls: type, marks: Any) -> None:
    for mark in marks if isinstance(marks, list) or hasattr(marks, "__next__") else [marks]:
        if getattr(mark, "name", "") in ("skip", "skipif"):
            raise TypeError(
                f"{cls.__name__} skips tests of TransportContract: mark single ones xfail(reason=…) instead"
            )


def _is_excused(function: object) -> bool:
    marks = getattr(function, "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
