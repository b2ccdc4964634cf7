"""Secrets that fill several lines: private keys, Kubernetes Secrets, what libraries print of parameters and input."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from alert_core.redaction.engine import pattern
from alert_core.redaction.plausible import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.redaction.engine import Names, Text


def find_private_keys(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The body of a PEM or PGP private key, to its end mark, or as far as the text goes where it was cut off."""
    raw, at, end = text.raw, 0, 0
    while (at := raw.find("-----BEGIN ", at)) >= 0:
        head = pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----").match(raw, at)
        at += len("-----BEGIN ")
        if head is None:
            continue
        begin = head.end()
        if 0 <= end < begin:  # searched once for all keys that it is the next of
            end = raw.find("-----END ", begin)
        stop = min((mark for mark in (end, raw.find("-----BEGIN ", begin)) if mark >= 0), default=len(raw))
        lead = pattern(r"(?:\\{1,2}[nr]|[\s\"'+`,.])*").match(raw, begin, stop)
        begin = lead.end() if lead else begin
        body = raw[begin:stop].rstrip("\r\n\t \"'+`,.")
        while body.endswith(("\\n", "\\r")):
            body = body[:-2].rstrip("\\")
        if body:
            yield begin, begin + len(body)
        at = stop


def find_encoded_keys(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """A PEM private key in base64, as kubeconfigs and CI variables have it."""
    for match in pattern(r"LS0tLS1CRUdJTi[A-Za-z0-9+/_-]{40,}={0,2}").finditer(text.raw):
        try:
            head = base64.b64decode(match.group()[:80])
        except (binascii.Error, ValueError):
            continue
        if b"PRIVATE KEY" in head:
            yield match.span()


def find_kubernetes(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The values under `data:` and `stringData:` of a `kind: Secret`, in YAML or JSON."""
    done = 0
    for secret in pattern(r"[\"']?kind[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?secret[\"'\s,}]").finditer(text.low + "\n"):
        if secret.start() < done:
            continue
        low, high = _document(text.raw, secret.start())
        done, covered = high, low
        for data in pattern(r"(?:^|[\n{,])([ \t]{0,80})[\"']?(?:string)?data[\"']?[ \t]{0,8}:").finditer(
            text.low, low, high
        ):
            if data.start() >= covered:
                entries, covered = _entries(text.raw, data.end(), high, len(data.group(1)))
                yield from entries


def _document(raw: str, at: int) -> tuple[int, int]:
    """The YAML document around `at`."""
    before, after = raw.rfind("\n---", 0, at), raw.find("\n---", at)
    return max(before, 0), len(raw) if after < 0 else after


def _entries(raw: str, at: int, high: int, indent: int) -> tuple[list[tuple[int, int]], int]:
    """The values of the entries from `at` on that are deeper than `indent`, or in braces; and where they end."""
    found: list[tuple[int, int]] = []
    braced = pattern(r"\s{0,80}\{").match(raw, at, high)
    if braced:
        close = raw.find("}", braced.end(), high)
        close = high if close < 0 else close
        pairs = pattern(r":\s{0,20}[\"']([^\"'\n]{1,4096})[\"']").finditer(raw, braced.end(), close)
        return [pair.span(1) for pair in pairs], close
    line, block = raw.find("\n", at, high), -1  # block: the indent of an entry whose value is on the lines below it
    while 0 <= line < high - 1:
        start = line + 1
        line = raw.find("\n", start, high)
        end = high if line < 0 else line
        bare = raw[start:end].strip()
        depth = len(raw[start:end]) - len(raw[start:end].lstrip(" \t"))
        if not bare or bare.startswith("#"):
            continue
        if depth <= indent:
            return found, start - 1
        if 0 <= block < depth:
            found.append((start + depth, start + depth + len(bare)))
            continue
        entry = pattern(r"[ \t]{1,80}[\w.\-\"'/]{1,260}[ \t]{0,8}:[ \t]{1,8}[\"']?([^\s\"']+)").match(raw, start, end)
        block = depth if entry and entry.group(1) in ("|", ">", "|-", ">-") else -1
        if entry and block < 0 and not is_placeholder(entry.group(1)):
            found.append(entry.span(1))
    return found, high


def find_jwt(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """JSON web tokens. What begins within a run that no dot follows cannot be one, so the run is skipped whole."""
    raw, at = text.raw, 0
    while (at := raw.find("eyJ", at)) >= 0:
        head = pattern(r"[A-Za-z0-9_-]{11,}={0,2}").match(raw, at)
        if head is None:
            at += 3
            continue
        rest = pattern(r"\.[A-Za-z0-9_-]{4,}={0,2}(?:\.[A-Za-z0-9_-]*={0,2}){0,3}").match(raw, head.end())
        if rest:
            yield at, rest.end()
        at = rest.end() if rest else head.end()


def find_jwk(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The private parts of a JSON web key."""
    for member in pattern(r"\"(?:d|p|q|dp|dq|qi|k)\\?\"\s{0,8}:\s{0,8}\\?\"([A-Za-z0-9_-]{16,2000})").finditer(
        text.raw
    ):
        yield member.span(1)


def find_parameters(text: Text, names: Names) -> Iterator[tuple[int, int]]:
    """What SQLAlchemy prints of a statement's parameters, where the statement names a sensitive column."""
    raw, at = text.raw, 0
    while (at := raw.find("[parameters: ", at)) >= 0:
        begin = at + len("[parameters: ")
        end = raw.find("]\n", begin, begin + 8192)
        end = min(len(raw), begin + 8192) if end < 0 else end
        statement = raw[max(0, at - 4096) : at].rpartition("[SQL:")[2]
        if any(names.sensitive(word) for word in pattern(r"[A-Za-z_]{3,64}").findall(statement)):
            yield begin, end
        at = end


def find_inputs(text: Text, names: Names) -> Iterator[tuple[int, int]]:
    """What pydantic prints of a refused input, where the line above names a sensitive field."""
    raw, at = text.raw, 0
    while (at := raw.find("input_value=", at)) >= 0:
        begin = at + len("input_value=")
        line = max(raw.rfind("\n", max(0, at - 4096), at), 0)
        field = raw[raw.rfind("\n", max(0, line - 256), line) + 1 : line][-256:]
        end = raw.find(", input_type=", begin, begin + 4096)
        if end > begin and names.sensitive(field.strip().rpartition(".")[2]):
            yield begin, end
        at = begin
