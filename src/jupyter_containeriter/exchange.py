"""The history out to a file, and other histories in, as answers that show themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.history.transfer import MergeCounts
from jupyter_containeriter.plurals import counted
from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import card, table
from jupyter_containeriter.show.shown import Shown

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session


@dataclass(frozen=True, eq=False, repr=False)
class Exported(Shown):
    """Iterations in a file.

    Attributes
    ----------
    path
        The file.
    iterations
        How many it holds.
    size_bytes
        Its size.
    """

    path: Path
    iterations: int
    size_bytes: int

    def html(self) -> str:
        """Return the card."""
        rows = [("File", f"<code>{escape(str(self.path))}</code> · {words.size(self.size_bytes)}")]
        return card(f"<b>{counted(self.iterations, 'iteration')}</b> exported", "", table(rows))

    def text(self) -> str:
        """Return one line."""
        return f"{counted(self.iterations, 'iteration')} exported to {self.path} ({words.size(self.size_bytes)})"

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"path": str(self.path), "iterations": self.iterations, "size_bytes": self.size_bytes}


@dataclass(frozen=True, eq=False, repr=False)
class Merged(Shown):
    """What another history brought.

    Attributes
    ----------
    source
        Where it was, without a password.
    counts
        How many rows were added, and which of them got another version.
    """

    source: str
    counts: MergeCounts

    def html(self) -> str:
        """Return the card."""
        rows = [(_capital(key), escape(value)) for key, value in self._rows()]
        return card("Histories merged", "", table(rows))

    def text(self) -> str:
        """Return the lines."""
        return "\n".join(["histories merged", *(f"  {key:<10} {value}" for key, value in self._rows())])

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"source": self.source, **asdict(self.counts)}

    def _rows(self) -> list[tuple[str, str]]:
        counts = self.counts
        added = [(counts.iterations, "iteration"), (counts.events, "event"), (counts.load_levels, "load level")]
        rows = [("from", self.source), ("added", ", ".join(counted(*pair) for pair in added))]
        rows += [("there", f"{counted(counts.known, 'iteration')} already")] if counts.known else []
        return rows + [
            ("renumbered", f"{name}:{before} is {name}:{after} here, for that version was taken")
            for name, before, after in counts.renumbered
        ]


def export(session: Session, path: str, name: str | None) -> Exported:
    """Write the iterations of one model or of all to a file.

    Raises
    ------
    NotFoundError
        There is no such model.
    UsageError
        The path ends with neither ``.parquet`` nor ``.csv``, cannot be written, or pyarrow is missing for Parquet.
    """
    session.reconciler.reconcile()
    session.versions.check_known(name)
    target = Path(path).expanduser()
    count = session.history.export(target, name)
    return Exported(target, count, target.stat().st_size)


def merge(session: Session, source: str) -> Merged:
    """Bring in what another history, or an exported file, holds and this one does not.

    Raises
    ------
    UsageError
        There is no such file, or it holds no history.
    HistoryError
        One of the two cannot be used now.
    """
    from jupyter_containeriter.addresses import shown_address

    counts = session.history.merge(source if "://" in source else Path(source).expanduser())
    return Merged(shown_address(source) if "://" in source else source, counts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
