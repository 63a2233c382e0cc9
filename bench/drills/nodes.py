"""Three nodes, three replicas: one is killed, another one frozen, under load; nothing is missing, writes go on.

python -m bench.drills.nodes [--rate 300] [--seconds 20]
"""

from __future__ import annotations

import argparse
import asyncio

from bench import ground
from bench.drills.ground import WorkerProcess, now_ms, over, three_nodes
from store import schema
from store.settings import StoreSettings


async def run(rate: float, seconds: float) -> None:
    with three_nodes() as cluster:
        settings = StoreSettings(
            contact_points=cluster.addresses, cql_port=cluster.port, keyspace="drill", replication="datacenter1:3"
        )
        await asyncio.to_thread(schema.apply, settings)
        async with over(settings, rate, channels=10) as tried:
            address = f"127.0.0.1:{ground.free_port()}"
            worker = tried.worker(metrics_address=address)
            begun = await tried.joined()
            rows = []
            for name, hurt, heal in (
                ("all well", None, None),
                ("one killed", cluster.nodes[1].kill, cluster.nodes[1].start),
                ("one frozen", cluster.nodes[2].freeze, cluster.nodes[2].thaw),
            ):
                before = lags(worker)
                written = worker.figure("messages_written_total")
                if hurt is not None:
                    await asyncio.to_thread(hurt)
                await asyncio.sleep(seconds)
                rows.append({
                    "time": name,
                    "messages a second": (worker.figure("messages_written_total") - written) / seconds,
                    "p50 of the lag, s at most": quantile(before, lags(worker), 0.5),
                    "p99 of the lag, s at most": quantile(before, lags(worker), 0.99),
                })  # fmt: skip
                if heal is not None:
                    await asyncio.to_thread(heal)
                    await asyncio.to_thread(cluster.wait_until_up)
            ended = now_ms()
            await asyncio.sleep(2)
            await tried.caught_up(ended)
            worker.stop()
            verdict = await tried.verdict([(begun, ended)])
    ground.report("nodes", [*rows, {"time": "in the end", **verdict.row()}], f"{rate:,.0f} lines a second.")
    verdict.hold()


_BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "300.0", "+Inf")


def lags(worker: WorkerProcess) -> list[float]:
    return [worker.figure("lag_seconds_bucket", le=bound) for bound in _BOUNDS]


def quantile(before: list[float], after: list[float], share: float) -> float:
    """Give the bound below which such a share of the lags lies that were measured in between."""
    grown = [late - early for early, late in zip(before, after, strict=True)]
    reached = next(number for number, count in enumerate(grown) if count >= share * grown[-1])
    return float(_BOUNDS[reached])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.seconds))


if __name__ == "__main__":
    main()
