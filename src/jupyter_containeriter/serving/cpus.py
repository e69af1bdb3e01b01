"""As many threads as this container may use CPUs.

Numeric libraries start a thread for each CPU of the machine, and see nothing of the container's quota: eight threads
that share the time of one wait for each other, and each wait may last until the quota's next period.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
#: OpenMP (PyTorch, XGBoost, LightGBM, scikit-learn), OpenBLAS, MKL, numexpr, and joblib's ``n_jobs=-1``.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def fit() -> None:
    """Tell the libraries that are imported from now on; where there is no limit, or somebody said more, nothing."""
    count = allowed()
    if count < (os.cpu_count() or 1):
        for variable in _VARIABLES:
            os.environ.setdefault(variable, str(count))


def allowed() -> int:
    """Return how many CPUs this process may use, at least one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def _quota() -> float | None:
    """Return the container's share of CPU time, in CPUs (``man 7 cgroups``); None where there is no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((_CGROUPS / name).read_text() for name in names).split()
            # "max" in version 2, -1 in version 1.
            return float(quota) / float(period) if quota.isdecimal() else None
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return None
