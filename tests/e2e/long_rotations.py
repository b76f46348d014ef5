"""Scenario: a rotation that takes several slices, one of which is killed."""

import json
import os
import signal
import time
from pathlib import Path

from expect import ExpectationFailed, contains, equal, eventually, holds, note
from fleet import identifiers
from harness import entry, executions, rotation
from stack import ACCOUNT, REGION

ID, EXECUTION = "long-rotation", "long-rotation-1"
OLD_ROLE, NEW_ROLE = (f"arn:aws:iam::{ACCOUNT}:role/platform/long-{year}" for year in (2025, 2026))
# One at a time, at a hundredth of a second each, these take several slices: 14 seconds for the first
# one, some for the killed one, and more than 14 for the rest.
COUNT = 4000
ONE_AT_A_TIME = "1"
# The function starts no work in the last 48 seconds before its timeout, so a slice takes 14 seconds.
# The last one reads all rows twice, which takes MiniStack some 2 seconds each time, and starts its
# sweep after 5 seconds.
FUNCTION_TIMEOUT_SECONDS = 62
# A slice that is killed leaves a lease of 45 seconds, for which the state machine waits a minute.
# How long the rest takes depends on the machine; this only bounds an execution that hangs.
EXECUTION_TIMEOUT_SECONDS = 900
# MiniStack's CloudTrail returns only one page.
PAGE_LEN = 50
# The writes of this time fit into a page.
LOOKUP_SECONDS = 0.05


def a_killed_slice_is_resumed(harness):
    """A rotation continues in the state machine, even after a killed slice, and moves each once."""
    created = harness.fleet.create_many("long", OLD_ROLE, COUNT, harness.index)
    started_at = time.time()
    client, rotate = harness.cloud.client("lambda"), harness.stack.rotate
    function = {"FunctionName": rotate.name}
    client.update_function_configuration(**function, Timeout=FUNCTION_TIMEOUT_SECONDS)
    detail = rotation(ID, OLD_ROLE, NEW_ROLE, maxConcurrency=ONE_AT_A_TIME)
    harness.put_events(entry(detail))
    eventually("the first slice hands over", lambda: executions(harness, ID))
    check_progress(harness)
    claim = "a slice of the state machine is killed while it works"
    killed = eventually(claim, lambda: kill_slice(harness))
    holds("associations are pending at that time", killed["counts"]["pending"] > 0, killed)
    execution = eventually(
        "the execution ends",
        lambda: executions(harness, ID)[0],
        lambda execution: execution["status"] != "RUNNING",
        EXECUTION_TIMEOUT_SECONDS,
    )
    client.update_function_configuration(**function, Timeout=rotate.configuration["Timeout"])
    equal("the status of the execution", execution["status"], "SUCCEEDED")
    check_execution(harness, execution["executionArn"])
    check_rotation(harness, created, started_at)
    shown = harness.commands.run("executions")
    contains("[executions] shows the execution", shown, EXECUTION, "SUCCEEDED")
    note("not checked: redrive, and that an execution with the same name starts nothing.")
    note("MiniStack supports neither")


def check_progress(harness):
    """The item of the rotation shows its progress while the rotation runs."""
    item = harness.ledger.item(ID)
    equal("the status of the rotation", item["status"], "InProgress")
    progress = item["progress"]
    pending = progress["counts"]["pending"]
    holds("the progress has the number of pending ones", 0 < pending < COUNT, progress)
    holds("the progress has a rate", progress["settledPerSec"] > 0, progress)
    is_later = progress["estimatedEndAt"] > progress["at"]
    holds("the progress has an estimated end", is_later, progress)
    shown = harness.commands.run("progress", **{"app-2026": ID})
    fields = ("InProgress", "settledPerSec", "estimatedEndAt", "pending", f"  {COUNT} ")
    contains("[progress] shows the progress", shown, *fields)


def kill_slice(harness):
    """Kills the function while the state machine runs a slice.

    Returns the item of the rotation after that, or None if no slice was killed.
    """
    item = harness.ledger.item(ID)
    if item["fence"] == 1 or "leaseUntil" not in item:
        return None
    for pid in function_processes(harness):
        os.kill(pid, signal.SIGKILL)
    # A slice that ended by itself released its lease.
    after = harness.ledger.item(ID)
    return after if "leaseUntil" in after and after["fence"] == item["fence"] else None


def function_processes(harness):
    """The process IDs of the rotate function, found by the environment of the processes."""
    name, url = harness.stack.rotate.name, harness.cloud.url
    wanted = {f"AWS_LAMBDA_FUNCTION_NAME={name}", f"AWS_ENDPOINT_URL={url}"}
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted <= set(environment.read_text(errors="replace").split("\0")):
                yield int(environment.parent.name)
        except OSError:
            # The process ended, or it belongs to another user.
            continue


def check_execution(harness, arn):
    """The input, the output, and the history of the execution."""
    client = harness.cloud.client("stepfunctions")
    described = client.describe_execution(executionArn=arn)
    equal("the name is the rotation's ID and a number", described["name"], EXECUTION)
    equal("the input is the rotation's ID", json.loads(described["input"]), {"rotationId": ID})
    output = json.loads(described["output"])
    result = (output["rotationId"], output["status"])
    equal("the output is the result of the rotation", result, (ID, "Succeeded"))
    pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
    history = [event for page in pages for event in page["events"]]
    failures = [event for event in history if event["type"] == "TaskFailed"]
    errors = [event["taskFailedEventDetails"]["error"] for event in failures]
    equal("the error of the killed slice", errors[0], "Runtime.ExitError")
    equal("the next tries waited for its lease", set(errors[1:]), {"Busy"})
    slices = sum(event["type"] == "TaskSucceeded" for event in history)
    holds(f"{slices} slices succeeded", slices >= 2, history)
    # The slice of the event, the killed slice, and those that succeeded.
    fence = harness.ledger.item(ID)["fence"]
    equal("each slice acquired the lease once", fence, slices + 2)


def check_rotation(harness, created, started_at):
    """Each association moved, with one write."""
    item = harness.ledger.item(ID)
    equal("the status of the rotation", item["status"], "Succeeded")
    equal("the number of updated associations", item["counts"]["updated"], COUNT)
    # Described one at a time, because MiniStack lists at most a hundred.
    describe = harness.cloud.client("eks", REGION).describe_pod_identity_association
    responses = (describe(**identifiers(association)) for association in created)
    shown = {response["association"]["roleArn"] for response in responses}
    equal("EKS shows all of them on the new role", shown, {NEW_ROLE})
    equal("EKS received one write for each", len(writes(harness, started_at)), COUNT)
    equal("both roles are released", harness.ledger.held_roles(), [])


def writes(harness, started_at):
    """The writes of the rotation, by event ID.

    This looks up each part of a second by itself, because MiniStack returns only one page.
    """
    client = harness.cloud.client("cloudtrail")
    window = {}
    client.meta.events.register(
        "before-call.cloudtrail.LookupEvents", lambda params, **_: set_window(params, window)
    )
    lookup = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "POST.eks"}]}
    found = {}
    for part in range(int((time.time() - started_at) / LOOKUP_SECONDS) + 1):
        window["StartTime"] = started_at + part * LOOKUP_SECONDS
        window["EndTime"] = window["StartTime"] + LOOKUP_SECONDS
        events = client.lookup_events(**lookup)["Events"]
        if len(events) == PAGE_LEN:
            claim = f"a page has all calls of {LOOKUP_SECONDS} s"
            raise ExpectationFailed(f"{claim}\n  found: {PAGE_LEN} calls, a full page")
        calls = {event["EventId"]: json.loads(event["CloudTrailEvent"]) for event in events}
        # Without the calls that created the associations.
        found |= {key: call for key, call in calls.items() if sent_role(call) == NEW_ROLE}
    return found


def set_window(params, window):
    """Sets the time of a lookup to fractions of a second, which botocore would cut off."""
    params["body"] = json.dumps(json.loads(params["body"]) | window).encode()


def sent_role(call):
    return (call["requestParameters"] or {}).get("roleArn")
