"""Who may ask what: the admin key, and the log of a user across channels."""

from __future__ import annotations

import hmac

from app.errors import Forbidden
from app.settings import AppSettings, UserLogPolicy


def is_admin(settings: AppSettings, key: str) -> bool:
    """Say whether a key is the admin's; compared in constant time, and nobody is the admin where none is set."""
    wanted = settings.admin_key.get_secret_value()
    return bool(wanted) and hmac.compare_digest(key.encode(), wanted.encode())


def require_admin(settings: AppSettings, key: str) -> None:
    """Let the admin pass.

    Raises:
        Forbidden: it is someone else, or no admin's key is set.
    """
    if not settings.admin_key.get_secret_value():
        raise Forbidden("this instance has no admin: set LOGSTV_ADMIN_KEY where it runs")
    if not is_admin(settings, key):
        raise Forbidden("this is for the admin of the instance: send the key as X-Api-Key")


def allow_user_log(settings: AppSettings, key: str) -> None:
    """Let a user's log across channels be read, if the policy allows.

    Raises:
        Forbidden: it does not.
    """
    if settings.user_log is UserLogPolicy.OFF:
        raise Forbidden("this instance shows no user's log across channels; ask for the user in one channel")
    if settings.user_log is UserLogPolicy.ADMIN and not is_admin(settings, key):
        raise Forbidden("this instance shows a user's log across channels to its admin alone (X-Api-Key)")
