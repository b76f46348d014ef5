"""What the check expects. Each expectation that is met is one line of output; the first that is not ends the check.

No scenario sleeps: whatever takes time is looked at again and again until it is there, or its time is over.
"""

import time

# Everything that is waited for here takes well under a second on an idle machine.
PATIENCE_SECONDS = 30
LOOK_EVERY_SECONDS = 0.1
STARTED = time.monotonic()
# A value that is longer is no help in a line of output.
SHOWN_LEN = 90
# How many expectations have been met.
passed = 0


class Unmet(Exception):
    """An expectation that is not met: what was expected, and what was found."""


def step(what):
    print(f"\n-- {what} ({time.monotonic() - STARTED:.0f}s)", flush=True)


def note(what):
    """Something to know that is no expectation."""
    print(f"     {what}", flush=True)


def met(what):
    """An expectation that is met."""
    global passed
    passed += 1
    print(f"ok   {what}", flush=True)


def equal(what, found, expected):
    if found != expected:
        raise Unmet(f"{what}\n  expected: {expected!r}\n  found:    {found!r}")
    is_shown = isinstance(found, str | int | dict) and len(str(found)) <= SHOWN_LEN
    met(f"{what}: {found}" if is_shown else what)


def holds(what, is_so, found):
    """For what is no plain equality; `found` is shown where it does not hold."""
    if not is_so:
        raise Unmet(f"{what}\n  found: {found!r}")
    met(what)


def contains(what, text, *parts):
    missing = [part for part in parts if part not in text]
    holds(what, not missing, f"{text}, where {missing} is missing")


def eventually(what, look, is_there=bool, patience=PATIENCE_SECONDS):
    """Looks until what is seen is right, and returns that."""
    until = time.monotonic() + patience
    while True:
        seen = look()
        if is_there(seen):
            return seen
        if time.monotonic() > until:
            raise Unmet(f"{what}, within {patience} s\n  found: {seen!r}")
        time.sleep(LOOK_EVERY_SECONDS)
