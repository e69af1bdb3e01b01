"""What the handlers have in common: who may ask, what may be asked, and how errors are told."""

from __future__ import annotations

import json
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, authenticated

from jupyter_containeriter.errors import (
    BusyError,
    CaptureError,
    ContainerIterError,
    EngineUnreachableError,
    HistoryError,
    NotFoundError,
    NotServingError,
    ParityError,
    RestoreError,
    TooLargeError,
    UsageError,
)
from jupyter_containeriter.extension.service import Service

#: What Jupyter's authorisers are asked about; with ``read``, ``write`` or ``execute``.
RESOURCE = "containeriter"
#: Where the settings of the web application hold the service.
SERVICE = "containeriter_service"
JSON = "application/json"
#: For pages that hold what others wrote: nothing in them runs or is sent, and they have no part in Jupyter's origin.
SANDBOXED = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"


_STATUSES: tuple[tuple[type[ContainerIterError], int], ...] = (
    (TooLargeError, 413),
    (UsageError, 400),
    (NotFoundError, 404),
    (BusyError, 409),
    (ParityError, 422),
    (CaptureError, 422),
    (RestoreError, 422),
    (EngineUnreachableError, 503),
    (NotServingError, 503),
    (HistoryError, 503),
    (ContainerIterError, 502),
)
_REMEDIES = {
    403: "Log in to Jupyter; if you are, reload the page.",
    404: "See openapi.yaml of jupyter_containeriter for the routes.",
    405: "See openapi.yaml of jupyter_containeriter for the routes.",
}


Method = TypeVar("Method", bound=Callable[..., Awaitable[None]])


def allowed(action: Literal["read", "write", "execute"]) -> Callable[[Method], Method]:
    """Let only people ask who are logged in, and whom Jupyter's authoriser lets do this to :data:`RESOURCE`."""

    def guarded(method: Method) -> Method:
        return cast("Method", authenticated(authorized(action=action)(method)))

    return guarded


class Handler(APIHandler):
    """Answers people who are logged in, may do this, and come from Jupyter's own pages (or with its token)."""

    auth_resource = RESOURCE
    #: What the answer is; Jupyter's own way of saying it would be lost when the answer is finished.
    content_type = JSON

    @property
    def service(self) -> Service:
        """What is worked on."""
        service: Service = self.settings[SERVICE]
        return service

    def body(self, **fields: tuple[type, ...]) -> dict[str, Any]:
        """Return the members of the JSON object that was sent, each of one of these types.

        Raises
        ------
        UsageError
            It is something else.
        """
        try:
            found = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise UsageError("The body of the request is no JSON.", "Send an object such as {}.") from error
        if not isinstance(found, dict):
            raise UsageError("The body of the request is no JSON object.", "Send an object such as {}.")
        if unknown := sorted(found.keys() - fields.keys()):
            raise UsageError(f"There is no {unknown[0]!r:.100} here.", f"There is: {', '.join(fields) or 'nothing'}.")
        for name, value in found.items():
            if type(value) not in fields[name]:
                raise UsageError(f"{name} cannot be {value!r:.100}.", f"Give {_words(fields[name])}.")
        return found

    def number(self, name: str, default: int, most: int) -> int:
        """Return a positive whole number of the query.

        Raises
        ------
        UsageError
            It is something else, or too large.
        """
        text = self.get_query_argument(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 0 < int(text) <= most):
            raise UsageError(f"{name}={text!r:.100} is no number from 1 to {most}.", f"For example {name}=10.")
        return int(text)

    def lines(self) -> int:
        """Return how many of the last lines of a log are wanted."""
        return self.number("tail", 200, 10_000)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with the status that an error of ours has."""
        error = _error(kwargs)
        statuses = (status for kind, status in _STATUSES if isinstance(error, kind))
        super().send_error(next(statuses, status_code), **kwargs)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is nobody's mistake: errors of ours are told to whoever asked."""
        if not isinstance(value, ContainerIterError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell any error as JSON: what it is, what happened, what to do."""
        self.content_type = JSON
        self.finish(json.dumps(_told(status_code, _error(kwargs))))

    def finish(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Finish the answer."""
        return super().finish(*args, **{"set_content_type": self.content_type, **kwargs})


def _error(told: Mapping[str, Any]) -> BaseException | None:
    error: BaseException | None = told.get("exc_info", (None, None, None))[1]
    return error


def _told(status: int, error: BaseException | None) -> Mapping[str, str]:
    if isinstance(error, ContainerIterError):
        return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    phrase = HTTPStatus(status).phrase
    if isinstance(error, HTTPError):
        message = error.log_message or phrase
        return {"error": phrase.replace(" ", ""), "message": message, "remedy": _REMEDIES.get(status, "See the log.")}
    message = f"The server failed: {type(error).__name__}."
    return {"error": "InternalServerError", "message": message, "remedy": "See the log of the Jupyter server."}


def _words(types: tuple[type, ...]) -> str:
    names = {int: "a whole number", str: "a text", bool: "true or false", type(None): "null"}
    return " or ".join(names[kind] for kind in types)
