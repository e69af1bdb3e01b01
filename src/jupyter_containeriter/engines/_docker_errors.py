"""The one place where errors of the docker SDK and the libraries below it become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_containeriter.errors import ContainerIterError, EngineError, EngineUnreachableError


@contextmanager
def translated(endpoint: str) -> Iterator[None]:
    """Raise what goes wrong inside as :class:`EngineError` or :class:`EngineUnreachableError`.

    Our own errors and interrupts pass. ``endpoint`` is named where the engine went away.
    """
    import docker.errors
    import requests
    import urllib3

    try:
        yield
    except ContainerIterError:
        raise
    except docker.errors.APIError as error:
        raise EngineError(f"The engine refused: {words(error)}") from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise EngineUnreachableError(
            f"The engine at {endpoint} stopped answering.",
            "It may be busy: run the cell again. If it stays silent, restart the engine.",
        ) from error
    except (
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.ProtocolError,
        OSError,
    ) as error:
        raise EngineUnreachableError(
            f"The connection to the engine at {endpoint} was lost: {reason(error)}."
        ) from error
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineError(f"The engine's answer makes no sense: {error}") from error


def words(error: Exception) -> str:
    """Return the engine's own words, without the HTTP around them."""
    explanation = getattr(error, "explanation", None)
    return str(explanation or error).strip()


def reason(error: BaseException) -> str:
    """Return why a connection failed: the operating system's reason, where one lies below the libraries' layers."""
    return next((os.strerror.lower() for os in _causes(error) if os.strerror), type(error).__name__)


def denied(error: BaseException) -> bool:
    """Whether a connection failed for want of permission."""
    return any(isinstance(cause, PermissionError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[OSError]:
    """Yield the errors of the operating system below ``error``; the libraries also pass causes on as arguments."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, OSError):
            yield item
        queue += [*item.args, item.__cause__, item.__context__]
