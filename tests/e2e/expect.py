"""Expectations. Each one that holds prints a line. The first one that does not ends the check.

No scenario sleeps for a fixed time: it polls until the expected state is there, or until a timeout.
"""

import time

# On an idle machine, everything that the scenarios wait for takes much less than a second.
TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.1
STARTED = time.monotonic()
# A longer value makes a line of output hard to read.
SHOWN_LEN_MAX = 90
# The number of expectations that held.
passed = 0


class ExpectationFailed(Exception):
    """An expectation that does not hold: what was expected, and what was found."""


def step(what):
    print(f"\n-- {what} ({time.monotonic() - STARTED:.0f}s)", flush=True)


def note(what):
    """Prints information that is not an expectation."""
    print(f"     {what}", flush=True)


def ok(what):
    """Counts and prints an expectation that holds."""
    global passed
    passed += 1
    print(f"ok   {what}", flush=True)


def equal(what, found, expected):
    if found != expected:
        raise ExpectationFailed(f"{what}\n  expected: {expected!r}\n  found:    {found!r}")
    is_shown = isinstance(found, str | int | dict) and len(str(found)) <= SHOWN_LEN_MAX
    ok(f"{what}: {found}" if is_shown else what)


def holds(claim, is_true, found):
    """For a claim that is not an equality. `found` is shown if the claim does not hold."""
    if not is_true:
        raise ExpectationFailed(f"{claim}\n  found: {found!r}")
    ok(claim)


def contains(claim, text, *parts):
    missing = [part for part in parts if part not in text]
    holds(claim, not missing, f"{text}, where {missing} is missing")


def eventually(claim, read, is_reached=bool, timeout=TIMEOUT_SECONDS):
    """Reads a value repeatedly until it is as expected, and returns it."""
    until = time.monotonic() + timeout
    while True:
        value = read()
        if is_reached(value):
            return value
        if time.monotonic() > until:
            raise ExpectationFailed(f"{claim}, within {timeout} s\n  found: {value!r}")
        time.sleep(POLL_SECONDS)
