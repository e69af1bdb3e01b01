"""The sweep: every estimator of scikit-learn to a verified container, on the sandbox engine, by the public API.

Run as ``python tests/sweep [WORD ...]``: those whose name or form contains one of the words, all without. It prints a
table, writes ``build/sweep.json``, and exits with 1 where one that can be fitted was not verified.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from estimators import FORMS, estimator_classes, takes
from verification import Outcome, prepare, verify

OUTPUT = Path("build/sweep.json")

#: One more than there are cores: each waits now and then for its server.
WORKERS = (os.cpu_count() or 1) + 1

#: Outcomes in the order of the table.
OUTCOMES = ("exact", "close", "not fitted", "failed")


def sweep(words: Sequence[str]) -> list[Outcome]:
    """Verify what contains one of the words, several at a time, with progress."""
    warnings.simplefilter("ignore")
    cases = [(kind, form) for kind in estimator_classes() for form in FORMS if _is_meant(kind, form, words)]
    outcomes = []
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="sweep-") as directory,
        ProcessPoolExecutor(WORKERS, context, initializer=prepare, initargs=(directory,)) as pool,
    ):
        futures = [pool.submit(verify, *case) for case in cases]
        try:
            for future in as_completed(futures):
                outcomes.append(future.result())
                tell(outcomes, len(cases))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(outcomes, key=lambda outcome: (outcome.estimator, FORMS.index(outcome.form)))


def _is_meant(kind: type, form: str, words: Sequence[str]) -> bool:
    label = f"{kind.__name__} {form}".lower()
    return (not words or any(word.lower() in label for word in words)) and takes(kind, form)


def tell(outcomes: list[Outcome], total: int) -> None:
    """Say how far it is: on one line of a terminal, or every so often in a log; failures at once."""
    last = outcomes[-1]
    line = f"[{len(outcomes)}/{total}] {last.label}: {last.outcome}"
    if last.outcome == "failed":
        print(f"\r\x1b[K{line}: {last.reason}" if sys.stderr.isatty() else f"{line}: {last.reason}", file=sys.stderr)
    elif sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", flush=True, file=sys.stderr)
    elif len(outcomes) % 25 == 0:
        print(line, file=sys.stderr)


def report(outcomes: list[Outcome], seconds: float) -> str:
    """Return the table: outcomes by form, then what was not fitted or failed and why."""
    lines = ["", f"{'':12}" + "".join(f"{outcome:>12}" for outcome in OUTCOMES)]
    for form in FORMS:
        counted = Counter(outcome.outcome for outcome in outcomes if outcome.form == form)
        lines.append(f"{form:12}" + "".join(f"{counted[outcome]:>12}" for outcome in OUTCOMES))
    for wanted in ("not fitted", "failed"):
        found = [outcome for outcome in outcomes if outcome.outcome == wanted]
        lines += ["", f"{wanted}: {len(found)}"] if found else []
        lines += [f"  {outcome.label}: {' '.join(outcome.reason.split())[:160]}" for outcome in found]
    return "\n".join([*lines, "", f"{len(outcomes)} in {seconds:.0f} s; {OUTPUT} has them all."])


def main() -> int:
    """Run the sweep."""
    begin = time.monotonic()
    outcomes = sweep(sys.argv[1:])
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    print(report(outcomes, time.monotonic() - begin))
    return int(any(outcome.outcome == "failed" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
