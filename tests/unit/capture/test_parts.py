"""Sets and leaves of frameworks come back as they were: equal, of the same type, and one where they were one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

Cell = Callable[[str], dict[str, Any]]
Copied = Callable[[Any], Any]


@pytest.mark.parametrize(
    "items",
    [
        set(),
        {"one"},
        {"a", "b", 3, None, 2.5, b"c"},
        {("a", 1), ("b", frozenset({"x", "y"}))},
        {int, float, dict},
        {1j, -0.5, True},
        frozenset({"a", "b"}),
        {range(3), range(4)},
    ],
    ids=["empty", "one", "mixed", "nested", "classes", "numbers", "frozen", "ranges"],
)
def test_sets_come_back(items: Any, copied: Copied) -> None:
    """Sets and frozen sets come back equal and of the same type, whatever is in them."""
    copy = copied(items).value
    assert copy == items
    assert type(copy) is type(items)


def test_a_set_that_is_shared_stays_shared(copied: Copied) -> None:
    """What is added to a set through one of its owners is seen by the other."""
    words = {"a", "b"}
    one, two = copied([words, words]).value
    one.add("c")
    assert two == {"a", "b", "c"}


def test_a_set_may_hold_what_refers_to_it(cell: Cell, copied: Copied) -> None:
    """A set that is part of itself, by way of its items, comes back whole."""
    namespace = cell(
        "class Node:\n    def __init__(self, others): self.others = others\n"
        "others = set()\nothers |= {Node(others), Node(others)}\nmodel = Node(others)"
    )
    copy = copied(namespace["model"]).value
    assert len(copy.others) == 2
    assert all(node.others is copy.others for node in copy.others)


# --- tensors -------------------------------------------------------------------------------------------------------

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 3)
        self.second = torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.norm = torch.nn.BatchNorm1d(3)
        self.first.bias.requires_grad_(False)

    def forward(self, x):
        return self.norm(self.second(torch.relu(self.first(x))))

torch.manual_seed(0)
net = Net()
net(torch.ones(4, 3) * torch.arange(4)[:, None])
net.eval()
"""


def test_modules_of_the_notebook_keep_their_weights_in_one_part(cell: Cell, copied: Copied) -> None:
    """A module predicts the same; tied weights stay tied, and mode and ``requires_grad`` are as they were."""
    net = cell(NET)["net"]
    copy = copied(net)
    assert (copy.format, copy.parts) == ("cloudpickle", ["torch"])
    rows = torch.arange(12.0).reshape(4, 3)
    assert torch.equal(copy.value(rows), net(rows))
    assert copy.value.second.weight is copy.value.first.weight
    assert not copy.value.training
    assert not copy.value.first.bias.requires_grad
    assert isinstance(copy.value.first.weight, torch.nn.Parameter)
    assert copied(net).files == copy.files


def test_no_weights_are_left_in_the_pickle(copied: Copied) -> None:
    """The pickle refers to tensors; it does not hold their numbers."""
    copy = copied([torch.zeros(10_000), torch.ones(10_000)])
    assert len(copy.files["model/model.pkl"]) < 1_000


def test_tensors_that_share_memory_still_do(copied: Copied) -> None:
    """A view of a tensor is one afterwards, too."""
    whole = torch.zeros(4)
    copy_of_whole, view = copied([whole, whole[1:]]).value
    copy_of_whole[1] = 5
    assert view[0] == 5


def test_a_sparse_tensor_is_pickled_but_for_what_it_is_made_of(copied: Copied) -> None:
    """A sparse tensor is pickled; its indices and values are dense ones, which are in the part."""
    copy = copied(torch.eye(3).to_sparse())
    assert (copy.format, copy.parts) == ("cloudpickle", ["torch"])
    assert torch.equal(copy.value.to_dense(), torch.eye(3))


# --- what cannot be saved ------------------------------------------------------------------------------------------


def test_what_its_framework_cannot_save_is_pickled(copied: Copied) -> None:
    """A CatBoost model that was never fitted has no file format; it is pickled."""
    import catboost

    copy = copied([catboost.CatBoostClassifier(iterations=3)])
    assert copy.parts == []
    assert copy.value[0].get_params() == {"iterations": 3}


def test_a_leaf_that_is_shared_is_one_part(copied: Copied) -> None:
    """A model that two objects refer to is written once, and loaded once."""
    import xgboost

    booster = xgboost.train({}, xgboost.DMatrix(np.eye(3), np.arange(3.0)), 1)
    copy = copied({"a": booster, "b": [booster]})
    assert copy.parts == ["xgboost"]
    assert copy.value["a"] is copy.value["b"][0]
