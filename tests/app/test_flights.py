from __future__ import annotations

import asyncio

import pytest

from app.flights import Flights


class Question:
    """Something to ask, which is answered when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(self) -> str:
        self.asked += 1
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def waiting(*asking):
    tasks = [asyncio.create_task(each) for each in asking]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_asks_the_same_at_the_same_time_gets_one_answer_and_later_a_new_one():
    flights, question, other = Flights(), Question(), Question()
    same = await waiting(*(flights.share("page", question.ask) for _ in range(5)), flights.share("other", other.ask))
    question.answer.set_result("found")
    other.answer.set_result("another")
    assert await asyncio.gather(*same) == ["found"] * 5 + ["another"]
    assert await flights.share("page", question.ask) == "found"
    assert (question.asked, other.asked) == (2, 1)


async def test_who_is_cancelled_leaves_the_others_their_answer():
    flights, question = Flights(), Question()
    first, *others = await waiting(*(flights.share("page", question.ask) for _ in range(3)))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    question.answer.set_result("found")
    assert await asyncio.gather(*others) == ["found"] * 2
    assert (question.asked, question.cancelled) == (1, 0)


async def test_what_nobody_waits_for_any_more_is_cancelled_and_who_comes_then_asks_anew():
    flights, question = Flights(), Question()
    everyone = await waiting(flights.share("page", question.ask), flights.share("page", question.ask))
    for task in everyone:
        task.cancel()
    await asyncio.gather(*everyone, return_exceptions=True)
    (late,) = await waiting(flights.share("page", question.ask))
    await flights.close()
    assert (question.asked, question.cancelled) == (2, 1)
    question.answer.set_result("found")
    assert await late == "found"


async def test_what_goes_wrong_goes_wrong_for_all_and_once():
    flights, question = Flights(), Question()
    everyone = await waiting(flights.share("page", question.ask), flights.share("page", question.ask))
    question.answer.set_exception(ValueError("no"))
    found = await asyncio.gather(*everyone, return_exceptions=True)
    assert [type(each) for each in found] == [ValueError] * 2
    assert question.asked == 1
