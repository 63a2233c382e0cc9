from __future__ import annotations

import asyncio

from ingest.pacing import Budget

# These times are lower bounds: a slow machine cannot break them.


async def test_no_window_has_more_turns_than_allowed():
    budget, taken = Budget(3, 0.2), []

    async def take() -> None:
        await budget.turn()
        taken.append(asyncio.get_running_loop().time())

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(take())
    assert all(late - early >= 0.19 for early, late in zip(taken, taken[3:], strict=False))


async def test_who_gives_up_while_waiting_takes_no_turn_from_the_window():
    budget, clock = Budget(1, 0.3), asyncio.get_running_loop().time
    await budget.turn()
    first = clock()
    impatient = asyncio.create_task(budget.turn())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    await budget.turn()
    assert clock() - first >= 0.29
