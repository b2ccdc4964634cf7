"""Which message a resolve replies to."""

import threading

from alert_core.threads import Threads


def test_the_latest_are_remembered_up_to_the_limit() -> None:
    threads = Threads(limit=2)
    for key, message_id in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]:
        threads.remember(key, message_id)
    assert [threads.get(key) for key in "abc"] == ["3", None, "4"]


def test_one_is_forgotten_once() -> None:
    threads = Threads()
    threads.remember("a", "1")
    assert (threads.forget("a"), threads.forget("a"), threads.get("a")) == (True, False, None)


def test_eight_threads_at_once_keep_to_the_limit() -> None:
    threads = Threads(limit=10)

    def work(name: int) -> None:
        for number in range(300):
            threads.remember(f"{name}-{number}", "1")

    workers = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    known = [key for name in range(8) for key in (f"{name}-{number}" for number in range(300)) if threads.get(key)]
    assert len(known) == 10
