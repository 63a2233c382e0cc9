"""The routes of justlog and rustlog at the root, and of recent-messages: their clients change an address, no more."""

from __future__ import annotations

from app.routes.compatible import directory, logs, random_line, recent_messages, search, stats

# A path that names what it asks for (`random`) stands before those that take anything there.
ROUTERS = (
    directory.router,
    search.router,
    stats.router,
    random_line.router,
    logs.router,
    recent_messages.router,
)
