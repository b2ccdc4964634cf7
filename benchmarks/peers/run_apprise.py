"""apprise's side: `json://` and `jsons://`, which post the message as JSON."""

import time

import work
from apprise import Apprise  # type: ignore[import-not-found]  # installed in its own environment


def notifier(urls: list[str]) -> Apprise:
    apprise = Apprise()
    for url in urls:
        work.check(apprise.add(url.replace("http", "json", 1)))
    return apprise


def notify(apprise: Apprise, fields: work.Fields) -> bool:
    return bool(apprise.notify(title=fields["title"], body=work.text(fields)))


def fan_out(urls: list[str]) -> float:
    apprise = notifier(urls)
    return work.per_call(lambda fields: work.check(notify(apprise, fields)), 3)


def hang(urls: list[str]) -> float:
    apprise = notifier(urls)
    start = time.perf_counter()
    work.check(not notify(apprise, work.fields(0)))
    return time.perf_counter() - start


def post(url: str, seconds: float) -> float:
    apprise = notifier([url])
    return work.per_second(lambda fields: notify(apprise, fields), seconds)


if __name__ == "__main__":
    work.main(globals())
