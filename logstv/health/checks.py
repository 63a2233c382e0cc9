"""What is wrong with an installation, and what helps: one check a question, each over what was seen of it.

`logstv status` and `logstv doctor` both ask these; what only this machine can tell is `logstv.health.machine`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from logstv.health.finding import Finding, Level, ok, warning, wrong
from logstv.health.look import Picture
from logstv.health.words import moment, size, some, span
from store.retention import FOR_EVER
from store.workers import Worker

_SKEW_SECONDS = 2.0
_SKEW_HARMS_SECONDS = 60.0
_SILENT_SECONDS = 15.0
_LAG_SECONDS = 10.0
_LEAST_RETENTION_DAYS = 3
_URGENT_DAYS = 7.0
_OLDEST_VERSION = (5, 0)
_DAY = 86_400

Check = Callable[[Picture], Iterator[Finding]]


def findings(picture: Picture) -> list[Finding]:
    """Give what all checks found, in their order."""
    return [found for check in CHECKS for found in check(picture)]


def cluster(picture: Picture) -> Iterator[Finding]:
    """Can the cluster be reached, and do all its nodes answer?"""
    if picture.unreachable:
        yield wrong("cluster", picture.unreachable, _way_in(picture))
        return
    nodes = picture.nodes or []
    known = {node.address for node in nodes}
    for host, why in picture.refused.items():
        if host not in known:
            yield warning(
                "cluster", f"the contact point {host} does not answer: {why}", "take it out of LOGSTV_CONTACT_POINTS"
            )
    for node in nodes:
        if node.down:
            yield wrong(
                "cluster",
                f"the node {node.address} ({node.datacenter}) is down: {node.down}",
                "start it; after more than three hours away, run `nodetool repair` on it",
            )
    versions = sorted({node.version for node in nodes if node.version})
    if len(versions) > 1:
        yield warning("cluster", f"nodes run different versions: {', '.join(versions)}", "finish the upgrade")
    if versions and _number(versions[0]) < _OLDEST_VERSION:
        yield wrong("cluster", f"a node runs Cassandra {versions[0]}", "run 5.0 or later: the tables' options need it")
    if nodes and not any(node.down for node in nodes):
        word = "node answers" if len(nodes) == 1 else "nodes answer"
        yield ok("cluster", f"{len(nodes)} {word}, Cassandra {', '.join(versions)}")


def _way_in(picture: Picture) -> str:
    if picture.local is not None:
        return "`logstv up` or `logstv node start` starts the node; LOGSTV_CONTACT_POINTS names a cluster"
    if "LOGSTV_USERNAME" in picture.unreachable:
        return "name a role that may log in"
    return "see LOGSTV_CONTACT_POINTS, LOGSTV_CQL_PORT and LOGSTV_TLS, and whether the nodes run"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:2] if part.isdecimal())


def clocks(picture: Picture) -> Iterator[Finding]:
    """Do the clocks of the nodes agree with ours?"""
    ahead = {node.address: node.ahead_ms / 1000 for node in picture.nodes or () if node.ahead_ms is not None}
    for address, seconds in ahead.items():
        if abs(seconds) > _SKEW_SECONDS:
            make = wrong if abs(seconds) > _SKEW_HARMS_SECONDS else warning
            side = "ahead of" if seconds > 0 else "behind"
            yield make("clocks", f"the clock of {address} is {span(abs(seconds))} {side} ours", "run NTP on both")
    if ahead and max(map(abs, ahead.values())) <= _SKEW_SECONDS:
        yield ok("clocks", f"the nodes' clocks agree with ours, to within {span(_SKEW_SECONDS)}")


def tables(picture: Picture) -> Iterator[Finding]:
    """Are the tables as the files say?"""
    changes = [change for change in picture.changes or () if change.cql is not None or change.refused]
    if changes:
        more = f"; {len(changes)} differences in all" if len(changes) > 1 else ""
        yield wrong(
            "schema", changes[0].what + more, "`logstv schema diff` shows them, `logstv schema apply` settles them"
        )
    elif picture.changes is not None:
        yield ok("schema", "the tables are as the files say")


def replicas(picture: Picture) -> Iterator[Finding]:
    """Are there replicas enough for a node to be down?"""
    facts, nodes = picture.facts, picture.nodes
    if facts is None or nodes is None or facts.replicas is None:
        return
    here = picture.settings.local_dc
    there = sum(node.datacenter == here for node in nodes)
    count = facts.replicas.get(here, facts.replicas.get("replication_factor", 0))
    more = f"LOGSTV_REPLICATION={here}:{min(3, there)}, then `logstv schema apply` and `nodetool repair --full`"
    if count == 0:
        yield wrong("replicas", f"the datacenter {here} of LOGSTV_LOCAL_DC holds no replica of the keyspace", more)
    elif there > 1 and count == 1:
        yield warning("replicas", f"one replica on {there} nodes: each node that is down takes lines with it", more)
    elif there > 2 and count == 2 and "QUORUM" in picture.settings.consistency:
        yield warning("replicas", "with two replicas a quorum is both: no node may be down", more)
    else:
        yield ok("replicas", f"{count} in {here}, on {there} {'node' if there == 1 else 'nodes'}")


def repair(picture: Picture) -> Iterator[Finding]:
    """Is the keyspace repaired before its tombstones go?"""
    facts = picture.facts
    if facts is None or not facts.grace or not facts.replicas or max(facts.replicas.values()) == 1:
        return
    grace = min(facts.grace.values())
    advice = f"`nodetool repair -pr {picture.settings.keyspace}` on every node, more often than every {span(grace)}"
    if not facts.repairs_told:
        yield warning("repair", "the role may not read when the keyspace was repaired", advice)
    elif facts.repaired_ms is None:
        yield warning("repair", "no repair of the keyspace is known", advice)
    elif (ago := (picture.now_ms - facts.repaired_ms) / 1000) > grace:
        yield warning(
            "repair",
            f"the last repair was {span(ago)} ago, tombstones go after {span(grace)} (gc_grace_seconds)",
            advice,
        )
    else:
        yield ok("repair", f"the last one was {span(ago)} ago; tombstones go after {span(grace)}")


def workers(picture: Picture) -> Iterator[Finding]:
    """Do the workers live, read, and keep up?"""
    found = picture.workers
    if found is None:
        return
    if not found:
        if picture.channels:
            yield wrong("workers", "channels are to be read, and no worker is there", "start one: `logstv ingest`")
        return
    well = True
    for problem in (problem for worker in found for problem in _of_worker(picture, worker)):
        well = False
        yield problem
    if well:
        live = "lives and keeps" if len(found) == 1 else "live and keep"
        yield ok("workers", f"{some([worker.name for worker in found])}: {live} up")


def _of_worker(picture: Picture, worker: Worker) -> Iterator[Finding]:
    figures, age = worker.figures, (picture.now_ms - worker.seen_ms) / 1000
    if abs(age) > _SILENT_SECONDS:
        yield wrong(
            "workers",
            f"{worker.name} gave its last sign of life {span(age)} ago"
            if age > 0
            else f"{worker.name} is {span(-age)} ahead of our clock",
            "see whether it stands still; if not, run NTP on its machine and on this one",
        )
    if figures.alarm:
        yield wrong("workers", f"{worker.name}: {figures.alarm}", "make room on its disk, and see why writes are slow")
    if worker.wanted and not figures.connections and not worker.leaving and not worker.reading:
        yield wrong(
            "workers", f"{worker.name} has no connection with the chat server", "see its log, and LOGSTV_IRC_URL"
        )
    if figures.waiting and figures.lag_ms / 1000 > _LAG_SECONDS:
        yield warning(
            "workers",
            f"{worker.name} writes what was said {span(figures.lag_ms / 1000)} before; {figures.waiting:,} lines "
            f"({size(figures.waiting_bytes)}) wait in its spool",
            "it catches up by itself; if not, see whether Cassandra is busy",
        )


def channels(picture: Picture) -> Iterator[Finding]:
    """Is each channel read that is to be read?"""
    if picture.channels is None:
        return
    if not picture.channels:
        yield warning("channels", "no channel is to be read", "`logstv channels add NAME`")
        return
    unread = [each.login or each.channel.name for each in picture.channels if not each.readers]
    failing = {login: why for worker in picture.workers or () for login, why in worker.failing.items()}
    if unread:
        why = next((f" ({login}: {failing[login]})" for login in unread if login in failing), "")
        yield wrong(
            "channels",
            f"{len(unread)} of {len(picture.channels)} are read by nobody: {some(unread)}{why}",
            "`logstv channels remove NAME` if it is gone; `logstv workers` shows who reads what",
        )
    half = [login for login in failing if login not in unread]
    if half:
        yield warning(
            "channels", f"a worker cannot join {some(half)}: {failing[half[0]]}", "it is tried again; see its log"
        )
    if not unread and not half:
        yield ok("channels", f"all {len(picture.channels)} are read")


def archive(picture: Picture) -> Iterator[Finding]:
    """Are closed days exported long before they expire?"""
    facts, found = picture.facts, picture.archive
    retention = facts.retention.get("channel_messages") if facts else None
    if not picture.settings.archive_url:
        if retention:
            yield warning(
                "archive", f"none is set: lines are gone after {span(retention)}", "name one with LOGSTV_ARCHIVE_URL"
            )
        return
    if retention and retention < _LEAST_RETENTION_DAYS * _DAY:
        yield warning(
            "archive",
            f"lines are kept for {span(retention)}: a day must be exported before its first line expires",
            "raise default_time_to_live in channel_messages.cql to three days at least",
        )
    if found is None:
        return
    names = {each.channel_id: each.login or f"id:{each.channel_id}" for each in found.standing}
    for behind in found.behind:
        left = "" if behind.left_days is None else f", its lines are there for {max(behind.left_days, 0):g} days more"
        urgent = behind.left_days is not None and behind.left_days < _URGENT_DAYS
        yield wrong(
            "archive",
            f"{names[behind.oldest.channel_id]} is behind since {behind.oldest.date} ({behind.days} days to be "
            f"exported{left})",
            "`logstv archive run --once`" + (", now" if urgent else "; see LOGSTV_ARCHIVE_EXPORT of the workers"),
        )
    for failure in found.failures[:3]:
        yield wrong(
            "archive",
            f"{failure.place} could not be exported at {moment(failure.failed_ms)}: {failure.reason}",
            "`logstv archive run --once` tries again, `logstv archive verify` looks at what is there",
        )
    if not found.behind and not found.failures:
        says = f"{sum(each.days for each in found.standing):,} days"
        if retention is not None:
            says += "; Cassandra keeps lines " + ("for ever" if retention == FOR_EVER else f"for {span(retention)}")
        yield ok("archive", says)


def metrics(picture: Picture) -> Iterator[Finding]:
    """Does the worker of this machine tell its metrics, and are they well?"""
    if picture.metrics_failure:
        yield warning("metrics", picture.metrics_failure, "see LOGSTV_METRICS_ADDRESS, and whether a worker runs here")
    elif (found := picture.metrics) is not None and found.alarm:
        yield wrong(
            "metrics",
            f"the spool of the worker here raises an alarm ({found.waiting:,} lines, {size(found.waiting_bytes)})",
            "see its log; make room, or bring Cassandra back",
        )
    elif found is not None:
        yield ok("metrics", f"the worker of this machine reads {found.joined} of {found.wanted} channels")


def untold(picture: Picture) -> Iterator[Finding]:
    """What could not be told, and is not explained by tables that are not there?"""
    parts = defaultdict(list)
    for part, why in picture.untold.items():
        parts[why].append(part)
    missing = any("is missing" in change.what for change in picture.changes or ())
    for why, names in parts.items():
        if not (missing and "logstv schema apply" in why):
            yield wrong(" and ".join(names), f"cannot be told: {why}", "try again; see the nodes' logs")


CHECKS: tuple[Check, ...] = (
    cluster, clocks, tables, replicas, repair, workers, channels, archive, metrics, untold,
)  # fmt: skip


def alarms(found: list[Finding]) -> list[Finding]:
    """Give those of which somebody should know, the worst first."""
    return sorted((each for each in found if each.level is not Level.OK), key=lambda each: each.level is Level.WARNING)
