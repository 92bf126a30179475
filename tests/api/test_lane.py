"""The lane of quick reads: a few threads that hand results and errors back to the loop."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from finview.web.threads import Lane, lane_for

WHERE: ContextVar[str] = ContextVar("where", default="nowhere")


def test_results_come_back_in_the_context_of_the_caller() -> None:
    async def ask(lane: Lane, n: int) -> tuple[str, int]:
        WHERE.set(f"here {n}")
        return await lane.run(lambda k: (WHERE.get(), k * 2), n)

    async def main() -> list[tuple[str, int]]:
        lane = Lane(2)
        return await asyncio.gather(*(ask(lane, n) for n in range(20)))

    assert asyncio.run(main()) == [(f"here {n}", 2 * n) for n in range(20)]


def test_what_is_raised_is_raised_where_it_is_waited_for() -> None:
    async def main() -> None:
        lane = Lane(1)
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 // 0)
        assert await lane.run(lambda: 7) == 7

    asyncio.run(main())


def test_no_more_threads_work_than_the_lane_has() -> None:
    seen, lock, meeting = set(), threading.Lock(), threading.Barrier(3)

    def work(meet: bool) -> None:
        with lock:
            seen.add(threading.get_ident())
        if meet:
            meeting.wait(10)  # nobody gets on before all three are here

    async def main() -> None:
        lane = Lane(3)
        await asyncio.gather(*(lane.run(work, n < 3) for n in range(30)))

    asyncio.run(main())
    assert len(seen) == 3


def test_one_who_gave_up_does_not_hurt_the_lane() -> None:
    async def main() -> int:
        lane, held = Lane(1), threading.Event()
        waiting = asyncio.create_task(lane.run(held.wait, 10))
        await asyncio.sleep(0)
        waiting.cancel()
        held.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await lane.run(lambda: 7)

    assert asyncio.run(main()) == 7


def test_a_loop_that_is_gone_does_not_hurt_the_lane() -> None:
    lane, held = Lane(1), threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(lane.run(held.wait, 10))
        await asyncio.sleep(0)
        task.cancel()

    async def ask() -> int:
        return await lane.run(lambda: 7)

    asyncio.run(leave())
    held.set()
    assert asyncio.run(ask()) == 7


def test_a_process_has_one_lane_for_each_kind_of_database() -> None:
    assert lane_for("sqlite") is lane_for("sqlite")
    assert lane_for("sqlite").threads == 2
