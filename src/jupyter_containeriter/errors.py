"""The one family of errors: each says what happened and what to do about it."""

from __future__ import annotations

from typing import ClassVar


class ContainerIterError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    message
        What happened, in one or a few lines.
    remedy
        What the person can do about it.

    Notes
    -----
    IPython asks an exception for ``_render_traceback_``: a notebook therefore shows these two lines instead of a
    traceback, and still counts the cell as failed, so that *Run All* stops.
    """

    #: Used when the place that raises knows no better remedy.
    default_remedy: ClassVar[str] = "Run %containeriter doctor to see what is missing."

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy or self.default_remedy

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.remedy}"

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self.message}", f"  -> {self.remedy}"]


class UsageError(ContainerIterError):
    """The call itself is wrong: an option, a name, an expression. Correct it and call again."""

    default_remedy = "See %containerize? for the options."


class TooLargeError(UsageError):
    """A request has more than passes through Jupyter. Send less at once."""

    default_remedy = "Send fewer rows at once, or ask the deployment's own port."


class NotFoundError(ContainerIterError):
    """No such model, version or deployment. List what there is with ``%iterations`` or ``%deployments``."""

    default_remedy = "List what there is with %iterations or %deployments."


class CaptureError(ContainerIterError):
    """The model cannot leave the kernel as it is. The message names the object that is in the way."""

    default_remedy = "Remove what cannot be captured from the model, then run the cell again."


class BuildError(ContainerIterError):
    """The image could not be assembled: usually the disk or the cache directory."""

    default_remedy = "Check free disk space and that the cache directory is writable (%containeriter doctor)."


class DamagedLayerError(BuildError):
    """A layer in the cache no longer has the bytes its digest promises. The session discards and rebuilds it."""

    default_remedy = "Run the cell again: the damaged layer is rebuilt."

    def __init__(self, digest: str) -> None:
        super().__init__(f"The cached layer {digest[:19]}… is damaged.")
        self.digest = digest


class EngineError(ContainerIterError):
    """The engine refused, failed or went away."""

    default_remedy = "Look at the engine's own log, or deploy with --engine sandbox."


class EngineUnreachableError(EngineError):
    """No engine answers where one was expected. Start it or choose another."""

    default_remedy = "Start the engine (for example: systemctl start docker), or deploy with --engine sandbox."


class RegistryError(ContainerIterError):
    """A registry refused, failed or cannot be reached. What it holds already is not sent again."""

    default_remedy = "Try again later; what the registry holds by then is not sent again."


class RegistryUnreachableError(RegistryError):
    """A registry does not answer, or the connection broke again and again. What has arrived is not sent again."""

    default_remedy = (
        "Check that the registry runs and that this machine can reach it; what it holds already is not sent again."
    )


class StartError(EngineError):
    """The container started and ended, or never became ready. The message ends with its last log lines."""

    default_remedy = "Read the log lines above: they are the server's own words."


class NotServingError(EngineError):
    """The container of a model has ended. Deploy it again."""

    default_remedy = "Deploy it again (%deploy)."


class UnansweredError(EngineError):
    """The container of a model runs and does not answer. Read its logs."""

    default_remedy = "Read its logs."


class ParityError(ContainerIterError):
    """The container predicts something else than the notebook did. The message shows the rows and both values."""

    default_remedy = (
        "What ran before, if anything, keeps running. Look at code or state the model reads at prediction time."
    )


class RestoreError(ContainerIterError):
    """The model of an earlier version cannot come back into this kernel. Its image still runs."""

    default_remedy = "Let its image serve instead (%deploy), or open a kernel like the one it was made in."


class HistoryError(ContainerIterError):
    """The history cannot be read or written. The file is never overwritten."""

    default_remedy = "Move the file aside and run again: a new history is started."


class BusyError(ContainerIterError):
    """Somebody else, such as another kernel, works on the same name right now."""

    default_remedy = "Wait until it is done, or use another --name."


class IterationInterruptedError(ContainerIterError, KeyboardInterrupt):
    """The person interrupted the kernel. Nothing is left behind and what ran before keeps running."""

    default_remedy = "Run the cell again when you like: finished layers are kept."
