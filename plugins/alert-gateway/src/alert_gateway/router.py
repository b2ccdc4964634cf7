"""Which function answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from alert_gateway.messages import Request, Response, problem

Handler = Callable[[Request, Mapping[str, str]], Response]
"""Called with the request, and with the parts of its path that the pattern names. It may take its time: it runs in a
thread."""
_PARAMETER: Final = re.compile(r"\{(\w+)(:path)?\}")


class Router:
    """A table of methods and patterns: in `/alerts/{source}` a part is anything but a slash, `{name:path}` is all."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Let `handler` answer; an earlier route of the same path goes first. HEAD is GET without its body."""
        pieces: list[str] = []
        at = 0
        for found in _PARAMETER.finditer(pattern):
            pieces += [re.escape(pattern[at : found.start()]), f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"]
            at = found.end()
        pieces.append(re.escape(pattern[at:]))
        self._routes.append((method, re.compile("".join(pieces), re.DOTALL), handler))

    def answer(self, request: Request) -> Response:
        """The handler's response; 404 where no path fits, 405 with Allow where none fits with this method."""
        allowed: list[str] = []
        method = "GET" if request.method == "HEAD" else request.method
        for known, pattern, handler in self._routes:
            if (found := pattern.fullmatch(request.path)) is None:
                continue
            if known == method:
                return handler(request, found.groupdict())
            allowed += [known, "HEAD"] if known == "GET" else [known]
        if not allowed:
            return problem(404, "no such path; GET /openapi.json tells of all")
        allow = ", ".join(sorted({*allowed}))
        return problem(405, f"this path takes {allow}", {"allow": allow})
