"""Nothing secret or accidental gets into an image: real notebooks, in which people plant both."""

from __future__ import annotations

import tarfile

import pytest
from notebook_bench import Desk, Lab, open_desk

from jupyter_containeriter.types import CONTAINER_ROOT

pytestmark = pytest.mark.usefixtures("sandbox_working")

#: In the form of a real one; it was never valid.
AWS = "AKIA" + "Z3MFDQ7YLLP2QXWE"

_FRAME = "import numpy, pandas\ndef frame(megabytes): return pandas.DataFrame({'x': numpy.zeros(megabytes * 131072)})"


@pytest.fixture
def desk(lab: Lab) -> Desk:
    """Open a notebook in which a good model runs."""
    desk = open_desk(lab, "sandbox", "mean", SHOP_TOKEN="an unremarkable sentence")
    desk.notebook.ok(_FRAME)
    return desk


def _local_files(lab: Lab, name: str, version: int) -> set[str]:
    """Return the local files of an image by their paths, without byte code."""
    below = f"{CONTAINER_ROOT}/code/".lstrip("/")
    with tarfile.open(lab.image(name, version).layers[-1].path) as archive:
        files = {member.name for member in archive if member.isfile() and not member.name.endswith(".pyc")}
    return {file.removeprefix(below) for file in files if file.startswith(below)}


# --- data ----------------------------------------------------------------------------------------------------------


def test_a_table_in_a_closure(desk: Desk) -> None:
    """Fifty megabytes that a lambda mentions are refused with the way to them, go along if asked to, and are told."""
    desk.notebook.ok(
        "def make(held):\n    return lambda rows: [float(len(held)) for row in rows]\nclosed = make(frame(50))"
    )
    refusal = desk.refuse("%containerize closed --sample rows")
    assert refusal.kind == "CaptureError"
    assert "closed.<closure held> (DataFrame, 52 MB)" in refusal.message
    assert "--allow-data" in refusal.remedy
    assert desk.lab.statuses("closed") == ["failed"]
    allowed = desk.notebook.ok("%containerize closed --sample rows --allow-data")
    assert "Data goes into the image: closed.&lt;closure held&gt; (DataFrame, 52 MB)" in allowed.html
    assert desk.lab.statuses("closed") == ["failed", "verified"]


def test_a_small_table_is_told(desk: Desk) -> None:
    """One megabyte goes along, and the card says so; the limit is a setting."""
    desk.notebook.ok("table = frame(1)\ndef counted(rows): return [float(len(table)) for row in rows]")
    cell = desk.notebook.ok("%containerize counted --sample rows")
    assert "counted.&lt;global table&gt; (DataFrame, 1.0 MB)" in cell.html
    desk.notebook.ok("%config ContainerIter.data_limit = '100k'")
    assert "100 kB that may" in desk.notebook.run("%containerize counted --sample rows").refusal().message


def test_a_model_that_keeps_its_training_frame(desk: Desk) -> None:
    """A result that holds the frame it was fitted on is refused, through the API too, until it is removed."""
    desk.notebook.ok(
        "class Result:\n"
        "    def __init__(self, data): self.model = {'data': data}; self.mean = float(data.x.mean())\n"
        "    def predict(self, rows): return [self.mean for row in rows]\n"
        "result = Result(frame(50))\n"
        "import jupyter_containeriter as citer"
    )
    refusal = desk.refuse("citer.containerize(result, name='result', sample=rows)")
    assert "result.model['data'] (DataFrame, 52 MB)" in refusal.message
    desk.notebook.ok("citer.containerize(result, name='result', sample=rows, allow_data=True)")
    desk.notebook.ok("result.model.clear()")
    cell = desk.notebook.ok("%containerize result --sample rows")
    assert "Data goes" not in cell.html


# --- secrets -------------------------------------------------------------------------------------------------------


def test_a_key_in_a_cell(desk: Desk) -> None:
    """A key in a function of a cell is refused by function, line and kind, and never shown."""
    desk.notebook.ok(f"# a comment\ndef keyed(rows):\n    key = '{AWS}'\n    return [1.0 for row in rows]")
    refusal = desk.refuse("%containerize keyed --sample rows")
    assert "keyed (line 3 of its cell): AWS Access Key" in refusal.message
    assert AWS not in refusal.message + refusal.remedy
    assert AWS not in desk.lab.rows("keyed")[-1]["error"]
    cell = desk.notebook.ok("%containerize keyed --sample rows --allow-secrets")
    assert "Secrets go into the image" in cell.html
    assert AWS not in cell.html


def test_a_key_in_a_cell_magic(desk: Desk) -> None:
    """The cell that defines ``predict`` is looked at like any other."""
    refusal = desk.refuse(
        f"%%containerize mean --sample rows\ndef predict(model, rows):\n    password = 'correct-horse-7'\n"
        f"    return [1.0 for row in rows]  # {AWS}"
    )
    assert "predict (line 2 of its cell): a password or key, by its name" in refusal.message


def test_a_key_in_a_closure(desk: Desk) -> None:
    """A configuration that a closure holds is looked into."""
    desk.notebook.ok(
        f"def make(config):\n    return lambda rows: [1.0 for row in rows if config]\n"
        f"configured = make({{'cloud': {{'api_key': 'q8Zp41LmTw'}}, 'id': '{AWS}'}})"
    )
    message = desk.refuse("%containerize configured --sample rows").message
    assert "configured.<closure config>['id']: AWS Access Key" in message
    assert "configured.<closure config>['cloud']['api_key']: a password or key, by its name" in message


def test_a_key_in_a_local_module(desk: Desk) -> None:
    """A local module goes into the image as it is: file and line are named."""
    module = desk.lab.directory / "shop.py"
    module.write_text(f"import os\nACCESS = '{AWS}'\ndef one(): return 1.0\n")
    desk.notebook.ok("from shop import one\ndef local(rows): return [one() for row in rows]")
    assert f"{module}, line 2: AWS Access Key" in desk.refuse("%containerize local --sample rows").message


def test_a_value_of_the_environment(desk: Desk) -> None:
    """The value of a secret variable is recognised wherever it got to."""
    desk.notebook.ok("leaking = Mean(); leaking.header = 'x ' + os.environ['SHOP_TOKEN']")
    message = desk.refuse("%containerize leaking --sample rows").message
    assert "leaking.header: the value of $SHOP_TOKEN" in message
    assert "unremarkable" not in message


def test_a_token_of_a_deployment(desk: Desk) -> None:
    """The token of what runs must not be baked into what runs next."""
    desk.notebook.ok("calling = Mean(); calling.headers = {'Authorization': 'Bearer ' + good.token}")
    assert "the token of container" in desk.refuse("%containerize calling --sample rows").message


def test_key_files_stay_here(desk: Desk) -> None:
    """Of a local package everything goes into the image but the files in which keys are kept."""
    package = desk.lab.directory / "store"
    package.mkdir()
    for name, text in {
        "__init__.py": "def one(): return 1.0\n",
        "words.txt": "a b",
        ".env": "X=1",
        "prod.env": "X=1",
        "id_rsa": "key",
        "own.pem": "-----BEGIN RSA PRIVATE KEY-----",
    }.items():
        (package / name).write_text(text)
    desk.notebook.ok("from store import one\ndef packed(rows): return [one() for row in rows]")
    cell = desk.notebook.ok("%containerize packed --sample rows")
    assert "prod.env, where a key or password is kept" in cell.html
    assert _local_files(desk.lab, "packed", 1) == {"store/__init__.py", "store/words.txt"}


# --- the proof -----------------------------------------------------------------------------------------------------


def test_a_model_that_reads_a_file(desk: Desk) -> None:
    """A file that the container will not have is missed before anything is built."""
    file = desk.lab.directory / "vocabulary.txt"
    file.write_text("3.5")
    desk.notebook.ok(f"def reading(rows): return [float(open('{file}').read()) for row in rows]")
    refusal = desk.refuse("%containerize reading --sample rows")
    assert f"reading reads {file}, which is not captured" in refusal.message
    assert "keep its content in the model" in refusal.remedy
    assert desk.last_row()["name"] == "mean"
    assert desk.lab.rows("reading")[-1]["image_digest"] == ""


def test_ordinary_work_is_not_disturbed(desk: Desk) -> None:
    """What the documentation shows raises no suspicion."""
    desk.notebook.ok(
        "from sklearn.datasets import load_wine\nfrom sklearn.ensemble import RandomForestClassifier\n"
        "X, y = load_wine(return_X_y=True, as_frame=True)\nclf = RandomForestClassifier(10).fit(X, y)"
    )
    cell = desk.notebook.ok("%containerize clf --name wine --sample X[:5]")
    assert "verified" in cell.html
    assert "goes into" not in cell.html
