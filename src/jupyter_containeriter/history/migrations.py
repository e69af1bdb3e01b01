"""From an older format of the history to the present one: forwards only, one step for each format.

The steps are written out in SQL that every supported database takes, not derived from the tables as they are now: a
step never changes once it was published.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from jupyter_containeriter.errors import HistoryError

from .schema import SCHEMA_VERSION, meta, metadata

#: What leads from a format to the next one. Tables that are new are made by themselves.
_STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE iterations ADD COLUMN lead_seconds DOUBLE PRECISION",
        "ALTER TABLE iterations ADD COLUMN execution_count INTEGER",
        "ALTER TABLE iterations ADD COLUMN cell TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE iterations ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    ),
}


def known_version(values: Mapping[str, str], shown: str) -> int | None:
    """Return the format that the table ``meta`` tells, or None where it does not tell one.

    Raises
    ------
    HistoryError
        It is newer than what is known here.
    """
    version = values.get("schema_version", "")
    if not version.isdecimal() or "id" not in values:
        return None
    if int(version) > SCHEMA_VERSION:
        raise HistoryError(
            f"The history {shown} was written by a newer version (format {version}, known here: {SCHEMA_VERSION}).",
            "Upgrade jupyter_containeriter, or choose another place for the history.",
        )
    return int(version)


def migrate(connection: Connection, version: int) -> None:
    """Bring tables of an older format to the present one, in the transaction of the connection."""
    for step in range(version, SCHEMA_VERSION):
        for statement in _STEPS[step]:
            connection.exec_driver_sql(statement)
    metadata.create_all(connection)
    connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))
