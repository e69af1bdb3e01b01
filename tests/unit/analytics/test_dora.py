"""DORA's four metrics, against examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from history_frames import events, typed

from jupyter_containeriter.analytics import dora_changes, dora_metrics

MONDAY = pd.Timestamp("2030-01-07", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def history(*rows: tuple[int, str, float, float], name: str = "churn") -> pd.DataFrame:
    """Return iterations from version, status, hours since Monday and lead seconds of each."""
    return typed(
        pd.DataFrame(
            [
                {"name": name, "version": v, "status": s, "finished_at": MONDAY + at * HOUR, "lead_seconds": lead}
                for v, s, at, lead in rows
            ]
        )
    )


NAN = float("nan")
NONE = events()


def test_the_four_metrics_of_two_weeks() -> None:
    """By hand.

    First week: versions 1, 3, 4 and 5 deployed (leads 10, 20, 60, 30: median 25), 2 failed at hour 2 and 3 was good at
    hour 5 (3 h); 4 went live at hour 24 and was rolled back at hour 26 (2 h): 2 of 5 changes failed, median 2.5 h.
    Second week: version 6 deployed (lead 5).
    """
    frame = history(
        (1, "verified", 1, 10),
        (2, "failed", 2, NAN),
        (3, "deployed", 5, 20),
        (4, "verified", 24, 60),
        (5, "verified", 30, 30),
        (6, "verified", 170, 5),
    )
    found = dora_metrics(frame, events(("rollback", "churn", 3, 4, MONDAY + 26 * HOUR)))
    expected = pd.DataFrame(
        {
            "deployments": [4, 1],
            "lead_seconds": [25.0, 5.0],
            "changes": [5, 1],
            "failures": [2, 0],
            "change_failure_rate": [0.4, 0.0],
            "restore_seconds": [2.5 * 3600, NAN],
        },
        index=pd.DatetimeIndex(["2030-01-07", "2030-01-14"], name="week"),
    )
    pd.testing.assert_frame_equal(found, expected, check_freq=False, check_index_type=False)


def test_what_is_no_change() -> None:
    """Images that were only built, interruptions and what still runs are none."""
    frame = history((1, "built", 1, NAN), (2, "interrupted", 2, NAN), (3, "running", 3, NAN), (4, "verified", 4, 1))
    assert list(dora_changes(frame, NONE)["version"]) == [4]


@pytest.mark.parametrize(
    ("kind", "version", "previous", "failed"),
    [
        ("rollback", 1, 2, True),
        ("deploy", 1, 2, True),
        ("deploy", 3, 2, False),
        ("undeploy", 2, 2, False),
        ("deploy", 2, None, False),
    ],
)
def test_what_is_a_rollback(kind: str, version: int, previous: int | None, *, failed: bool) -> None:
    """An earlier version in place of a later one, whichever verb said so."""
    frame = history((1, "verified", 1, 1), (2, "verified", 2, 1), (3, "verified", 3, 1))
    found = dora_changes(frame, events((kind, "churn", version, previous, MONDAY + 4 * HOUR))).set_index("version")
    assert found["failure"][2] == failed


def test_a_version_fails_once() -> None:
    """However often it is rolled back; the time counts from when it last went into service."""
    frame = history((1, "verified", 1, 1), (2, "verified", 2, 1))
    found = dora_changes(
        frame,
        events(
            ("rollback", "churn", 1, 2, MONDAY + 3 * HOUR),
            ("deploy", "churn", 2, 1, MONDAY + 10 * HOUR),
            ("rollback", "churn", 1, 2, MONDAY + 10.5 * HOUR),
        ),
    )
    assert list(found["failure"]) == [False, True]
    assert found["restore_seconds"][1] == 1800


def test_what_is_rolled_back_itself_restores_nothing() -> None:
    """After a failure at hour 1 a version went live at hour 2, rolled back at hour 6: only that restored both."""
    frame = history((1, "verified", 0, 1), (2, "failed", 1, NAN), (3, "verified", 2, 1))
    found = dora_changes(frame, events(("rollback", "churn", 1, 3, MONDAY + 6 * HOUR)))
    np.testing.assert_array_equal(found["restore_seconds"], [NAN, 5 * 3600, 4 * 3600])


def test_failures_in_a_row_are_restored_together() -> None:
    """Each counts from its own end to the same good version."""
    frame = history((1, "failed", 1, NAN), (2, "failed", 2, NAN), (3, "verified", 4, 1), (4, "failed", 5, NAN))
    np.testing.assert_array_equal(dora_changes(frame, NONE)["restore_seconds"], [3 * 3600, 2 * 3600, NAN, NAN])


def test_models_do_not_restore_each_other() -> None:
    """A good version of another name is no remedy, nor is its rollback a failure here."""
    frame = typed(
        pd.concat([history((1, "failed", 1, NAN), (2, "verified", 9, 1)), history((2, "verified", 2, 1), name="fraud")])
    )
    found = dora_changes(frame, events(("rollback", "fraud", 1, 2, MONDAY + 3 * HOUR))).set_index(["name", "version"])
    assert found["restore_seconds"]["churn", 1] == 8 * 3600
    assert list(found["failure"][[("churn", 2), ("fraud", 2)]]) == [False, True]


def test_weeks_without_a_change_are_rows() -> None:
    """Nothing was deployed, and there is no rate of nothing."""
    found = dora_metrics(history((1, "verified", 1, 1), (2, "failed", 24 * 15, NAN)), NONE)
    assert list(found["deployments"]) == [1, 0, 0]
    np.testing.assert_array_equal(found["change_failure_rate"], [0, NAN, 1])


def test_weeks_are_those_of_iso() -> None:
    """Monday's first moment begins one, Sunday's last ends it, also where the year ends."""
    sunday = MONDAY - pd.Timedelta(microseconds=1)
    frame = history((1, "verified", 0, 1), (2, "verified", 0, 1)).assign(finished_at=[sunday, MONDAY])
    found = dora_metrics(frame, NONE).index
    assert [tuple(week.isocalendar())[:2] for week in found] == [(2030, 1), (2030, 2)]


def test_nothing_gives_no_weeks() -> None:
    """The columns are there all the same."""
    found = dora_metrics(history((1, "running", 1, NAN)), NONE)
    assert found.empty
    assert "change_failure_rate" in found
