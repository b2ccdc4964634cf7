"""A vendor's OpenAPI document as a judge of requests: the path, the credentials, the headers, and every body field."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.wire.exchange import FORM

from alert_core.testing import Received


class Specification:
    """A vendor's document, OpenAPI 3.0 or 3.1.

    Attributes:
        document: it, as it was published.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._components = _closed(document["components"])
        schemas: Any = importlib.import_module("openapi_schema_validator")
        old = document["openapi"].startswith("3.0")
        self._validator = schemas.OAS30Validator if old else schemas.OAS31Validator
        self._formats = schemas.oas30_format_checker if old else schemas.oas31_format_checker

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document in a file, JSON or YAML."""
        text = path.read_text()
        return cls(json.loads(text) if path.suffix == ".json" else importlib.import_module("yaml").safe_load(text))

    def faults(self, url: str, received: Received) -> list[str]:
        """What the vendor does not take of a request to this URL; empty: it takes all."""
        operation, in_path = self._operation(received.method, url)
        if not operation:
            return [f"no {received.method} of this URL"]
        content = self._part(operation["requestBody"])["content"]
        kind = received.headers.get("content-type", "").partition(";")[0]
        if kind not in content:
            return [f"content type {kind or 'missing'}"]
        faults = self._credential_faults(received.headers)
        for parameter in map(self._part, operation.get("parameters", ())):
            name = parameter["name"]
            value = (in_path if parameter["in"] == "path" else received.headers).get(name.lower())
            if value is not None:
                faults += self._invalid(name, value, parameter["schema"])
            elif parameter.get("required"):
                faults.append(f"{name}: missing")
        schema = _closed(self._part(content[kind]["schema"]))
        body = form(received.body, schema["properties"]) if kind == FORM else json.loads(received.body)
        return faults + self._invalid("body", body, schema)

    def _operation(self, method: str, url: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """What the document says of the method of this URL, and the values of the path's parameters."""
        for server in self.document["servers"]:
            for path, methods in self.document["paths"].items():
                pattern = re.escape(server["url"]) + re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/?]+)", re.escape(path))
                if (found := re.fullmatch(pattern, url)) and method.lower() in methods:
                    return methods[method.lower()], {name.lower(): value for name, value in found.groupdict().items()}
        return {}, {}

    def _part(self, node: Any) -> Any:
        """What a reference within the document names; any other node as it is."""
        while "$ref" in node:
            path, node = node["$ref"].removeprefix("#/").split("/"), self.document
            for step in path:
                node = node[step]
        return node

    def _credential_faults(self, headers: Mapping[str, str]) -> list[str]:
        """Whether the Authorization header has each scheme that the document asks for: `bearer`, `basic`, or none."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        asked = [declared["scheme"] for declared in self.document["components"].get("securitySchemes", {}).values()]
        faults = [f"no {name} credentials" for name in asked if scheme.lower() != name or not value]
        if asked == ["basic"] and not faults and b":" not in base64.b64decode(value, validate=True):
            faults.append("no user and password in the basic credentials")
        return faults

    def _invalid(self, name: str, value: object, schema: Mapping[str, Any]) -> list[str]:
        validator = self._validator({**schema, "components": self._components}, format_checker=self._formats)
        return [
            f"{name}{''.join(f'[{step!r}]' for step in error.path)}: {error.message:.200}"
            for error in validator.iter_errors(value)
        ]


def form(body: bytes, properties: Mapping[str, Any]) -> dict[str, Any]:
    """A form as the object that its schema describes: a field sent twice is a list, a number is one where it is due."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True):
        values.setdefault(name, []).append(value)
    return {name: _typed(found, properties.get(name, {}).get("type")) for name, found in values.items()}


def _typed(values: list[str], wanted: str | None) -> object:
    if wanted == "array" or len(values) > 1:
        return values
    if wanted in ("integer", "number", "boolean") and re.fullmatch(r"true|false|-?\d+(\.\d+)?", values[0]):
        return json.loads(values[0])
    return values[0]


def _closed(schema: Any) -> Any:
    """The schema, with every object closed to fields that it does not name, so that a misspelt one is found."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed
