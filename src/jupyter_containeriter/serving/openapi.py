"""The description of the routes in OpenAPI 3.1, with the types of the model that is served."""

from __future__ import annotations

from typing import Any

from ._version import __version__
from .examples import example_csv, example_request, example_tensors
from .json_schema import NUMBER, TENSOR, plain, record, tensor
from .model import LoadedModel
from .openapi_metadata import ERROR, RESPONSES, VERSION, Document, answer_of, failures_of, health, metadata
from .versions import Version
from .wire import leaves

_INFO = """\
Predictions of a model that was containerized from a notebook. `POST /invocations` takes plain JSON in MLflow's forms,
`POST /v2/models/{name}/infer` tensors of the Open Inference Protocol; both predict the same.
"""


def document(version: Version, *, secured: bool) -> Document:
    """Describe the routes that clients may ask.

    Parameters
    ----------
    version
        Whose model is described.
    secured
        Whether the routes ask for a token.
    """
    model = version.model
    schemas: Document = {"Number": NUMBER, "Tensor": TENSOR, "Error": ERROR}
    tensors = example_tensors(model.inputs, model.sample) if model.inputs and model.sample else None
    forms = _Forms(model, tensors, schemas)
    described: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": model.name,
            "version": version.number,
            "summary": f"Served by jupyter_containeriter {__version__}",
            "description": _INFO.format(name=model.name),
        },
        "servers": [{"url": "/"}],
        "paths": {**health(), **metadata(model.name), **forms.inference(), **forms.scoring()},
        "components": {"schemas": schemas, "responses": RESPONSES},
    }
    if secured:
        scheme = {"type": "http", "scheme": "bearer", "description": "The deployment's token."}
        described["components"]["securitySchemes"] = {"token": scheme}
        described["security"] = [{"token": []}]
    return described


class _Forms:
    """The requests and responses of one model; shared schemas are added to the components."""

    def __init__(self, model: LoadedModel, tensors: list[dict[str, Any]] | None, schemas: Document) -> None:
        self._model = model
        self._tensors = tensors
        self._samples = {tensor["name"]: tensor for tensor in model.sample or ()}
        self._schemas = schemas
        schemas["InferenceRequest"] = self._inference_request()
        schemas["InferenceResponse"] = self._inference_response()
        schemas["ScoringRequest"] = self._scoring_request()
        schemas["ScoringResponse"] = {
            "type": "object",
            "properties": {"predictions": plain(model.outputs, {})},
            "required": ["predictions"],
        }

    def inference(self) -> Document:
        """Return the routes of the Open Inference Protocol."""
        content: Document = {"schema": {"$ref": "#/components/schemas/InferenceRequest"}}
        if self._tensors is not None:
            content["example"] = {"inputs": self._tensors}
        answer = answer_of({"$ref": "#/components/schemas/InferenceResponse"}, "The model's outputs.")
        base = f"/v2/models/{self._model.name}"
        return {
            f"{base}/infer": _post("infer", "Predict from tensors", {"application/json": content}, answer),
            f"{base}/versions/{{version}}/infer": _post(
                "inferVersion",
                "Predict from tensors, with one version",
                {"application/json": content},
                answer,
                parameters=[VERSION],
            ),
        }

    def scoring(self) -> Document:
        """Return the route of MLflow's scoring."""
        content: Document = {"application/json": {"schema": {"$ref": "#/components/schemas/ScoringRequest"}}}
        schema = self._model.inputs
        if schema is not None and self._tensors is not None:
            content["application/json"]["example"] = example_request(schema, self._tensors)
            if (text := example_csv(schema, self._tensors)) is not None:
                content["text/csv"] = {"schema": {"type": "string"}, "example": text}
        answer = answer_of({"$ref": "#/components/schemas/ScoringResponse"}, "The model's predictions.")
        return {"/invocations": _post("score", "Predict from plain JSON or CSV", content, answer)}

    def _described(self, schema: dict[str, Any] | None, prefix: str) -> list[Document]:
        """Add the schemas of a value's tensors to the components, and return references to them."""
        references = []
        for place, leaf in enumerate(leaves(schema) if schema else ()):
            name = f"{prefix}{place}"
            self._schemas[name] = tensor(leaf)
            references.append({"$ref": f"#/components/schemas/{name}"})
        return references

    def _inference_request(self) -> Document:
        references = self._described(self._model.inputs, "Input")
        items = _one_of(references or [_ANY_TENSOR])
        parameters = {
            "type": ["object", "null"],
            "description": "Without a signature, `schema` may describe the inputs.",
        }
        wanted = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        return {
            "type": "object",
            "properties": {
                "id": {"type": "string", "description": "Given back in the response."},
                "parameters": parameters,
                "inputs": {"type": "array", "items": items, "minItems": max(1, len(references))},
                "outputs": {
                    "type": ["array", "null"],
                    "items": wanted,
                    "description": "Which to send; all without it.",
                },
            },
            "required": ["inputs"],
        }

    def _inference_response(self) -> Document:
        # Outputs of another dtype than the sample's, and labels of rows, are tensors of their own.
        references = [*self._described(self._model.outputs, "Output"), _ANY_TENSOR]
        return {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "model_name": {"type": "string", "const": self._model.name},
                "model_version": {"type": "string"},
                "parameters": {"type": "object"},
                "outputs": {"type": "array", "items": _one_of(references)},
            },
            "required": ["model_name", "model_version", "outputs"],
        }

    def _scoring_request(self) -> Document:
        schema = self._model.inputs
        if schema is not None and schema["kind"] == "dataframe":
            self._schemas["Record"] = record(schema, self._samples)
            forms = _frame_forms(schema, {"$ref": "#/components/schemas/Record"})
        else:
            value = plain(schema, self._samples)
            rows = schema is not None and schema["kind"] in ("ndarray", "torch", "jax", "list", "series")
            forms = {"inputs": value, **({"instances": value} if rows or schema is None else {})}
        params: Document = {"type": ["object", "null"]}
        if not self._model.takes_params:
            params |= {"maxProperties": 0, "description": "This model takes none."}
        # Other members are left aside, as by MLflow.
        return {
            "oneOf": [
                {"type": "object", "properties": {form: given, "params": params}, "required": [form]}
                for form, given in forms.items()
            ]
        }


_ANY_TENSOR = {"$ref": "#/components/schemas/Tensor"}


def _one_of(references: list[Document]) -> Document:
    return references[0] if len(references) == 1 else {"anyOf": references}


def _frame_forms(schema: dict[str, Any], row: Document) -> Document:
    labels = [column["label"] for column in schema["columns"]]
    count = {"minItems": len(labels), "maxItems": len(labels)}
    columns = {"type": ["array", "null"], "items": {"type": "string", "enum": labels}, "uniqueItems": True, **count}
    data = {"type": "array", "items": {"type": "array", "items": {}, **count}}
    index = {"type": ["array", "null"], "items": {}}
    split = {
        "type": "object",
        "properties": {"columns": columns, "data": data, "index": index},
        "required": ["data"],
    }
    records = {"type": "array", "items": row}
    return {"dataframe_records": records, "dataframe_split": split, "inputs": records, "instances": records}


def _post(name: str, summary: str, content: Document, answer: Document, **more: Any) -> Document:
    failures = failures_of("400", "401", "404", "406", "413", "415", "422", "500", "503")
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": ["Predictions"],
            "requestBody": {"required": True, "content": content},
            "responses": {"200": answer, **failures},
            **more,
        }
    }
