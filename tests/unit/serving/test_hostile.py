"""Ten thousand requests that mean no good, and a fuzzer that knows the description: the server answers and stays."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jupyter_containeriter.serving import wire

from .conftest import Running, write_root
from .hostile import Target, assault

# The server has no module of that name.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

TOKEN = "s3cret"
PACKAGES = ("dateutil", "numpy", "numpy.libs", "pandas", "pandas.libs", "pytz", "scipy", "scipy.libs", "six.py")

FRAME = pd.DataFrame(
    {
        "age": [41.5, 27.0],
        "city": pd.Categorical(["Bern", "Basel"], categories=["Basel", "Bern", "Chur"]),
        "member": [True, False],
        "visits": [3, 5],
        "since": pd.to_datetime(["2024-01-31", "2024-02-01"]),
        "note": pd.Series(["a", None], dtype=object),
    }
)

#: More than a run has been seen to leave behind, and less than one leaking request in a hundred would.
MOST_GROWTH_BYTES = 64 * 1024**2


def price(frame: Any) -> Any:
    """Predict something that fails for odd data, as models do."""
    if (frame["age"] < 0).any() or frame["age"].isna().any():
        raise ValueError("age: expected numbers from 0")
    return frame["age"].to_numpy() * 2 + frame["visits"].to_numpy() + frame["member"].to_numpy()


def name_type(data: Any) -> str:
    """Predict for data of any kind."""
    return type(data).__name__


def infer_request(value: Any, *, describe: bool) -> dict[str, Any]:
    """Return a request of the Open Inference Protocol, which may describe its inputs itself."""
    schema = wire.infer_schema(value)
    parameters = {"parameters": {"schema": json.dumps(schema)}} if describe else {}
    return {"id": "1", "inputs": wire.encode(value, schema), **parameters}


RECORDS = json.loads(FRAME.to_json(orient="records", date_format="iso"))
TYPED = [
    ("/v2/models/churn/infer", infer_request(FRAME, describe=False)),
    ("/invocations", {"dataframe_records": RECORDS}),
    ("/invocations", {"dataframe_split": json.loads(FRAME.to_json(orient="split", date_format="iso"))}),
    ("/invocations", {"inputs": {name: [record[name] for record in RECORDS] for name in FRAME.columns}}),
]
VALUES = [
    *(FRAME, FRAME.set_index(["city", "visits"]), FRAME["age"], np.arange(6.0).reshape(2, 3), np.array(["a", "b"])),
    *(np.array(["2024-01-31"], dtype="datetime64[D]"), np.array([1, "a", None], dtype=object), np.array([b"x"])),
    *(sparse.csr_matrix(np.eye(2)), {"x": 1, "y": [1.5, 2.5], "z": np.zeros(2)}, (1, np.zeros(2), "a"), [{"a": (1,)}]),
    pd.DataFrame({"i": pd.arrays.IntervalArray.from_tuples([(0, 1)]), "p": pd.PeriodIndex(["2024-01"], freq="M")}),
]
UNTYPED = [
    *(("/v2/models/churn/infer", infer_request(value, describe=True)) for value in VALUES),
    ("/v2/models/churn/infer", infer_request(np.zeros((2, 2)), describe=False)),
    ("/invocations", {"inputs": [[1, 2], [3, 4]]}),
    ("/invocations", {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}}),
]


@pytest.fixture
def serve(tmp_path: Path, start: Callable[..., Running]) -> Callable[..., Running]:
    """Return a function that serves a model behind a token, with or without a sample."""

    def begin(function: Callable[[Any], Any], *sample: Any) -> Running:
        given: dict[str, Any] = {}
        if sample:
            outputs = wire.infer_schema(function(sample[0]), name="output-0")
            signature = {"inputs": wire.infer_schema(sample[0]), "outputs": outputs}
            given = {"sample": sample[0], "changes": {"signature": signature}}
        entry = write_root(tmp_path, function, packages=PACKAGES, **given)
        return start(entry, CONTAINERITER_TOKEN_SHA256=hashlib.sha256(TOKEN.encode()).hexdigest())

    return begin


def resident(server: Running) -> int:
    """Return the bytes of memory that a server holds now."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def attack(server: Running, requests: list[tuple[str, Any]], *, seed: int) -> None:
    """Attack a server, and insist that it answers as before and holds no more than before."""
    headers = {"Authorization": f"Bearer {TOKEN}"}

    def answers() -> list[tuple[int, bytes]]:
        return [
            (answer.status, answer.data)
            for path, body in requests
            for answer in [server("POST", path, json=body, headers=headers)]
        ]

    target = Target(int(server.url.rpartition(":")[2]), TOKEN, "churn", requests)
    expected = answers()
    assert {status for status, _ in expected} == {200}
    # What is imported and kept for good is so after these.
    warm_up = asyncio.run(assault(target, seed=seed, count=500))
    before = resident(server)
    outcome = asyncio.run(assault(target, seed=seed + 1, count=4500))
    growth = resident(server) - before
    failures = warm_up.failures + outcome.failures
    assert not failures, f"{len(failures)} failures\n" + "\n".join(failures[:20])
    assert server.process.poll() is None
    assert answers() == expected
    assert growth < MOST_GROWTH_BYTES, f"{before} bytes before, {growth} more after"
    # Most attacks are understood as what they are: a generator that only broke connections would prove little.
    assert outcome.statuses[400] > outcome.unanswered
    assert outcome.statuses[200] > 0


def test_a_typed_model_survives_five_thousand_hostile_requests(serve: Callable[..., Running]) -> None:
    """With a signature: no failure of the server, the same predictions afterwards, memory as before."""
    attack(serve(price, FRAME), TYPED, seed=1)


def test_an_untyped_model_survives_five_thousand_hostile_requests(serve: Callable[..., Running]) -> None:
    """Without one, where requests describe their own data: the same."""
    attack(serve(name_type), UNTYPED, seed=11)


def test_a_fuzzer_finds_nothing_that_the_description_does_not_say(
    serve: Callable[..., Running], tmp_path: Path
) -> None:
    """Statuses, types, headers and bodies are as described, whatever a fuzzer makes of the description."""
    server = serve(price, FRAME)
    # What a schema cannot say (as many data as the shape has room for, numbers from 0) is refused, and rightly so.
    options = ["--exclude-checks", "positive_data_acceptance", "--phases", "examples,coverage,fuzzing"]
    options += ["--max-examples", "25", "--generation-deterministic", "--header", f"Authorization: Bearer {TOKEN}"]
    run = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json", *options],
        capture_output=True,
        text=True,
        # It keeps notes where it runs.
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
