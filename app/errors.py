"""What a client can do wrong, and what can go wrong while it is answered.

AppError
├── PortTaken                the port cannot be listened on
└── Problem                  an answer that is a problem: RFC 9457, with a stable code
    ├── BadRequest           400: what was asked makes no sense
    │   └── BadLogin         400: this cannot be a login
    ├── Forbidden            403: this may not be asked
    │   └── HasOptedOut      403: the user or the channel has opted out
    ├── NotFound             404: there is no such thing
    └── TooManyListeners     503: no more live streams than these
"""

from __future__ import annotations


class AppError(Exception):
    """The base of everything the service raises on purpose."""


class PortTaken(AppError):
    """The port cannot be listened on."""


class Problem(AppError):
    """An answer that is a problem.

    Attributes:
        status: of the answer.
        code: stable, for programs.
        title: the same for every problem with this code.
        detail: a sentence about this one: what is wrong, and what would be right.
        retry_seconds: when asking again may help; None if it never does.
    """

    status = 500
    code = "internal_error"
    title = "Something went wrong"
    retry_seconds: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(Problem):
    """What was asked makes no sense."""

    status = 400
    code = "invalid_request"
    title = "The request makes no sense"


class BadLogin(BadRequest):
    """This cannot be a login."""

    code = "invalid_channel_login"
    title = "This cannot be a login"


class Forbidden(Problem):
    """This may not be asked."""

    status = 403
    code = "forbidden"
    title = "This may not be asked"


class HasOptedOut(Forbidden):
    """The user or the channel has opted out."""

    code = "opted_out"
    title = "Opted out"


class NotFound(Problem):
    """There is no such thing."""

    status = 404
    code = "not_found"
    title = "There is no such thing"


class TooManyListeners(Problem):
    """There are as many live streams as this instance allows."""

    status = 503
    code = "too_many_listeners"
    title = "Not now"
    retry_seconds = 30
