"""What the rules mask, in words: for the documentation and for whoever tunes a policy."""

from __future__ import annotations

from typing import NamedTuple


class RuleInfo(NamedTuple):
    """A built-in rule: what it masks, an example, where it comes from, and whether it is used unless disabled."""

    name: str
    masks: str
    example: str
    source: str
    default: bool


def rules() -> tuple[RuleInfo, ...]:
    """The built-in rules, in the order in which they are tried."""
    import tomllib
    from importlib.resources import files

    from alert_core.redaction.table import RULES

    told = tomllib.loads(files(__package__).joinpath("rules.toml").read_text("utf-8"))
    return tuple(RuleInfo(rule.name, **told[rule.name], default=rule.default) for rule in RULES)
