"""Slack's Block Kit: what makes Slack refuse a message's blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from alert_core.text import utf16_length

MAX_BLOCKS: Final = 50
_TEXT_LIMITS: Final = {"section": 3000, "header": 150}
_LIMITS: Final = {
    "image": {"image_url": 3000, "alt_text": 2000},
    "button": {"action_id": 255, "url": 3000, "value": 2000},
}
_ELEMENTS: Final = {"context": 10, "actions": 25}
_KNOWN: Final = frozenset(
    "actions context context_actions divider file header image input markdown rich_text section table video".split()
)
_FIELD: Final = 2000
_FIELDS: Final = 10
_BUTTON_TEXT: Final = 75
_MARKDOWN: Final = 12_000
_BLOCK_ID: Final = 255


def faults(blocks: Any) -> Iterator[str]:
    """What is wrong with them, in Slack's words: `must be less than 151 characters [json-pointer:/blocks/0/text]`.

    Lengths are counted in UTF-16 units: Slack does not say how it counts, and this way counts most.
    """
    if not isinstance(blocks, list):
        yield "must be an array [json-pointer:/blocks]"
        return
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    seen: set[str] = set()
    for number, block in enumerate(blocks[:MAX_BLOCKS]):
        at = f"/blocks/{number}"
        if not isinstance(block, dict):
            yield f"must be an object [json-pointer:{at}]"
            continue
        yield from _block(block, at)
        if (block_id := block.get("block_id")) is not None:
            yield from _string(block_id, at + "/block_id", _BLOCK_ID)
            if str(block_id) in seen:
                yield f"`block_id` already exists [json-pointer:{at}/block_id]"
            seen.add(str(block_id))


def _block(block: dict[str, Any], at: str) -> Iterator[str]:
    kind = block.get("type")
    match kind:
        case "section":
            yield from _section(block, at)
        case "header":
            yield from _text(block.get("text"), at + "/text", _TEXT_LIMITS["header"], plain=True)
        case "context" | "actions":
            yield from _elements(block, at, _ELEMENTS[kind], within=kind)
        case "image":
            yield from _image(block, at)
        case "markdown":
            yield from _string(block.get("text"), at + "/text", _MARKDOWN)
        case "rich_text" | "table":
            field = "elements" if kind == "rich_text" else "rows"
            if not isinstance(block.get(field), list):
                yield f"missing required field: {field} [json-pointer:{at}]"
        case _ if kind not in _KNOWN:
            yield f"unsupported type: {kind} [json-pointer:{at}/type]"


def _section(block: dict[str, Any], at: str) -> Iterator[str]:
    text, fields = block.get("text"), block.get("fields")
    if text is None and fields is None:
        yield f"missing required field: text or fields [json-pointer:{at}]"
    if text is not None:
        yield from _text(text, at + "/text", _TEXT_LIMITS["section"])
    if fields is not None:
        if not isinstance(fields, list) or not fields:
            yield f"must be an array with at least one item [json-pointer:{at}/fields]"
            return
        if len(fields) > _FIELDS:
            yield f"no more than {_FIELDS} items allowed [json-pointer:{at}/fields]"
        for number, field in enumerate(fields):
            yield from _text(field, f"{at}/fields/{number}", _FIELD)
    accessory = block.get("accessory")
    if isinstance(accessory, dict):
        yield from _element(accessory, at + "/accessory")


def _elements(block: dict[str, Any], at: str, limit: int, *, within: str) -> Iterator[str]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield f"must be an array with at least one item [json-pointer:{at}/elements]"
        return
    if len(elements) > limit:
        yield f"no more than {limit} items allowed [json-pointer:{at}/elements]"
    for number, element in enumerate(elements):
        place = f"{at}/elements/{number}"
        if not isinstance(element, dict):
            yield f"must be an object [json-pointer:{place}]"
        elif within == "context" and element.get("type") != "image":
            yield from _text(element, place, _TEXT_LIMITS["section"])
        else:
            yield from _element(element, place)


def _element(element: dict[str, Any], at: str) -> Iterator[str]:
    if element.get("type") == "image":
        yield from _image(element, at)
    elif element.get("type") == "button":
        yield from _text(element.get("text"), at + "/text", _BUTTON_TEXT, plain=True)
        for field, limit in _LIMITS["button"].items():
            if field in element:
                yield from _string(element[field], f"{at}/{field}", limit)


def _image(image: dict[str, Any], at: str) -> Iterator[str]:
    if "image_url" in image or "slack_file" not in image:
        yield from _string(image.get("image_url"), at + "/image_url", _LIMITS["image"]["image_url"])
    yield from _string(image.get("alt_text"), at + "/alt_text", _LIMITS["image"]["alt_text"])


def _text(text: Any, at: str, limit: int, *, plain: bool = False) -> Iterator[str]:
    if not isinstance(text, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    allowed = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if text.get("type") not in allowed:
        yield f"must be one of: {', '.join(allowed)} [json-pointer:{at}/type]"
    yield from _string(text.get("text"), at + "/text", limit)


def _string(value: Any, at: str, limit: int) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"must be a string [json-pointer:{at}]"
    elif not value:
        yield f"must be more than 0 characters [json-pointer:{at}]"
    elif utf16_length(value) > limit:
        yield f"must be less than {limit + 1} characters [json-pointer:{at}]"
