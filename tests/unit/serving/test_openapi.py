"""The description of the routes: valid, true, and good enough for clients that are made from it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiopenapi3
import cloudpickle
import httpx2
import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from scipy import sparse

from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving.app import ROUTES
from jupyter_containeriter.serving.guard import Keys
from jupyter_containeriter.serving.service import Service

from .conftest import Client, Running, loaded, serving_of, write_root

# The server has no module of that name.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

FRAME = pd.DataFrame(
    {
        "age": [1.5, np.nan],
        "city": pd.Categorical(["a", "b"], categories=["a", "b", "c"]),
        "member": [True, False],
        "visits": [1, 2],
        "calls": pd.array([1, None], dtype="Int8"),
        "note": ["x", None],
        "since": pd.to_datetime(["2024-01-31", "2024-02-01"]),
        "any": pd.Series([1, "a"], dtype=object),
    }
)

SAMPLES = {
    "frame": FRAME,
    "labels": FRAME.set_axis(["first", "second"]),
    "nothing": FRAME.iloc[:0],
    "array": np.arange(12.0).reshape(6, 2),
    "image": np.zeros((2, 3, 3), dtype="uint8"),
    "times": np.array(["2024-01-31", "NaT"], dtype="datetime64[D]"),
    "series": pd.Series([1.0, 2.0], name="age"),
    "list": [1, 2],
    "texts": ["a", "b"],
    "scalar": 1.5,
    "mapping": {"x": 1, "rows": FRAME, "image": np.zeros((2, 2))},
    "sequence": (1, np.zeros(2)),
    "sparse": sparse.csr_matrix(np.eye(2)),
    "json": [{"a": None}],
    "interval": pd.DataFrame({"i": pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 2)])}),
    "numbered": pd.DataFrame(np.zeros((2, 2))),
}


def client_of(sample: Any, keys: Keys | None = None) -> Client:
    """Serve a model that gives its input back, with a sample."""
    model = loaded(lambda data: data, sample, sample)
    object.__setattr__(model, "sample", wire.encode(sample, model.inputs))
    return Client(serving_of(model, keys=keys or Keys()))


def described(client: Client) -> Any:
    """Return the description, which must be valid."""
    answer = client("GET", "/openapi.json")
    assert answer.status == 200
    validate(answer.json)
    return answer.json


def insist(document: Any, name: str, value: Any) -> None:
    """Insist that a value is what a schema of the description says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("kind", SAMPLES)
def test_examples_are_true(kind: str) -> None:
    """Whatever the model takes, the examples fit their schemas, are answered, and so do the answers."""
    client = client_of(SAMPLES[kind])
    document = described(client)
    paths = document["paths"]
    content = paths["/invocations"]["post"]["requestBody"]["content"]
    for media, given in content.items():
        example = given["example"]
        if media == "application/json":
            insist(document, "ScoringRequest", example)
        body = example if media == "application/json" else example.encode()
        answer = client("POST", "/invocations", body, {"Content-Type": media})
        assert answer.status == 200, answer.body
        insist(document, "ScoringResponse", answer.json)
    example = paths["/v2/models/churn/infer"]["post"]["requestBody"]["content"]["application/json"]["example"]
    insist(document, "InferenceRequest", example)
    answer = client("POST", "/v2/models/churn/infer", example)
    assert answer.status == 200, answer.body
    insist(document, "InferenceResponse", answer.json)


def test_columns_are_typed() -> None:
    """Names, types, nullability and categories are those of the sample's columns."""
    number = {"$ref": "#/components/schemas/Number"}
    record = described(client_of(FRAME))["components"]["schemas"]["Record"]
    types = {
        name: {key: one for key, one in schema.items() if key != "description"}
        for name, schema in record["properties"].items()
    }
    assert types == {
        "age": number,
        "city": {"enum": ["a", "b", "c", None]},
        "member": {"type": "boolean"},
        "visits": {"type": "integer", "format": "int64"},
        "calls": {"type": ["integer", "null"], "minimum": -128, "maximum": 127},
        "note": {"type": ["string", "null"]},
        "since": {"type": ["string", "null"]},
        "any": {},
    }
    assert record["required"] == list(FRAME.columns)


def test_every_form_of_a_frame_is_described() -> None:
    """What the server takes for a DataFrame is what the description says it takes."""
    client = client_of(FRAME)
    document = described(client)
    records = document["paths"]["/invocations"]["post"]["requestBody"]["content"]["application/json"]["example"][
        "dataframe_records"
    ]
    split = {"columns": list(records[0]), "index": [7, 8], "data": [list(record.values()) for record in records]}
    for request in ({"dataframe_split": split}, {"inputs": records}, {"instances": records}):
        insist(document, "ScoringRequest", request)
        assert client("POST", "/invocations", request).status == 200


def test_long_samples_are_shortened() -> None:
    """An example has five rows, one where these are long, and is left out where even that one is."""
    for sample, rows in ((np.zeros((9, 2)), 5), (np.zeros((9, 2000)), 1), (np.zeros((9, 20000)), None)):
        content = described(client_of(sample))["paths"]["/invocations"]["post"]["requestBody"]["content"]
        example = content["application/json"].get("example")
        assert (example and len(example["inputs"])) == rows


def test_without_a_sample_anything_is_described() -> None:
    """A model without a signature takes and gives any value, and the description says so."""
    client = Client(serving_of(loaded(len)))
    document = described(client)
    for request in ({"inputs": [1, 2]}, {"instances": ["a"]}):
        insist(document, "ScoringRequest", request)
        answer = client("POST", "/invocations", request)
        assert answer.status == 200
        insist(document, "ScoringResponse", answer.json)


def test_params_are_described_where_the_model_takes_them() -> None:
    """The member params must be empty but for a model that has a parameter for it."""

    def predict(data: Any, params: Any = None) -> Any:
        return data

    for function, taken in ((predict, True), (len, False)):
        schemas = described(Client(serving_of(loaded(function, [1]))))["components"]["schemas"]
        for form in schemas["ScoringRequest"]["oneOf"]:
            assert ("maxProperties" not in form["properties"]["params"]) is taken


def test_every_route_of_clients_is_described() -> None:
    """Routes cannot be added without being described; those of management are nobody else's."""
    paths = described(client_of([1]))["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    management = ("/containeriter/", "/v2/repository/models/")
    routes = {
        (method, path.replace("{name}", "churn")) for method, path, _ in ROUTES if not path.startswith(management)
    }
    assert told == routes - {("GET", "/openapi.json"), ("GET", "/docs")}


def test_the_description_is_for_who_has_the_token() -> None:
    """It tells names of columns and a sample, so it asks for the token, and says that the routes do."""
    keys = Keys(hashlib.sha256(b"s3cret").hexdigest())
    client = client_of(FRAME, keys)
    assert client("GET", "/openapi.json").status == 401
    document = client("GET", "/openapi.json", headers={"Authorization": "Bearer s3cret"}).json
    validate(document)
    assert document["security"] == [{"token": []}]
    assert document["paths"]["/ping"]["get"]["security"] == []
    assert "security" not in described(client_of(FRAME))


def test_there_is_no_description_before_the_model() -> None:
    """While the model loads there is nothing to describe yet."""
    assert Client(Service())("GET", "/openapi.json").status == 503


# --- clients ---------------------------------------------------------------------------------------------------------


def add(rows: Any) -> Any:
    """Predict the sum of two columns."""
    return [age + visits for age, visits in zip(rows["age"], rows["visits"], strict=True)]


def test_a_client_made_from_the_description_predicts(tmp_path: Path, start: Callable[..., Running]) -> None:
    """A client that knows nothing but the description builds typed requests, sends the token and reads predictions."""
    sample = {"age": [1.5, 2.5], "visits": [1, 2]}
    signature = {"inputs": wire.infer_schema(sample), "outputs": wire.infer_schema([2.5], name="output-0")}
    entry = write_root(tmp_path, add, sample=sample, changes={"signature": signature})
    server = start(entry, CONTAINERITER_TOKEN_SHA256=hashlib.sha256(b"s3cret").hexdigest())
    document = json.loads(server("GET", "/openapi.json", headers={"Authorization": "Bearer s3cret"}).data)

    def session(*arguments: Any, **options: Any) -> httpx2.Client:
        return httpx2.Client(*arguments, **options)

    # Annotations are texts in this file; the library wants the class.
    session.__annotations__["return"] = httpx2.Client
    api = aiopenapi3.OpenAPI(f"{server.url}/openapi.json", document, session_factory=session, use_operation_tags=False)
    with pytest.raises(ValueError, match="No security requirement satisfied"):
        api._.score(data={"inputs": sample})
    api.authenticate(token="s3cret")
    request = api._.score.data.get_type().model_validate({"inputs": sample})
    assert api._.score(data=request).predictions == [2.5, 4.5]
    tensors = wire.encode(sample, wire.infer_schema(sample))
    assert api._.infer(data={"inputs": tensors}).outputs[0].root.data == [2.5, 4.5]
    assert api._.modelReady().ready is True


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_is_open_and_shut_off() -> None:
    """Anybody may load the page; it runs what is in it, asks this server only, and is in nobody's frame."""
    client = client_of(FRAME, Keys(hashlib.sha256(b"s3cret").hexdigest()))
    answer = client("GET", "/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    page = answer.body.decode()
    assert not re.findall(r"https?://|\son\w+=|\sstyle=|innerHTML|eval\(", page)
    assert "churn" not in page


def test_the_page_is_part_of_what_is_shipped() -> None:
    """The server in an image finds its page."""
    from jupyter_containeriter.capture.proof import serving_distribution

    names = {Path(name).name for name, _ in serving_distribution("1").files}
    assert {"docs.html", "openapi.py", "_version.py"} <= names
