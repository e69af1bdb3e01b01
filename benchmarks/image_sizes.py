"""How large images are, and how much of what is installed goes into them, for six kinds of models.

The rival is what most tools do: install everything that ``pip freeze`` lists, in an environment that holds a notebook
kernel, scikit-learn, pandas, matplotlib and the model's own framework (found from their metadata, so that no other
framework that happens to be installed here counts). Prints a Markdown table, or writes it into docs/models.md between
its marks (``--write``). ``make sizes`` does that; nothing is run, so no engine is needed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.capture.inventory import current_inventory
from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.image.cache import LayerCache

DOCUMENT = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- table: make sizes -->", "<!-- /table: make sizes -->"
HEAD = "| model | packages | of `pip freeze` | their size | of all installed | image | layers |\n" + "| --- " * 7 + "|"
NOTEBOOK = ("ipykernel", "ipython", "jupyter-containeriter", "matplotlib", "pandas", "scikit-learn")


@dataclass(frozen=True)
class Size:
    """A number of distributions and their bytes."""

    count: int
    size_bytes: int


@dataclass(frozen=True)
class Row:
    """One model's image beside what is installed for it."""

    model: str
    captured: Size
    installed: Size
    image_bytes: int
    layers: int

    def text(self) -> str:
        """Return the row of the table."""
        counts = (str(self.captured.count), str(self.installed.count))
        sizes = tuple(map(megabytes, (self.captured.size_bytes, self.installed.size_bytes, self.image_bytes)))
        return "| " + " | ".join((self.model, *counts, *sizes, str(self.layers))) + " |"


def forest() -> tuple[Any, Any]:
    """scikit-learn on arrays."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    rows, kinds = load_iris(return_X_y=True)
    return RandomForestClassifier(20, random_state=0).fit(rows, kinds), rows[:3]


def pipeline() -> tuple[Any, Any]:
    """scikit-learn on a DataFrame."""
    from sklearn.compose import make_column_transformer
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, kinds = load_iris(return_X_y=True, as_frame=True)
    scaled = make_column_transformer((StandardScaler(), list(rows.columns)))
    return make_pipeline(scaled, LogisticRegression()).fit(rows, kinds), rows[:3]


def boosted() -> tuple[Any, Any]:
    """XGBoost."""
    from sklearn.datasets import load_iris
    from xgboost import XGBClassifier

    rows, kinds = load_iris(return_X_y=True)
    return XGBClassifier(n_estimators=10).fit(rows, kinds), rows[:3]


def lightgbm() -> tuple[Any, Any]:
    """LightGBM."""
    from lightgbm import LGBMClassifier
    from sklearn.datasets import load_iris

    rows, kinds = load_iris(return_X_y=True)
    return LGBMClassifier(n_estimators=10, verbose=-1).fit(rows, kinds), rows[:3]


def statistical() -> tuple[Any, Any]:
    """Statsmodels with a formula."""
    import statsmodels.formula.api as smf
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame.rename(columns=lambda name: name.split(" (")[0].replace(" ", "_"))
    return smf.ols("petal_width ~ petal_length + sepal_width", frame).fit(), frame[:3]


def network() -> tuple[Any, Any]:
    """PyTorch (CPU)."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval(), torch.ones(2, 4)


#: By what the table calls them: how to make one, and the distribution of its framework.
MODELS: dict[str, tuple[Callable[[], tuple[Any, Any]], str]] = {
    "scikit-learn forest": (forest, "scikit-learn"),
    "scikit-learn pipeline on a DataFrame": (pipeline, "scikit-learn"),
    "XGBoost": (boosted, "xgboost-cpu"),
    "LightGBM": (lightgbm, "lightgbm"),
    "statsmodels formula": (statistical, "statsmodels"),
    "PyTorch (CPU)": (network, "torch"),
}


def measure(directory: Path) -> Iterator[Row]:
    """Capture and build each model."""
    cache = LayerCache(directory / "cache")
    base = kernel_base(cache)
    for name, (make, framework) in MODELS.items():
        model, sample = make()
        snapshot = capture(CaptureRequest("sizes", model, "model", {}, sample), directory / "proofs")
        image = build(snapshot, base, cache, "localhost/containeriter/sizes:1")
        captured = Size(len(snapshot.environment), sum(one.size_bytes for one in snapshot.environment))
        yield Row(name, captured, installed(framework), image.size_bytes, len(image.layers))


def installed(framework: str) -> Size:
    """Measure what an environment with this framework holds, tests and all."""
    inventory = current_inventory()
    names = inventory.closure(dict.fromkeys((*NOTEBOOK, framework), ""))
    return Size(len(names), sum(inventory[name].captured("", whole=True).size_bytes for name in names))


def megabytes(count: int) -> str:
    """Return a size for people."""
    return f"{count / 1e6:,.0f} MB"


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/models.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        table = "\n".join((HEAD, *(row.text() for row in measure(Path(directory)))))
    print(table)
    if options.write:
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
