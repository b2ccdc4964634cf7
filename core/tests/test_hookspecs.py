"""Every hook is documented with its exact signature and its example, and is tried by a test."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import alert_core.specs
from alert_core import hookspecs
from alert_core.plugins import Observers, Plugins
from alert_core.specs import Spec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
HEADINGS = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
HOOKS = [name for name in vars(hookspecs) if name.startswith("alert_")]
OTHERS = [path for path in Path(__file__).parent.rglob("test_*.py") if path != Path(__file__)]


def signature(hook: str) -> str:
    """As the source has it."""
    (function,) = ast.parse(inspect.getsource(getattr(hookspecs, hook))).body
    assert isinstance(function, ast.FunctionDef)
    assert function.returns
    return f"{hook}({ast.unparse(function.args)}) -> {ast.unparse(function.returns)}"


def test_the_hooks_are_those_of_the_contract() -> None:
    assert {signature(hook).partition(" ->")[0] for hook in HOOKS} == {
        "alert_register()",
        "alert_dropped(alert: Alert, reason: str, dropped_by: str)",
        "alert_delivery_started(alert: Alert, target: str, attempt: int)",
        "alert_delivery_succeeded(alert: Alert, target: str, attempt: int, receipt: Receipt)",
        "alert_delivery_failed(alert: Alert, target: str, attempt: int, error: DeliveryError, will_retry: bool)",
        "alert_dispatch_finished(alert: Alert, report: DeliveryReport)",
    }


def test_the_documentation_has_a_heading_for_every_hook_with_its_exact_signature_and_no_other() -> None:
    assert [signature(hook) for hook in HOOKS] == HEADINGS


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_implemented_in_some_test(hook: str) -> None:
    implementation = re.compile(rf"@hookimpl.*\n\s*def {hook}\(")
    assert any(implementation.search(path.read_text()) for path in OTHERS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_in_the_docstring_of_a_hook_is_an_implementation_that_loads(hook: str) -> None:
    found = re.search(r"```python\n(.*?)```", inspect.getdoc(getattr(hookspecs, hook)) or "", re.DOTALL)
    assert found
    names = dict(vars(alert_core.specs), hookimpl=hookspecs.hookimpl)
    exec(found[1], names)
    (plugin,) = Plugins([type("Example", (), {hook: staticmethod(names[hook])})()]).plugins
    assert (plugin.hooks, plugin.error) == ((hook,), None)


def test_observers_know_every_hook_but_the_first() -> None:
    observers = Observers(Plugins())
    for hook in HOOKS[1:]:
        observers.tell(hook)
    with pytest.raises(KeyError):
        observers.tell("alert_register")


def test_the_documentation_lists_every_spec_with_its_fields() -> None:
    rows = dict(re.findall(r"^\| `(\w+Spec)` \| (.+) \|$", PAGE, re.MULTILINE))
    kinds = {kind.__name__: kind for kind in Spec.__args__}
    assert rows.keys() == kinds.keys()
    for name, kind in kinds.items():
        for field in inspect.signature(kind).parameters:
            assert f"`{field}" in rows[name], f"{name}.{field}"
