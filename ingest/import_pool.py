"""Takes in a tree with as many processes as there are cores, and remembers what is done.

What each of them does is `ingest.importing`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

from ingest.errors import ImportBrokenOff
from ingest.importing import Imported, Importer, Part, Report, Tree
from ingest.lines import Progress
from store.archive.archive import Archive
from store.session import Session
from store.settings import StoreSettings

_LOOK_SECONDS = 0.2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        tree: what is taken in.
        settings: where it goes.
        done: the file that remembers what was taken in.
        report: the file that tells of lines that could not be taken in; None: nobody wants to know.
        jobs: processes; 1: this one alone.
        dry: only look at what would be done.
        again: also take in what was taken in before.
    """

    tree: Tree
    settings: StoreSettings
    done: Path
    report: Path | None = None
    jobs: int = 1
    dry: bool = False
    again: bool = False


@dataclass(slots=True)
class Work:
    """What of a plan is left to do.

    Attributes:
        todo: the parts.
        size: bytes of their files.
        outcome: what was taken in before, and what is left out; what else comes of it is added.
    """

    todo: list[Part]
    size: int
    outcome: Imported


async def look(plan: Plan, archive: Archive) -> Work:
    """See what is to be taken in: what was before, and has not changed, is not.

    Raises:
        StoreUnavailable: Cassandra cannot answer.
    """
    await plan.tree.open(archive)
    known = set(plan.done.read_text().splitlines()) if plan.done.exists() and not plan.again else set()
    todo, outcome = [], Imported()
    for listed in await plan.tree.parts():
        try:
            part = listed.seen()
        except OSError as error:  # whoever wrote it compresses it now, say
            outcome.failed.append(f"{error.filename} cannot be read: {error.strerror}; begin again")
            continue
        if part.state in known:
            outcome.before += 1
        else:
            todo.append(part)
    outcome.failed += plan.tree.left_out
    return Work(todo, sum(part.size for part in todo), outcome)


async def carry_out(plan: Plan, work: Work, progress: Progress, archive: Archive | None = None) -> Imported:
    """Take in what is to be; a part that cannot be is named, and holds up no other.

    Args:
        plan: how.
        work: what; its outcome is added to as it comes.
        progress: told of what is read.
        archive: where it goes, if it is open already and this process alone is to work.

    Raises:
        ImportBrokenOff: a process of several has died; beginning again goes on where this ended.
        StoreError: the tables or the archive are not as they should be.
        StoreUnavailable: Cassandra or the archive cannot answer; beginning again likewise.
    """
    if plan.report is not None and (plan.dry or not plan.done.exists()):
        plan.report.unlink(missing_ok=True)
    if plan.jobs == 1 or archive is not None:
        await _alone(plan, work, progress, archive)
    else:
        await _together(plan, work, progress)
    return work.outcome


async def _alone(plan: Plan, work: Work, progress: Progress, archive: Archive | None) -> None:
    async with Archive.opened(plan.settings) if archive is None else contextlib.nullcontext(archive) as there:
        importer = await _importer(plan, there, progress)
        for part in work.todo:
            outcome, settled = await importer.take(part)
            _took(plan, work, outcome, settled)
        _took(plan, work, Imported(), await importer.settle())


async def _importer(plan: Plan, archive: Archive, progress: Progress) -> Importer:
    await plan.tree.open(archive)
    return await Importer.open(plan.tree, archive, report=Report(plan.report), progress=progress, dry=plan.dry)


async def _together(plan: Plan, work: Work, progress: Progress) -> None:
    context = multiprocessing.get_context("spawn")
    read, barrier = context.Value("q", 0), context.Barrier(plan.jobs)
    pool = ProcessPoolExecutor(plan.jobs, context, _Process.start, (plan, read, barrier))
    told = 0
    try:
        running: set[Future[tuple[Imported, list[Part]]]] = {pool.submit(_Process.take, part) for part in work.todo}
        while running:
            ended, running = await asyncio.to_thread(wait_for, running, _LOOK_SECONDS, FIRST_COMPLETED)
            progress(read.value - told)
            told = read.value
            for future in ended:
                _took(plan, work, *future.result())
        for ending in [pool.submit(_Process.settle) for _ in range(plan.jobs)]:
            _took(plan, work, Imported(), await asyncio.wrap_future(ending))
    except BrokenProcessPool as error:
        raise ImportBrokenOff(
            "a process of the import was ended from outside, as where memory is short: begin again, it goes on where "
            "it ended; --jobs says how many work side by side"
        ) from error
    finally:
        # What is under way is waited for: a day is never left half done without need.
        await asyncio.shield(asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True))


def _took(plan: Plan, work: Work, outcome: Imported, settled: list[Part]) -> None:
    work.outcome.add(outcome)
    if settled and not plan.dry:
        plan.done.parent.mkdir(parents=True, exist_ok=True)
        with plan.done.open("a") as done:
            done.writelines(f"{part.state}\n" for part in settled)


class _Process:
    """What a process of the pool keeps between the parts that it takes in; there is one such process an object."""

    _mine: _Process

    def __init__(self, plan: Plan, read: Synchronized[int], barrier: Barrier) -> None:
        self.barrier = barrier
        self._plan = plan
        self._read = read
        self._loop = asyncio.new_event_loop()
        self._importer: Importer | None = None

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self._loop.run_until_complete(work)

    async def take_part(self, part: Part) -> tuple[Imported, list[Part]]:
        # Opened here and not when the process begins: from there, no error would reach the parent.
        if self._importer is None:
            self._importer = await self._open()
        return await self._importer.take(part)

    async def settle_all(self) -> list[Part]:
        return [] if self._importer is None else await self._importer.settle()

    async def _open(self) -> Importer:
        def progress(count: int) -> None:
            with self._read.get_lock():
                self._read.value += count

        archive = await Archive.open(await Session.open(self._plan.settings), self._plan.settings)
        return await _importer(self._plan, archive, progress)

    @classmethod
    def start(cls, plan: Plan, read: Synchronized[int], barrier: Barrier) -> None:
        """Begin; Ctrl-C is the parent's to hear, and when the parent is gone, so is this."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        gc.set_threshold(50_000, 20, 50)  # lines hold no cycles
        cls._mine = cls(plan, read, barrier)

    @classmethod
    def take(cls, part: Part) -> tuple[Imported, list[Part]]:
        """Take in a part."""
        return cls._mine.run(cls._mine.take_part(part))

    @classmethod
    def settle(cls) -> list[Part]:
        """Settle, once in each process: it waits for the others, so that none is asked twice."""
        cls._mine.barrier.wait()
        return cls._mine.run(cls._mine.settle_all())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
