import threading

import pytest

from chimera.improve.deadline import DeadlinePassed, deadline


def spin() -> None:
    while True:
        try:
            for _ in range(1_000):
                pass
        except Exception:  # noqa: BLE001, S112 - must not swallow the deadline
            continue


def test_endless_loop_ends() -> None:
    with pytest.raises(DeadlinePassed), deadline(0.1):
        spin()


def test_quick_block_is_untouched() -> None:
    for _ in range(200):
        with deadline(5.0):
            pass


def test_other_threads_can_use_it() -> None:
    caught: list[str] = []

    def work() -> None:
        try:
            with deadline(0.1):
                spin()
        except DeadlinePassed:
            caught.append("passed")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=5.0)
    assert caught == ["passed"]
