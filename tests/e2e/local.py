#!/usr/bin/env python3
"""Runs the commands of docs/local.sh: the function in `cargo lambda watch`, beside `cargo demo`.

    python tests/e2e/local.py CARGO-LAMBDA-FOLDER

Everything that it starts runs in a process group, which it stops. The exit code is 1 if an
expectation failed.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

# Write no __pycache__ into the checkout.
sys.dont_write_bytecode = True

import expect  # noqa: E402
from commands import LOCAL, sections  # noqa: E402
from expect import ExpectationFailed, equal, eventually, holds, step  # noqa: E402
from stack import ROOT  # noqa: E402

HOME = ROOT / "target" / "e2e"
AWS_PORT, FUNCTION_PORT = 4550, 4551
# What each prints when it is ready. Its port is open earlier.
AWS_READY, FUNCTION_READY = "The endpoints stay up", "starting Runtime server"
# Long enough to build everything first.
BUILD_SECONDS = 900
# How long a started process may run. This holds even if this process is killed.
LIFE_SECONDS = 1800
STOP_SECONDS = 10
LOG_TAIL_LINES = 30


@contextlib.contextmanager
def running(name, ready, environment):
    """Runs the section in a process group, and waits until it prints that it is ready.

    Its output goes to a file, whose last lines are shown if an expectation fails.
    """
    log = HOME / f"{name}.log"
    timeout = ["timeout", f"--kill-after={STOP_SECONDS}", str(LIFE_SECONDS)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*timeout, "bash", "-c", sections(LOCAL)[name]],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        claim = f"[{name}] prints {ready!r}"
        eventually(claim, lambda: has_printed(process, log, ready), timeout=BUILD_SECONDS)
        yield
    except BaseException:
        lines = log.read_text(errors="replace").splitlines()
        print(f"\n[{name}]:", *lines[-LOG_TAIL_LINES:], sep="\n  ")
        raise
    finally:
        stop(process)


def has_printed(process, log, text):
    if process.poll() is not None:
        found = f"it ended with exit code {process.returncode}"
        raise ExpectationFailed(f"the command keeps running\n  found: {found}")
    return text in log.read_text(errors="replace")


def stop(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def invoke(environment):
    """Sends the sample events, and returns the response to each."""
    done = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + sections(LOCAL)["local-events"]],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        found = f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        raise ExpectationFailed(f"[local-events] succeeds\n  found: {found}")
    responses, decoder, text = [], json.JSONDecoder(), done.stdout.strip()
    while text:
        response, end = decoder.raw_decode(text)
        responses.append(response)
        text = text[end:].lstrip()
    return responses


def check(environment):
    with (
        running("local-aws", AWS_READY, environment),
        running("local-function", FUNCTION_READY, environment),
    ):
        dry_run, rejected, finished, new, back = invoke(environment)
    updated = finished["counts"]["updated"]
    equal("the status of the rotation of the demo", finished["status"], "Incomplete")
    holds("it had moved most of the fleet", updated > 100, finished["counts"])
    equal("its rollback is finished", finished["rollback"]["status"], "RolledBack")
    equal("its old role is in use again", finished["oldRoleInUseUntil"], None)
    equal("the status of the dry run", dry_run["status"], "Planned")
    equal("it would move as many again", dry_run["counts"]["wouldUpdate"], updated)
    equal("the status of the event with a misspelled field", rejected["status"], "Rejected")
    holds("the reason names the field", "dryrun" in rejected["reason"], rejected)
    equal("the status of a new rotation", new["status"], "Incomplete")
    equal("it moved as many again", new["counts"]["updated"], updated)
    equal("the status of the rotation back", back["status"], "Succeeded")
    equal("it moved all of them back", back["counts"]["updated"], updated)


def terminate(number, _frame):
    raise ExpectationFailed(f"the check finishes\n  found: {signal.Signals(number).name}")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    signal.signal(signal.SIGTERM, terminate)
    HOME.mkdir(parents=True, exist_ok=True)
    # The import of `stack` removed the variables of AWS, SAM, and proxies.
    path = f"{Path(sys.argv[1]).resolve()}:{os.environ['PATH']}"
    environment = dict(os.environ, PATH=path, NO_PROXY="127.0.0.1")
    failed = 0
    try:
        for port in (AWS_PORT, FUNCTION_PORT):
            with socket.socket() as probe:
                is_free = probe.connect_ex(("127.0.0.1", port)) != 0
                holds(f"port {port} is free", is_free, "another process listens on it")
        step("The function runs beside the demo.")
        check(environment)
    except ExpectationFailed as failure:
        print(f"\nFAIL {failure}")
        failed = 1
    print(f"\n{expect.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
