"""The scoring routes of MLflow, which SageMaker asks for, too."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ._version import __version__
from .batcher import Prediction
from .model import LoadedModel
from .service import Service

_JSON, _CSV = "application/json", "text/csv"

#: ASCII is UTF-8, too.
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})

#: By the parameters that a content type may have: the values that are understood.
_PARAMETERS = {
    _JSON: {"charset": _CHARSETS},
    _CSV: {"charset": _CHARSETS, "header": frozenset({"present", "absent"})},
}


async def ping(service: Service, request: Request) -> Response:
    """Tell whether it predicts."""
    return Response(status_code=200 if service.ready else 503)


async def version(service: Service, request: Request) -> Response:
    """Tell the version of the server, as MLflow's tells its own."""
    return Response(__version__, media_type="text/plain")


async def invocations(service: Service, request: Request) -> Response:
    """Predict."""
    service.live()  # What is refused is refused before its body is read.
    kind, parameters = _content_type(request.headers.get("content-type", _JSON))
    _insist_on_json_accepted(request.headers.getlist("accept"))
    body = await service.body(request)
    header = parameters.get("header", "present") == "present" if kind == _CSV else None

    def job(model: LoadedModel) -> Prediction:
        from .scoring import read_scoring, write_scoring

        data, options = read_scoring(model, body, csv_header=header)
        return Prediction(data, lambda result: write_scoring(model, result), options)

    return Response(await service.work(service.live(), job), media_type=_JSON)


def _content_type(header: str) -> tuple[str, dict[str, str]]:
    """Return the content type and its parameters, or answer 415."""
    kind, *pairs = (part.strip().lower() for part in header.split(";"))
    understood = _PARAMETERS.get(kind)
    if understood is None:
        raise HTTPException(415, f"expected {_JSON} or {_CSV}, got {kind}")
    parameters = {name.strip(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in pairs if p)}
    for name, value in parameters.items():
        if value not in understood.get(name, ()):
            known = "; ".join(f"{parameter}={' or '.join(sorted(understood[parameter]))}" for parameter in understood)
            raise HTTPException(415, f"{kind} with {name}={value} is not understood, only with {known}")
    return kind, parameters


def _insist_on_json_accepted(headers: list[str]) -> None:
    """Answer 406 to who says to take something else than JSON."""
    ranges = [one.partition(";")[0].strip().lower() for header in headers for one in header.split(",")]
    if any(ranges) and not {_JSON, "application/*", "*/*"} & set(ranges):
        raise HTTPException(406, f"predictions are {_JSON}, which Accept: {', '.join(ranges)} leaves out")
