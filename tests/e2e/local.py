#!/usr/bin/env python3
"""Runs the commands of docs/local.sh: the function under `cargo lambda watch`, beside `cargo demo --keep`.

    python tests/e2e/local.py FOLDER-OF-CARGO-LAMBDA

Nothing here is waited for but by looking, and everything that is started is stopped by its process group.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

# The checkout stays as it was.
sys.dont_write_bytecode = True

import expect  # noqa: E402
from commands import LOCAL, sections  # noqa: E402
from expect import Unmet, equal, eventually, holds, step  # noqa: E402
from stack import ROOT  # noqa: E402

HOME = ROOT / "target" / "e2e"
AWS_PORT, FUNCTION_PORT = 4550, 4551
# What each says when it is ready. Its port is open before.
AWS_READY, FUNCTION_READY = "The endpoints stay up", "starting Runtime server"
# Each may have to build first.
BUILD_SECONDS = 900
# A bound on the life of whatever is started, which holds even where this process is killed.
LIFE_SECONDS = 1800
STOP_SECONDS = 10


@contextlib.contextmanager
def running(name, ready, environment):
    """The section as a process group, once it says that it is ready. Its output is in a file, shown where it fails."""
    log = HOME / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["timeout", f"--kill-after={STOP_SECONDS}", str(LIFE_SECONDS), "bash", "-c", sections(LOCAL)[name]],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        eventually(f"[{name}] says {ready!r}", lambda: says(process, log, ready), patience=BUILD_SECONDS)
        yield
    except BaseException:
        print(f"\n[{name}]:", *log.read_text(errors="replace").splitlines()[-30:], sep="\n  ")
        raise
    finally:
        stop(process)


def says(process, log, ready):
    if process.poll() is not None:
        raise Unmet(f"it stays up\n  found: it ended with {process.returncode}")
    return ready in log.read_text(errors="replace")


def stop(process):
    for what in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, what)
            process.wait(timeout=STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def invoke(environment):
    """What the sample events come to, one answer for each."""
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
        raise Unmet(f"[local-events] succeeds\n  found: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    answers, decoder, text = [], json.JSONDecoder(), done.stdout.strip()
    while text:
        answer, end = decoder.raw_decode(text)
        answers.append(answer)
        text = text[end:].lstrip()
    return answers


def walk(environment):
    with running("local-aws", AWS_READY, environment), running("local-function", FUNCTION_READY, environment):
        back, rehearsal, rejected, done = invoke(environment)
    equal("the fleet has moved back", back["status"], "Succeeded")
    holds("all of it that the demonstration had moved", back["counts"]["updated"] > 100, back["counts"])
    equal("the rehearsal ends", rehearsal["status"], "Planned")
    equal("and would move it again", rehearsal["counts"]["wouldUpdate"], back["counts"]["updated"])
    equal("the misspelt event is rejected", rejected["status"], "Rejected")
    holds("for the misspelt field", "dryrun" in rejected["reason"], rejected)
    equal("the demonstration's own event is done", done["status"], "Succeeded")
    equal("by an earlier delivery", done["counts"]["updated"], back["counts"]["updated"])


def give_up(number, _frame):
    raise Unmet(f"the check comes to its end\n  found: {signal.Signals(number).name}")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    signal.signal(signal.SIGTERM, give_up)
    HOME.mkdir(parents=True, exist_ok=True)
    # What of AWS, SAM and proxies was in it is gone since `stack` was imported.
    environment = dict(os.environ, PATH=f"{Path(sys.argv[1]).resolve()}:{os.environ['PATH']}", NO_PROXY="127.0.0.1")
    failed = 0
    try:
        for port in (AWS_PORT, FUNCTION_PORT):
            with socket.socket() as probe:
                holds(f"port {port} is free", probe.connect_ex(("127.0.0.1", port)) != 0, "somebody listens there")
        step("The function runs beside the demonstration.")
        walk(environment)
    except Unmet as unmet:
        print(f"\nFAIL {unmet}")
        failed = 1
    print(f"\n{expect.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
