"""Tables of the history, format 2.

The columns are written out, not derived from :class:`~jupyter_containeriter.types.Iteration`: files on people's disks
hold them, so they change only together with :data:`SCHEMA_VERSION`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from .plain import dumps, plain_text

SCHEMA_VERSION = 2
"""Format of the file; a history with a higher one was written by a newer version of this package."""


class PlainText(TypeDecorator[str]):
    """Text that can always be stored, also what databases refuse.

    File names and errors may hold lone surrogates, which are not UTF-8; PostgreSQL takes no text with a zero byte.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write these as escapes."""
        return None if value is None else plain_text(value).replace("\0", "\\x00")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored as naive UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[Mapping[str, Any]]):
    """A mapping stored as JSON text. Text, because metrics may be NaN, which databases' own JSON types refuse."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str:
        """Encode, with values that JSON does not know as text."""
        return dumps(value or {})

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any]:
        """Decode."""
        return json.loads(value) if value else {}


def _text(name: str) -> Column[str]:
    return Column(name, PlainText, nullable=False, server_default="")


metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

iterations = Table(
    "iterations",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    Column("version", Integer, nullable=False),
    _text("status"),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("think_seconds", Double),
    Column("run_seconds", Double),
    Column("capture_seconds", Double),
    Column("build_seconds", Double),
    Column("load_seconds", Double),
    Column("start_seconds", Double),
    Column("verify_seconds", Double),
    Column("package_to_verified_seconds", Double),
    Column("cycle_seconds", Double),
    Column("lead_seconds", Double),
    _text("engine"),
    _text("method"),
    Column("hot", Boolean, nullable=False),
    _text("image_reference"),
    _text("image_digest"),
    Column("image_size_bytes", BigInteger),
    Column("sent_bytes", BigInteger),
    _text("base"),
    _text("environment_digest"),
    _text("code_digest"),
    _text("model_digest"),
    _text("data_digest"),
    _text("parity"),
    Column("max_abs_difference", Double),
    Column("params", JsonText, nullable=False),
    Column("metrics", JsonText, nullable=False),
    Column("tags", JsonText, nullable=False),
    _text("note"),
    _text("notebook"),
    Column("execution_count", Integer),
    _text("cell"),
    _text("user"),
    _text("host"),
    _text("error"),
    _text("owner"),
    UniqueConstraint("name", "version"),
)

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    Column("version", Integer, nullable=False),
    Column("previous", Integer),
    _text("kind"),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("seconds", Double, nullable=False),
    _text("user"),
    _text("host"),
)

load_levels = Table(
    "load_levels",
    metadata,
    Column("id", Text, primary_key=True),
    _text("test"),
    _text("name"),
    Column("version", Integer, nullable=False),
    _text("engine"),
    Column("measured_at", UtcDateTime, nullable=False),
    Column("connections", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("requests_per_second", Double, nullable=False),
    Column("p50_seconds", Double),
    Column("p90_seconds", Double),
    Column("p99_seconds", Double),
    Column("max_seconds", Double),
    Column("kernel_p50_seconds", Double),
    Column("added_p50_seconds", Double),
    Column("cpu_fraction", Double),
    Column("memory_bytes", BigInteger),
    _text("user"),
    _text("host"),
)
