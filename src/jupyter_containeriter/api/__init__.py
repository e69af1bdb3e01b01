"""The verbs as Python functions, over one session for the kernel."""

from jupyter_containeriter.api import kernel
from jupyter_containeriter.api.choices import candidates
from jupyter_containeriter.api.deploying import (
    containerize,
    deploy,
    deployments,
    loadtest,
    remarks,
    rollback,
    run_containerize,
    undeploy,
)
from jupyter_containeriter.api.history import (
    compare,
    export,
    iteration,
    iterations,
    merge,
    plot,
    report,
    restore,
    run_restore,
)
from jupyter_containeriter.api.kernel import notebook_name
from jupyter_containeriter.api.upkeep import config, doctor, gc, inspect, push, save, sbom

__all__ = [
    "candidates",
    "compare",
    "config",
    "containerize",
    "deploy",
    "deployments",
    "doctor",
    "export",
    "gc",
    "inspect",
    "iteration",
    "iterations",
    "kernel",
    "loadtest",
    "merge",
    "notebook_name",
    "plot",
    "push",
    "remarks",
    "report",
    "restore",
    "rollback",
    "run_containerize",
    "run_restore",
    "save",
    "sbom",
    "undeploy",
]
