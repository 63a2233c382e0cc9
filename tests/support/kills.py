"""Kills whoever works on an archive at a chosen step: of what it asks of the object store, and of Cassandra."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from store.archive.exporter import Exporter
from store.archive.objects import Objects
from store.session import Session
from support.tiers import Tiers


class Killed(BaseException):
    """What a kill looks like from inside."""


class Steps:
    """Counts steps, and fails, or is killed, at a chosen one and at all that follow.

    Attributes:
        left: how many are let through.
        error: what is raised then.
    """

    def __init__(self, left: int, error: type[BaseException] = Killed) -> None:
        self.left = left
        self.error = error

    def take(self) -> None:
        """Take a step."""
        self.left -= 1
        if self.left < 0:
            raise self.error("killed")


class Faulty(Objects):
    """Objects that fail, or whose user is killed, at a chosen step."""

    def __init__(self, objects: Objects, fail_at: int | Steps, error: type[BaseException] = Killed) -> None:
        super().__init__(objects._store, objects._url)
        self.steps = Steps(fail_at, error) if isinstance(fail_at, int) else fail_at

    async def replace(self, place, pieces, size, known):
        self.steps.take()
        ours = await super().replace(place, pieces, size, known)
        self.steps.take()
        return ours

    async def pieces(self, place):
        self.steps.take()
        async for piece in super().pieces(place):
            yield piece

    async def stored(self, place):
        self.steps.take()
        return await super().stored(place)

    async def delete(self, place):
        self.steps.take()
        await super().delete(place)
        self.steps.take()


class FaultySession:
    """A session whose user is killed at a chosen step."""

    def __init__(self, session: Session, steps: Steps) -> None:
        self._session = session
        self._steps = steps

    def execute(self, statement: Any) -> Any:
        self._steps.take()
        return self._session.execute(statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


async def mortal(both: Tiers, steps: int, **more: object) -> tuple[Exporter, Steps]:
    """Give an exporter that is killed after so many steps, and what counts them."""
    counted = Steps(steps)
    exporter = await both.exporter(Faulty(both.objects, counted), **more)
    exporter._index._session = FaultySession(exporter._index._session, counted)
    return exporter, counted


async def every_kill(both: Tiers, **more: object) -> AsyncIterator[Exporter]:
    """Yield exporters, each killed a step later than the one before, until one is not killed any more."""
    for steps in range(500):
        exporter, counted = await mortal(both, steps, **more)
        yield exporter
        if counted.left >= 0:
            return
    raise AssertionError("it never came to an end")
