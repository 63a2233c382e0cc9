"""What EventSub needs of Twitch's API: a login, ids of channels, a conduit and its shards, subscriptions.

twitchio asks; its answers and errors become ours here, and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from twitchio import Client, Conduit, HTTPException, TwitchioException
from twitchio.authentication import ManagedHTTPClient
from twitchio.eventsub import SubscriptionType
from twitchio.http import Route

from ingest.errors import ApiError, LoginRefused
from ingest.pacing import Budget
from ingest.settings import IngestSettings

if TYPE_CHECKING:
    from twitchio.types_.responses import RawResponse

_REQUEST_SECONDS = 15.0
_REQUESTS_PER_10S = 100
"""An application may take 800 points a minute, one a request: https://dev.twitch.tv/docs/api/guide/#twitch-rate-limits."""
_LOGINS_AT_ONCE = 100


class _Http(ManagedHTTPClient):
    """twitchio's, for the addresses that are set.

    twitchio 3.3.2 has Twitch's hosts as class variables of `Route`, for the whole process; here a request is sent to
    where this client's settings say.
    """

    def __init__(self, settings: IngestSettings, client: Client, session: aiohttp.ClientSession) -> None:
        super().__init__(
            client_id=settings.eventsub_client_id,
            client_secret=settings.eventsub_client_secret.get_secret_value(),
            session=session,
            client=client,
        )
        self._addresses = ((Route.BASE, settings.eventsub_api_url), (Route.ID_BASE, settings.eventsub_auth_url))

    async def request(self, route: Route) -> RawResponse | str | None:
        for theirs, ours in self._addresses:
            if route.url.startswith(theirs):
                route._url = ours + route.url.removeprefix(theirs)  # noqa: SLF001 - see the class
        return await super().request(route)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription of a conduit.

    Attributes:
        id: Twitch's id of it.
        type: as in `channel.chat.message`.
        channel_id: whose chat.
        user_id: as whom it is read.
        status: `enabled`, or why it is not.
    """

    id: str
    type: str
    channel_id: int
    user_id: str
    status: str


class TwitchApi:
    """Twitch's API, as one application; to be made and closed while an event loop runs.

    Every method raises ApiError where Twitch refuses or does not answer.

    Attributes:
        client: twitchio's, which sessions belong to.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS))
        self.client = Client(client_id=settings.eventsub_client_id, session=self._session, fetch_client_user=False)
        self._http = self.client._http = _Http(settings, self.client, self._session)  # noqa: SLF001 - no argument for it
        self._budget = Budget(_REQUESTS_PER_10S, 10.0)
        self._logged_in = False

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close(save_tokens=False)
        await self._session.close()

    async def log_in(self) -> None:
        """Get a token for the application; twitchio gets the next one when it expires.

        Raises:
            LoginRefused: Twitch does not take the application's id and secret.
        """
        if self._logged_in:
            return
        try:
            async with self._asking("log in"):
                token = await self._http.client_credentials_token()
        except ApiError as error:
            if error.status in (400, 401, 403):
                raise LoginRefused(
                    f"{error}: see LOGSTV_EVENTSUB_CLIENT_ID and LOGSTV_EVENTSUB_CLIENT_SECRET"
                ) from None
            raise
        await self.client.login(token=token.access_token, load_tokens=False, save_tokens=False)
        self._logged_in = True

    async def channel_ids(self, logins: Iterable[str]) -> dict[str, int]:
        """Give the ids behind logins; those that no account has are not among them."""
        wanted = list(logins)
        found: dict[str, int] = {}
        for first in range(0, len(wanted), _LOGINS_AT_ONCE):
            async with self._asking("look up channels"):
                users = await self.client.fetch_users(logins=wanted[first : first + _LOGINS_AT_ONCE])
            found |= {str(user.name): int(user.id) for user in users}
        return found

    async def conduit(self) -> Conduit:
        """Give the conduit to read: the one that is set, else one that nobody reads, else a new one."""
        named, shards = self._settings.eventsub_conduit, self._settings.eventsub_shards
        async with self._asking("list the conduits"):
            conduits = await self.client.fetch_conduits()
        if named:
            found = next((conduit for conduit in conduits if conduit.id == named), None)
            if found is None:
                raise ApiError(f"the application has no conduit {named!r}: see LOGSTV_EVENTSUB_CONDUIT", 404)
        else:
            found = None
            for conduit in conduits:
                if found is None and not any(
                    status == "enabled" for status, _ in (await self.shards(conduit)).values()
                ):
                    found = conduit
        if found is None:
            async with self._asking("create a conduit"):
                return await self.client.create_conduit(shards)
        if found.shard_count != shards:
            async with self._asking("resize the conduit"):
                return await found.update(shards)
        return found

    async def shards(self, conduit: Conduit) -> dict[int, tuple[str, str]]:
        """Give the status and the session's id of each shard of a conduit."""
        async with self._asking("list the shards of a conduit"):
            return {
                int(shard.id): (str(shard.raw["status"]), shard.session_id or "")
                async for shard in conduit.fetch_shards()
            }

    async def place(self, conduit: Conduit, shard: int, session_id: str) -> None:
        """Have a shard's notifications sent to a session."""
        async with self._asking("give the conduit our session"):
            answer: Any = await self._http.update_conduit_shards(
                conduit.id,
                shards=[{"id": str(shard), "transport": {"method": "websocket", "session_id": session_id}}],
            )
        for error in (answer or {}).get("errors") or ():
            raise ApiError(f"Twitch does not take our session for shard {shard}: {error.get('message', error)}", 400)

    async def subscriptions(self, conduit: Conduit) -> list[Subscription]:
        """Give all subscriptions of a conduit."""
        # twitchio's model (3.3.2) leaves out which conduit a subscription belongs to, so pages are read as they are.
        route = Route("GET", "eventsub/subscriptions", params={"conduit_id": conduit.id})
        async with self._asking("list the subscriptions"):
            pages = self._http.request_paginated(route, converter=lambda each, *, raw: each)  # noqa: ARG005 - twitchio's
            return [
                Subscription(
                    each["id"],
                    each["type"],
                    int(each["condition"].get("broadcaster_user_id") or 0),
                    each["condition"].get("user_id", ""),
                    each["status"],
                )
                async for each in pages
                if each["transport"].get("conduit_id") == conduit.id
            ]

    async def subscribe(self, conduit: Conduit, kind: str, channel_id: int) -> str:
        """Subscribe a conduit to a kind of event of a channel; give the subscription's id.

        Raises:
            ApiError: with status 409 if it is subscribed to it already.
        """
        async with self._asking(f"subscribe to {kind}"):
            answer = await self._http.create_eventsub_subscription(
                type=SubscriptionType(kind),
                version="1",
                condition={"broadcaster_user_id": str(channel_id), "user_id": self._settings.eventsub_user_id},
                transport={"method": "conduit", "conduit_id": conduit.id},
                token_for=None,
            )
        return str(answer["data"][0]["id"])

    async def unsubscribe(self, subscription_id: str) -> None:
        """Delete a subscription; harmless if it is gone."""
        try:
            async with self._asking("delete a subscription"):
                await self._http.delete_eventsub_subscription(subscription_id)
        except ApiError as error:
            if error.status != 404:
                raise

    @contextlib.asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        """Wait for a turn to ask; what goes wrong becomes a sentence.

        twitchio's own words for an error name the whole address, and with it the application's secret: they are neither
        shown nor chained.
        """
        await self._budget.turn()
        try:
            yield
        except HTTPException as error:
            said = error.extra.get("message") if isinstance(error.extra, dict) else None
            raise ApiError(
                f"Twitch refused to {what}: {said or 'no reason given'} ({error.status})", error.status
            ) from None
        except (TwitchioException, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(f"Twitch could not be asked to {what}: {type(error).__name__}") from None
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ApiError(f"Twitch's answer was not understood, asked to {what}: {type(error).__name__}") from None
