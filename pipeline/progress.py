"""Progress: one bar per step at a terminal, one JSON line per event in a log.

While a run is at work, everything that libraries print goes to run/logs, so that the bars stay
whole and every line of a log parses.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

BAR = "{desc} {bar:24} {n_fmt}/{total_fmt} {elapsed}<{remaining} {rate_fmt}{postfix}"


@contextmanager
def quiet(log: Path) -> Iterator[TextIO]:
    """Send what this process prints to a file, and yield the stderr that was there before."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept_out, kept_err = os.dup(1), os.dup(2)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    person = os.fdopen(os.dup(kept_err), "w", encoding="utf-8", buffering=1)
    try:
        yield person
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        person.close()
        os.dup2(kept_out, 1)
        os.dup2(kept_err, 2)
        os.close(kept_out)
        os.close(kept_err)


class Lines:
    """One JSON line per event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began = time.monotonic()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write one event with the seconds since the start."""
        seconds = round(time.monotonic() - self._began, 3)
        self._out.write(json.dumps({**event, "seconds": seconds}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Nothing is held open."""


class Bars:
    """One bar per step: parts done, rate, time left."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._bar: Any = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Draw one event."""
        kind = event["event"]
        if kind == "step":
            self._open(event)
        elif kind == "part" and self._bar is not None:
            self._bar.update()
        elif kind == "step-done" and self._bar is not None:
            lost = f", {event['rejected']} rejected" if event["rejected"] else ""
            self._bar.set_postfix_str(f"{event['rows']:,} rows{lost}")
            self.close()

    def _open(self, event: Mapping[str, Any]) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=event["todo"] + event["done"],
            initial=event["done"],
            desc=f"{event['dataset']:18}",
            unit="part",
            file=self._out,
            dynamic_ncols=True,
            bar_format=BAR,
        )

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
