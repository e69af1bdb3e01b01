"""Data that came along by accident, and secrets: found where they are, named, and refused unless asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from jupyter_containeriter.capture import leaks
from jupyter_containeriter.capture.guards import Guard, Rules
from jupyter_containeriter.capture.reach import MOST_OBJECTS, reach
from jupyter_containeriter.errors import CaptureError
from jupyter_containeriter.types import Snapshot

Cell = Callable[[str], dict[str, Any]]
Local = Callable[[dict[str, str]], Path]
Take = Callable[..., Snapshot]

#: In the forms that real ones have; none was ever valid.
AWS = "AKIA" + "Z3MFDQ7YLLP2QXWE"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
HUGGING_FACE = "hf_" + "abcdefghijklmnopqrABCDEFGHIJKLMNOP"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
MEGABYTE = 1024**2


class Desk:
    """A guard with a place for what it remembers and what it says."""

    def __init__(self, memory: Path, secrets: dict[str, str] | None = None, **allowed: bool) -> None:
        allowed = {"allow_data": False, "allow_secrets": False, **allowed}
        self.guard = Guard(Rules(10 * MEGABYTE, secrets or {}), memory=memory, **allowed)

    def refused(self, model: Any) -> CaptureError:
        """Insist that a model is refused."""
        with pytest.raises(CaptureError) as caught:
            self.guard.look_at_objects([("model", model)])
        return caught.value

    def passed(self, model: Any) -> list[str]:
        """Insist that it is not, and return what was told."""
        self.guard.look_at_objects([("model", model)])
        return self.guard.notes


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Desk]:
    """Return a function that makes guards."""
    return lambda **options: Desk(tmp_path / "clean", **options)


def _frame(megabytes: float) -> pd.DataFrame:
    return pd.DataFrame({"x": np.zeros(int(megabytes * MEGABYTE / 8))})


# --- data ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("def model(rows): return len(big)", "model.<global big>"),
        ("def make(held):\n    return lambda rows: len(held)\nmodel = make(big)", "model.<closure held>"),
        ("def model(rows, table=big): return len(table)", "model.<default table>"),
        ("def model(rows, *, table=big): return len(table)", "model.<default table>"),
        (
            "class Model:\n    table = big\n    def predict(self, rows): return rows\nmodel = Model()",
            "<class Model>.table",
        ),
        (
            "class Model:\n    def predict(self, rows): return helper(rows)\n"
            "def helper(rows): return len(big)\nmodel = Model()",
            "model.<class Model>.predict.<global helper>.<global big>",
        ),
        ("from functools import partial\ndef f(a, rows): return a\nmodel = partial(f, big)", "model.args[0]"),
        ("model = {'step': [lambda rows: big]}", "model['step'][0].<global big>"),
    ],
)
def test_a_table_on_code_is_refused_with_its_place(
    cell: Cell, desk: Callable[..., Desk], source: str, place: str
) -> None:
    """A function or class of the notebook takes what it mentions along: the way to it, its kind and size are told."""
    namespace = cell(
        f"import numpy, pandas\nbig = pandas.DataFrame({{'x': numpy.zeros(50 * {MEGABYTE} // 8)}})\n{source}"
    )
    error = desk().refused(namespace["model"])
    assert f"{place} (DataFrame, 52 MB)" in error.message
    assert "--allow-data" in error.remedy
    assert "argument" in error.remedy


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(20 * MEGABYTE // 8),
        b"x" * 20 * MEGABYTE,
        "x" * 20 * MEGABYTE,
        [float(n) for n in range(2 * MEGABYTE)],
        [[float(n)] for n in range(MEGABYTE)],
        {f"word {n}": n for n in range(MEGABYTE)},
        pd.Series(np.zeros(20 * MEGABYTE // 8)),
        [np.zeros(1000) for n in range(2000)],
    ],
    ids=["array", "bytes", "text", "list", "rows", "dict", "series", "arrays"],
)
def test_every_kind_of_data_on_code_is_seen(cell: Cell, desk: Callable[..., Desk], value: Any) -> None:
    """Arrays, bytes, texts and long containers count as much as tables do."""
    namespace = cell("def model(rows): return held")
    namespace["held"] = value
    assert "model.<global held>" in desk().refused(namespace["model"]).message


@pytest.mark.parametrize(
    "value",
    [{str(n): n for n in range(300_000)}, [{"word": n} for n in range(300_000)], ["red", "green"] * 500_000],
    ids=["dict", "records", "categories"],
)
def test_a_container_counts_as_it_is_pickled(cell: Cell, desk: Callable[..., Desk], value: Any) -> None:
    """What Python takes for it in memory does not get into an image."""
    namespace = cell("def model(rows): return held")
    namespace["held"] = value
    (data,) = [data for data in reach([("model", namespace["model"])]).data if data.on_code]
    assert data.size_bytes == pytest.approx(len(pickle.dumps(value, protocol=5)), rel=0.01)
    assert desk().passed(namespace["model"])


def test_a_transformer_deep_in_a_pipeline_is_seen(desk: Callable[..., Desk]) -> None:
    """A lambda within a fitted pipeline is found like any other function."""
    table = _frame(50)
    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows - table.x.mean()))
    assert "model.steps[0][1].func.<closure table>" in desk().refused(pipeline).message


def test_less_data_is_told(cell: Cell, desk: Callable[..., Desk]) -> None:
    """Below the limit data goes along, and a note says which."""
    namespace = cell("def model(rows): return len(held)")
    namespace["held"] = _frame(1)
    assert desk().passed(namespace["model"]) == ["Data goes into the image: model.<global held> (DataFrame, 1.0 MB)."]


def test_little_data_is_not_worth_a_note(cell: Cell, desk: Callable[..., Desk]) -> None:
    """A table of a few rows belongs to the model."""
    namespace = cell("def model(rows): return len(held)")
    namespace["held"] = _frame(0.01)
    assert desk().passed(namespace["model"]) == []


def test_allowed_data_is_told(cell: Cell, desk: Callable[..., Desk]) -> None:
    """What is allowed goes along, however large, and a note says so."""
    namespace = cell("def model(rows): return len(held)")
    namespace["held"] = _frame(50)
    (note,) = desk(allow_data=True).passed(namespace["model"])
    assert "model.<global held> (DataFrame, 52 MB)" in note


class _Holder:
    """Keeps the frame it was fitted on, as results of statsmodels do."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.inner = {"data": table}
        self.weights = np.zeros(50 * MEGABYTE // 8)


class _Discreet(_Holder):
    def __getstate__(self) -> dict[str, Any]:
        return {"weights": self.weights}


def test_a_table_in_an_attribute_is_refused(desk: Callable[..., Desk]) -> None:
    """A model that keeps its training frame is refused; its arrays, however large, are the model."""
    error = desk().refused(_Holder(_frame(50)))
    assert "model.inner['data'] (DataFrame, 52 MB)" in error.message
    assert "weights" not in error.message
    assert "remove it" in error.remedy


def test_what_is_not_pickled_does_not_count(desk: Callable[..., Desk]) -> None:
    """An object decides itself what is pickled: a frame that stays behind is no reason to refuse."""
    assert desk().passed(_Discreet(_frame(50))) == []


@pytest.mark.parametrize("model", [RandomForestClassifier(20), GradientBoostingRegressor(n_estimators=20)])
def test_fitted_estimators_are_the_model(desk: Callable[..., Desk], model: Any) -> None:
    """Arrays of estimators are never told, on a function neither."""
    rows = np.random.default_rng(0).random((2000, 20))
    model.fit(rows, rows[:, 0] > 0.5)
    assert desk().passed(model) == []

    def predict(data: Any) -> Any:
        return model.predict(data)

    assert desk().passed(predict) == []


def test_circles_end(desk: Callable[..., Desk]) -> None:
    """What refers to itself is looked at once."""
    circle: list[Any] = []
    circle.append(circle)
    assert desk().passed(circle) == []


def test_a_walk_that_ends_early_says_so(desk: Callable[..., Desk]) -> None:
    """Of very many objects not all are looked at; that is told rather than passed over."""
    (note,) = desk().passed([{"x": object()} for _ in range(MOST_OBJECTS)])
    assert "Only the first" in note


def test_large_vocabularies_are_not_walked() -> None:
    """A plain container of very many texts is data, whose texts are not looked at one by one."""
    assert len(reach([("model", {f"word {n}": f"value {n}" for n in range(10_000)})]).texts) == 0


# --- secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "place", "kind"),
    [
        (f"def model(rows):\n    key = '{AWS}'\n    return rows", "model (line 2 of its cell)", "AWS Access Key"),
        (f"TOKEN = '{GITHUB}'\ndef model(rows): return TOKEN", "model.<global TOKEN>", "GitHub Token"),
        (f"def model(rows, token='{HUGGING_FACE}'): return token", "model.<default token>", "Hugging Face Token"),
        (f"settings = {{'cloud': ['{JWT}']}}\ndef model(rows): return settings", "['cloud'][0]", "JSON Web Token"),
        (
            "def make(config):\n    return lambda rows: config\nmodel = make({'api_key': 'q8Zp41LmTw'})",
            "model.<closure config>['api_key']",
            "by its name",
        ),
        (
            "class Model:\n    def predict(self, rows): return rows\n"
            "model = Model()\nmodel.password = 'hunter2hunter2'",
            "model.password",
            "by its name",
        ),
        (
            "class Model:\n    db = 'postgresql://me:s3cr3tpw@db.local/x'\n    def predict(self, rows): return rows\n"
            "model = Model()",
            "<class Model>.db",
            "Basic Auth",
        ),
        (
            "def model(rows):\n    def inner():\n        password = 'hunter2hunter2'\n        return password\n"
            "    return inner()",
            "model (line 3 of its cell)",
            "by its name",
        ),
        (
            "def model(rows): return '''-----BEGIN RSA PRIVATE KEY-----\nMII'''",
            "model (line 1 of its cell)",
            "Private Key",
        ),
    ],
)
def test_a_planted_secret_is_refused_with_its_place(
    cell: Cell, desk: Callable[..., Desk], source: str, place: str, kind: str
) -> None:
    """Secrets in functions, globals, defaults, closures and attributes are refused, named by place and kind alone."""
    error = desk().refused(cell(source)["model"])
    assert place in error.message
    assert kind in error.message
    assert "--allow-secrets" in error.remedy
    for secret in (AWS, GITHUB, HUGGING_FACE, JWT, "q8Zp41LmTw", "hunter2", "s3cr3tpw"):
        assert secret not in str(error)


@pytest.mark.parametrize(
    ("line", "name", "secret"),
    [
        ("conn = connect(host='db', password='S3cr3tPwd9')", "password", "S3cr3tPwd9"),
        ("client = OpenAI(api_key='abc123def456ghi789')", "api_key", "abc123def456ghi789"),
        ("login('bob', password='S3cr3tPwd9')", "password", "S3cr3tPwd9"),
        ("client = login(\n        'bob',\n        password='S3cr3tPwd9',\n    )", "password", "S3cr3tPwd9"),
        ("db_password: str = 'S3cr3tPwd9'", "db_password", "S3cr3tPwd9"),
        ("password = os.getenv('DB_PASSWORD', 'Tr0ub4dor3')", "DB_PASSWORD", "Tr0ub4dor3"),
        ("password = os.environ.get('X') or 'Tr0ub4dor3'", "password", "Tr0ub4dor3"),
        ("os.environ['DB_PASSWORD'] = 'Tr0ub4dor3'", "DB_PASSWORD", "Tr0ub4dor3"),
        ("API_TOKEN = 'abc123def456ghi789'", "API_TOKEN", "abc123def456ghi789"),
        ("access_token = 'abc123def456ghi789'", "access_token", "abc123def456ghi789"),
        ("client = get(auth_token='abc123def456ghi789')", "auth_token", "abc123def456ghi789"),
        ("password = b'S3cr3tPwd9'", "password", "S3cr3tPwd9"),
        ("password = 'S3cr3tPwd9'.encode()", "password", "S3cr3tPwd9"),
        ("password = f'S3cr3tPwd9'", "password", "S3cr3tPwd9"),
        ('password = """S3cr3tPwd9"""', "password", "S3cr3tPwd9"),
        ("password = (\n        'S3cr3tPwd9'\n    )", "password", "S3cr3tPwd9"),
        ("password = 'S3cr3t' 'Pwd9'", "password", "S3cr3tPwd9"),
        ("user, password = 'bob', 'S3cr3tPwd9'", "password", "S3cr3tPwd9"),
        ("headers = {'X-Api-Key': 'abc123def456ghi789'}", "X-Api-Key", "abc123def456ghi789"),
        ("settings = {'dbPassword': 'S3cr3tPwd9', 'host': make('db')}", "dbPassword", "S3cr3tPwd9"),
        ("assert rows.password == 'S3cr3tPwd9'", "password", "S3cr3tPwd9"),
        ("def inner(password='S3cr3tPwd9'): return password", "password", "S3cr3tPwd9"),
    ],
)
def test_a_secret_by_its_name_is_refused(
    cell: Cell, desk: Callable[..., Desk], tmp_path: Path, line: str, name: str, secret: str
) -> None:
    """However Python gives a literal to a name of a secret, it is found, and the name told: in a cell and in a file."""
    source = f"import os\ndef model(rows):\n    {line}\n    return rows\n"
    error = desk().refused(cell(source)["model"])
    assert f"by its name {name!r}" in error.message
    assert "of its cell" in error.message
    assert secret not in str(error)
    (file := tmp_path / "shop.py").write_text(source)
    (leak,) = leaks.leaks_in_files([file])
    assert f"by its name {name!r}" in leak.kind


@pytest.mark.parametrize("password", ["S3cr3tPwd9", b"S3cr3tPwd9"])
def test_a_secret_that_is_held_is_refused_with_its_name(
    cell: Cell, desk: Callable[..., Desk], password: str | bytes
) -> None:
    """Texts and bytes that hang on a function are judged by the name that holds them."""
    namespace = cell("def model(rows): return db_password")
    namespace["db_password"] = password
    message = desk().refused(namespace["model"]).message
    assert "model.<global db_password>: a password or key, by its name 'db_password'" in message


def test_a_url_with_a_password_alone_is_refused(cell: Cell, desk: Callable[..., Desk]) -> None:
    """Addresses of Redis have a password and no user."""
    error = desk().refused(cell("def model(rows): return 'redis://:S3cr3tPwd9@host:6379/0'")["model"])
    assert "Basic Auth" in error.message
    assert "S3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("shop.json", '{"db": {"password": "S3cr3tPwd9"}}'),
        ("shop.yaml", "db:\n  password: S3cr3tPwd9  # of the shop\n"),
        ("shop.ini", "[db]\npassword=S3cr3tPwd9\n"),
        ("shop.toml", 'password = "S3cr3tPwd9"\n'),
        ("shop.js", "connect({ password: 'S3cr3tPwd9' });\n"),
        ("half.py", "password = 'S3cr3tPwd9'\ndef (\n"),
    ],
)
def test_a_secret_by_its_name_in_other_files_is_found(tmp_path: Path, file: str, text: str) -> None:
    """Files of settings and other languages give literals to names, too."""
    (tmp_path / file).write_text(text)
    (leak,) = leaks.leaks_in_files([tmp_path / file])
    assert "by its name 'password'" in leak.kind


def test_a_comment_is_not_captured(cell: Cell, desk: Callable[..., Desk]) -> None:
    """What stands in a comment does not travel."""
    assert desk().passed(cell(f"def model(rows):\n    # password = '{AWS}'\n    return rows")["model"]) == []


@pytest.mark.parametrize(
    "line",
    [
        "password = os.environ['DB_PASSWORD']",
        "api_key = 'YOUR_API_KEY'",
        "token_key = 'input_ids'",
        "secret = '{secret}'",
        "url = 'https://user:password@example.org'",
        "digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'",
        "password_column = 'passwd'",
        "rename = {'password_length': 'pwlen_1'}",
        "password_hash_column = 'pw_sha256'",
        "api_key_column = 'col_17a'",
        "client = make(api_key_env='MY_API_KEY_2')",
        "api_key = 'MY_API_KEY_2'",
        "client = make(secret_name='projects/123/secrets/x')",
        "SECRET_LEVEL = 'level_3'",
        "tokens = make(pad_token='<pad_0123>', mask_token='mask_token_1', bos_token='beginning_0')",
        "tokenizer = 'bert-base-uncased-v2'",
        "private_key = '/run/secrets/key-2/x'",
        "client_key = 'certs/client-2.pem'",
        "password = read('vault-entry-2')",
        "password = f'{rows}-123'",
    ],
)
def test_ordinary_code_is_not_suspected(cell: Cell, desk: Callable[..., Desk], line: str) -> None:
    """Names, hashes, references and placeholders are what code is full of."""
    assert desk().passed(cell(f"import os\ndef model(rows):\n    {line}\n    return rows")["model"]) == []


def test_real_code_is_not_suspected() -> None:
    """The sources of a large library hold nothing that is suspected."""
    import sklearn.linear_model

    sources = sorted(Path(sklearn.linear_model.__file__).parent.rglob("*.py"))
    assert len(sources) > 20
    assert leaks.leaks_in_files(sources) == []


def test_allowed_secrets_are_told(cell: Cell, desk: Callable[..., Desk]) -> None:
    """What is allowed goes along, and a note says where and what."""
    (note,) = desk(allow_secrets=True).passed(cell(f"def model(rows): return '{AWS}'")["model"])
    assert "AWS Access Key" in note
    assert AWS not in note


def test_a_value_of_the_environment_is_refused(
    cell: Cell, desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of a variable that is secret by its name is refused, whatever it looks like and wherever it is."""
    monkeypatch.setenv("SHOP_TOKEN", "plain-looking words")
    error = desk().refused(cell("def model(rows): return 'see plain-looking words'")["model"])
    assert "the value of $SHOP_TOKEN" in error.message
    assert "plain-looking" not in str(error)


def test_a_token_of_a_deployment_is_refused(cell: Cell, desk: Callable[..., Desk]) -> None:
    """A token of our own must not get into an image."""
    namespace = cell("class M: pass\nmodel = M()\nmodel.header = 'Bearer tok-en_value'")
    error = desk(secrets={"the token of container abc": "tok-en_value"}).refused(namespace["model"])
    assert "model.header: the value of the token of container abc" in error.message


@pytest.mark.parametrize("name", ["SHOP_TOKEN", "DB_PASSWORD", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "APIKEY"])
def test_variables_of_secrets_are_known_by_the_end_of_their_names(name: str) -> None:
    """The value of such a variable is searched for, whatever it looks like."""
    assert leaks.secret_variables({name: "plain-looking"}) == {f"${name}": "plain-looking"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZER_NAME", "bert-base-uncased"),
        ("PASSWORD_AUTH", "disabled"),
        ("REQUIRE_PASSWORD", "disabled"),
        ("SECRET_NAME", "projects/shop"),
        ("PAD_TOKEN", "[padding]"),
    ],
)
def test_variables_about_secrets_are_none(name: str, value: str) -> None:
    """A name that only begins like one of a secret, or a value that is none, would refuse models for a word."""
    assert leaks.secret_variables({name: value}) == {}


@pytest.mark.parametrize("name", ["PWD", "SSH_AUTH_SOCK", "EDITOR"])
def test_ordinary_variables_are_no_secrets(name: str) -> None:
    """Paths, and variables with other names, are not searched for."""
    assert leaks.secret_variables({name: "/home/me/x", "API_KEY_FILE": "/run/secrets/x", "TOKEN": "12345678"}) == {}


def test_what_was_clean_is_not_scanned_again(
    cell: Cell, desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unchanged model costs no second scan, in another kernel neither; a changed one does."""
    scans: list[str] = []
    real = leaks._scan
    monkeypatch.setattr(leaks, "_scan", lambda text, *a, **k: scans.append(text) or real(text, *a, **k))
    desk().passed(cell("def model(rows): return 'some text'")["model"])
    first = len(scans)
    desk().passed(cell("def model(rows): return 'some text'")["model"])
    assert 0 < first == len(scans)
    desk().passed(cell("def model(rows): return 'other text'")["model"])
    assert len(scans) > first


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_secret_in_a_local_file_is_refused(cell: Cell, local: Local, take: Take) -> None:
    """Local modules go into the image as they are: file, line and kind are named."""
    directory = local({"shop.py": f"import os\n\nKEY = '{AWS}'\ndef f(x): return x\n"})
    namespace = cell("from shop import f\ndef model(rows): return [f(r) for r in rows]")
    with pytest.raises(CaptureError) as caught:
        take(namespace, sample=[1])
    assert f"{directory / 'shop.py'}, line 3: AWS Access Key" in caught.value.message
    assert take(namespace, sample=[1], allow_secrets=True).code


def test_a_value_of_the_environment_in_a_local_file_is_refused(
    cell: Cell, local: Local, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value is found in any file of a package, whatever its format."""
    monkeypatch.setenv("SHOP_PASSWORD", "correct horse battery")
    local({"shop/__init__.py": "def f(x): return x\n", "shop/notes.bin": "\0correct horse battery\0"})
    with pytest.raises(CaptureError, match=r"notes\.bin: the value of \$SHOP_PASSWORD"):
        take(cell("from shop import f\ndef model(rows): return [f(r) for r in rows]"), sample=[1])


def test_key_files_are_left_out(cell: Cell, local: Local, take: Take) -> None:
    """Files in which tools keep keys stay behind; certificates and other data come along."""
    kept = {
        "shop/__init__.py": "def f(x): return x\n",
        "shop/ca.pem": "-----BEGIN CERTIFICATE-----",
        "shop/a.txt": "",
    }
    keys = {
        "shop/.env": "A=1",
        "shop/prod.env": "A=1",
        "shop/id_rsa": "x",
        "shop/own.pem": "-----BEGIN PRIVATE KEY-----\n",
        "shop/deep/_netrc": "machine x",
    }
    local({**kept, **keys})
    snapshot = take(cell("from shop import f\ndef model(rows): return [f(r) for r in rows]"), sample=[1])
    assert {name for name, _ in snapshot.code} == set(kept)
    assert [note for note in snapshot.notes if "id_rsa, where a key or password is kept" in note]
