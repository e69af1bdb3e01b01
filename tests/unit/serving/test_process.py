"""The server and the proof as processes, started as the container starts them."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from .conftest import Running, prove, run, write_root

Start = Callable[..., Running]

BODY = {"inputs": [{"name": "input-0", "shape": [2], "datatype": "FP64", "data": [1, "NaN"]}]}


def double(data: list[float]) -> list[float]:
    """Predict twice the data."""
    print("predicting")  # noqa: T201 - models do
    return [2 * number for number in data]


# The processes cannot import this module, so its functions travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_server_needs_neither_pandas_nor_numpy(tmp_path: Path, start: Start) -> None:
    """A model of plain Python is served where neither pandas nor numpy can be imported, and ends when told to."""
    server = start(write_root(tmp_path, double, sample=[1.0]))
    answer = server("POST", "/v2/models/churn/infer", json=BODY)
    assert (answer.status, answer.json()["outputs"][0]["data"]) == (200, [2.0, "NaN"])
    assert server("POST", "/invocations", json={"inputs": [1, 2]}).json() == {"predictions": [2.0, 4.0]}
    assert "server" not in answer.headers
    assert server.stop() == 143


def test_server_without_signature_or_libraries_takes_lists(tmp_path: Path, start: Start) -> None:
    """Without signature and numpy, tensors and scoring forms become plain lists."""
    server = start(write_root(tmp_path, double))
    answer = server("POST", "/v2/models/churn/infer", json=BODY).json()
    assert answer["outputs"][0]["data"] == [2.0, "NaN"]
    assert json.loads(answer["parameters"]["schema"])["kind"] == "list"
    assert server("POST", "/invocations", json={"dataframe_split": {"data": [[1]]}}).json() == {"predictions": [[1, 1]]}


def test_server_obeys_its_environment(tmp_path: Path, start: Start) -> None:
    """Version and token come from the environment."""
    digest = hashlib.sha256(b"token").hexdigest()
    server = start(write_root(tmp_path, double), CONTAINERITER_VERSION="7", CONTAINERITER_TOKEN_SHA256=digest)
    assert server("GET", "/v2").status == 401
    told = server("GET", "/v2/models/churn", headers={"Authorization": "Bearer token"}).json()
    assert told["versions"] == ["7"]


def test_bounds_come_from_the_environment(tmp_path: Path, start: Start) -> None:
    """How large a body may be is for whoever runs the image to say."""
    server = start(write_root(tmp_path, double), CONTAINERITER_MAX_BODY_BYTES="50")
    assert server("POST", "/invocations", json={"inputs": [1]}).status == 200
    assert server("POST", "/invocations", json={"inputs": [1] * 100}).status == 413


def test_server_survives_its_requests(tmp_path: Path, start: Start) -> None:
    """Deeply nested, malformed and failing requests leave the server alive."""
    server = start(write_root(tmp_path, double, sample=[1.0]))
    assert server("POST", "/v2/models/churn/infer", body=b"[" * 1_000_000).status == 400
    assert server("POST", "/v2/models/churn/infer", body=b"\x00").status == 400
    assert server("POST", "/v2/models/churn/infer", json=BODY).status == 200


def in_processes(words: list[str]) -> list[int]:
    """Predict in joblib's processes."""
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=2)(delayed(len)(word) for word in words))


def test_a_model_may_predict_in_processes_of_its_own(tmp_path: Path, start: Start) -> None:
    """What a model starts can import packages, and its helpers log no error."""
    server = start(write_root(tmp_path, in_processes, sample=["a", "bb"], packages=("joblib",)))
    answer = server("POST", "/invocations", json={"inputs": ["one", "three"]})
    assert answer.json() == {"predictions": [3, 5]}
    assert server.stop() == 143
    log = "".join(server.lines)
    assert "Traceback" not in log
    assert "No module named" not in log


def test_processes_of_a_model_look_where_it_looks(tmp_path: Path) -> None:
    """The standard library comes first there too, and neither directory, environment nor user adds anything."""

    def paths(_rows: list[str]) -> list[str]:
        import statistics
        import subprocess
        import sys

        script = "import statistics, sys; print(*dict.fromkeys(sys.path), statistics.__file__, sep='\\n')"
        inherited = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        shown = subprocess.run([sys.executable, *inherited, "-c", script], capture_output=True, text=True, check=True)
        return [shown.stdout, "".join(f"{line}\n" for line in [*sys.path, statistics.__file__])]

    write_root(tmp_path / "root", paths, sample=["-"])
    for place in ("code", "site-packages"):
        (tmp_path / "root" / place / "statistics.py").write_text("")
    entry = tmp_path / "root/site-packages/containeriter_serving/__main__.py"
    report = prove(entry, tmp_path / "proof.json")
    there, here = report["outputs"][0]["data"]
    assert there == here
    *_, code, packages, statistics = here.splitlines()
    assert [code, packages] == [str(tmp_path / "root" / place) for place in ("code", "site-packages")]
    assert not statistics.startswith(str(tmp_path))


def test_model_that_does_not_load_ends_the_server(tmp_path: Path) -> None:
    """A model that cannot be loaded ends the process with code 3 and the traceback on stderr."""
    entry = write_root(tmp_path, double)
    (tmp_path / "model/model.pkl").write_bytes(b"altered")
    process = run(entry)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "Traceback" in errors
    assert "not what was captured" in errors


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"CONTAINERITER_PORT": "http"}, "http"),
        ({"CONTAINERITER_TOKEN_SHA256": "x"}, "TOKEN_SHA256"),
        ({"CONTAINERITER_MAX_QUEUE": "0"}, "MAX_QUEUE"),
        ({"CONTAINERITER_MAX_BODY_BYTES": "1 MB"}, "MAX_BODY_BYTES"),
    ],
    ids=["port", "token", "queue", "body"],
)
def test_wrong_settings_are_told(tmp_path: Path, environment: dict[str, str], word: str) -> None:
    """A setting that makes no sense ends the process with a line that names it."""
    process = run(write_root(tmp_path, double), **environment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert word in errors
    assert "Traceback" not in errors


def test_wrong_options_are_told(tmp_path: Path) -> None:
    """An unknown option ends the process with the usage."""
    process = run(write_root(tmp_path, double), "--help")
    assert "usage" in process.communicate(timeout=60)[1]


def test_the_word_of_sagemaker_is_understood(tmp_path: Path) -> None:
    """SageMaker runs images with the argument ``serve``, which changes nothing."""
    process = run(write_root(tmp_path, double, sample=[1.5]), "serve", "--prove", str(tmp_path / "proof.json"))
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads((tmp_path / "proof.json").read_text())["outputs"]


def test_proof_predicts_the_sample(tmp_path: Path) -> None:
    """The proof gives the sample's predictions, their schema and what was imported, whatever the model prints."""
    report = prove(write_root(tmp_path, double, sample=[1.5, math.inf]), tmp_path / "proof.json")
    assert report["outputs"] == [
        {"name": "output-0", "shape": [2], "datatype": "FP64", "data": [3.0, "Infinity"]},
    ]
    assert report["output_schema"]["kind"] == "list"
    assert {"cloudpickle", "containeriter_serving", "json"} <= set(report["modules"])
    assert not {"numpy", "pandas", "uvicorn", "starlette"} & set(report["modules"])


def test_proof_without_sample_loads_only(tmp_path: Path) -> None:
    """Without a sample the proof loads the model and gives no outputs."""
    report = prove(write_root(tmp_path, double), tmp_path / "proof.json")
    assert (report["outputs"], report["output_schema"]) == (None, None)


def test_proof_runs_from_any_directory(tmp_path: Path) -> None:
    """Started from elsewhere with --root, the proof uses that root's code and finds none of its own neighbours."""
    from jupyter_containeriter import serving

    def look(data: Any) -> Any:
        import importlib.util

        import helper

        return [helper.WORD, importlib.util.find_spec("serving") is None]

    write_root(tmp_path / "root", look, sample=1)
    (tmp_path / "root/code/helper.py").write_text("WORD = 'found'")
    entry = Path(serving.__file__).parent / "__main__.py"
    process = run(entry, "--root", str(tmp_path / "root"), "--prove", str(tmp_path / "proof.json"))
    process.communicate(timeout=60)
    report = json.loads((tmp_path / "proof.json").read_text())
    assert json.loads(report["outputs"][0]["data"][0]) == ["found", True]


def test_proof_names_the_missing_module(tmp_path: Path) -> None:
    """A module that is missing at load or at prediction is named, even behind another exception."""

    def hidden(data: Any) -> Any:
        try:
            import absent_package.part  # noqa: F401
        except ImportError as error:
            raise RuntimeError("no backend") from error

    report = prove(write_root(tmp_path / "a", hidden, sample=1), tmp_path / "a.json")
    assert report["error"]["missing_module"] == "absent_package"
    assert (report["error"]["type"], report["error"]["message"]) == ("RuntimeError", "no backend")
    assert "Traceback" in report["error"]["traceback"]
    import numpy as np

    report = prove(write_root(tmp_path / "b", np.zeros(1)), tmp_path / "b.json")
    assert report["error"]["missing_module"] == "numpy"


def test_proof_tells_what_was_sought_in_vain(tmp_path: Path) -> None:
    """An optional module that is not there is told, whether or not the model fails for want of it."""

    def hidden(data: Any) -> Any:
        try:
            import absent_package
        except ImportError:
            absent_package = None
        if data:
            raise RuntimeError("no backend")
        return absent_package is None

    for sample, error in ((0, None), (1, "no backend")):
        report = prove(write_root(tmp_path / str(sample), hidden, sample=sample), tmp_path / "a.json")
        assert "absent_package" in report["sought"]
        assert report.get("error", {}).get("message") == error


def test_proof_survives_what_the_model_does(tmp_path: Path) -> None:
    """A model that exits gives a report, with no missing module."""

    def leave(data: Any) -> Any:
        sys.exit("enough")

    report = prove(write_root(tmp_path, leave, sample=1), tmp_path / "proof.json")
    assert report["error"]["type"] == "SystemExit"
    assert report["error"]["missing_module"] is None
