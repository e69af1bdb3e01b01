"""Responses: JSON, and errors as the Open Inference Protocol words them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .inference import write_json


def json_response(content: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(write_json(content), status, media_type="application/json")


def error_response(status: int, message: str, headers: Any = None) -> Response:
    """Answer with ``{"error": message}``."""
    return Response(write_json({"error": message}), status, headers, "application/json")
