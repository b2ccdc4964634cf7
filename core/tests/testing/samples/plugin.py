"""The hook of the sample plugin: a good transport, and the bad ones."""

from collections.abc import Iterator

from alert_core import TransportSpec, hookimpl

KINDS = (
    "Good",
    "AcceptsPlainHttp",
    "BelievesAny2xx",
    "BoundsEachRead",
    "ChangesTheAlert",
    "DiesWhenClosed",
    "FollowsRedirects",
    "Hangs",
    "HidesResolves",
    "LeaksInCause",
    "LeaksInError",
    "LogsItsToken",
    "LosesRetryAfter",
    "MakesNewKeys",
    "NeverCuts",
    "NotThreadSafe",
    "PlainToken",
    "PrintsItsToken",
    "QuotesItsToken",
    "RaisesAnything",
    "ReadsSecondsOnly",
    "RepeatsItself",
    "RetriesWrongCredentials",
    "SendsItsTokenTwice",
    "SendsMarkup",
    "SendsNothingVisible",
    "SharesItsAddress",
    "ShowsItsToken",
    "Swallows429",
    "TakesFalseForTrue",
    "TrustsEveryone",
    "UsesItsParentsConnection",
)


@hookimpl
def alert_register() -> Iterator[TransportSpec]:
    for name in KINDS:
        yield TransportSpec(name.lower(), f"samples.transports:{name}")
    yield TransportSpec("lines", "samples.lines:Lines")
