"""The parts of the OpenAPI description that are alike for all models: health, metadata, errors."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

ERROR: Document = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "What is wrong, and where."}},
    "required": ["error"],
}


def answer_of(schema: Document, description: str) -> Document:
    """Return an answer in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str) -> Document:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


#: What is told beside the answer, by status.
_FAILURES = {
    "400": ("Malformed", "The request is malformed, or not what the model's signature describes."),
    "401": ("NoToken", "The deployment's token is missing or wrong."),
    "404": ("Unknown", "There is no such model or version."),
    "406": ("NotAcceptable", "Predictions are JSON only."),
    "413": ("TooLarge", "The request's body is too large."),
    "415": ("OtherType", "The content type is not taken."),
    "422": ("Refused", "The model raised an exception for these data."),
    "500": ("Failed", "The model ended, ran out of memory or returned what cannot be sent."),
    "503": ("NotReady", "The model is still loading, or too much is asked of it."),
    "default": ("Other", "Any other error."),
}
RESPONSES: Document = {
    name: answer_of({"$ref": "#/components/schemas/Error"}, description) for name, description in _FAILURES.values()
}


def failures_of(*statuses: str) -> Document:
    """Return the errors that a route may answer with, by status, beside the ones that any may."""
    return {status: {"$ref": f"#/components/responses/{_FAILURES[status][0]}"} for status in (*statuses, "default")}


def _get(name: str, summary: str, tag: str, answers: Document, **more: Any) -> Document:
    return {"get": {"operationId": name, "summary": summary, "tags": [tag], "responses": answers, **more}}


def _flag(name: str) -> Document:
    return {"type": "object", "properties": {name: {"type": "boolean"}}, "required": [name]}


def health() -> Document:
    """Return the routes that tell of health."""

    def route(name: str, summary: str, answers: Document) -> Document:
        # Open to everybody, whatever the others ask for.
        return _get(name, summary, "Health", {**answers, **failures_of()}, security=[])

    unready = answer_of(_flag("ready"), "It does not predict yet.")
    empty = {"200": {"description": "It predicts."}, "503": {"description": "It does not predict yet."}}
    return {
        "/v2/health/live": route("live", "Whether the server runs", {"200": answer_of(_flag("live"), "It does.")}),
        "/v2/health/ready": route(
            "ready", "Whether the model predicts", {"200": answer_of(_flag("ready"), "It does."), "503": unready}
        ),
        "/ping": route("ping", "Whether the model predicts, as MLflow and SageMaker ask", empty),
        "/health": route("health", "The same as /ping", empty),
    }


VERSION: Document = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The number of a version that the server holds.",
    "schema": {"type": "string"},
}

_SERVER: Document = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "extensions": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "version", "extensions"],
}

_TENSOR_METADATA: Document = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}, "description": "-1 is any number."},
    },
    "required": ["name", "datatype", "shape"],
}

_MODEL: Document = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}},
        "platform": {"type": "string"},
        "inputs": {"type": "array", "items": _TENSOR_METADATA},
        "outputs": {"type": "array", "items": _TENSOR_METADATA},
    },
    "required": ["name", "platform", "inputs", "outputs"],
}

_READY: Document = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
    "required": ["name", "ready"],
}


_STATISTICS = answer_of(
    {
        "type": "object",
        "properties": {"model_stats": {"type": "array", "items": {"type": "object"}}},
        "required": ["model_stats"],
    },
    "Counts and times.",
)


def metadata(name: str) -> Document:
    """Return the routes that describe server and model."""

    def route(operation: str, summary: str, answer: Document, *failures: str, **more: Any) -> Document:
        return _get(operation, summary, "Metadata", {"200": answer, **failures_of("401", *failures)}, **more)

    base = f"/v2/models/{name}"
    one = f"{base}/versions/{{version}}"
    both = ("404", "503")
    found: Document = {
        "/v2": route("server", "Name, version and extensions of the server", answer_of(_SERVER, "They.")),
        "/version": route("serverVersion", "The version of the server", _text("Its version.")),
        "/metrics": route("metrics", "Figures for Prometheus", _text("Its text format.")),
        "/v2/models/stats": route("stats", "How often each version was asked", _STATISTICS),
        "/v2/repository/index": _index(),
    }
    for path, operation, summary, answer in (
        ("", "model", "Versions and tensors", answer_of(_MODEL, "They.")),
        ("/ready", "Ready", "Whether it predicts", answer_of(_READY, "It does.")),
        ("/config", "Config", "What Triton's clients ask for", answer_of({"type": "object"}, "Its configuration.")),
        ("/stats", "Stats", "How often it was asked", _STATISTICS),
    ):
        suffix = operation if path else ""
        found[base + path] = route(f"model{suffix}", f"The model: {summary[0].lower()}{summary[1:]}", answer, *both)
        found[one + path] = route(
            f"version{suffix}", f"A version: {summary[0].lower()}{summary[1:]}", answer, *both, parameters=[VERSION]
        )
    return found


def _index() -> Document:
    member = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("name", "version", "state", "reason")},
        "required": ["name", "version", "state"],
    }
    body = {"type": "object", "properties": {"ready": {"type": "boolean", "description": "Only what predicts."}}}
    described = _get("index", "The versions that are held", "Metadata", {})["get"]
    answers = {"200": answer_of({"type": "array", "items": member}, "They."), **failures_of("400", "401", "413")}
    content = {"application/json": {"schema": body}}
    return {"post": {**described, "requestBody": {"content": content}, "responses": answers}}
