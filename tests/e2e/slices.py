"""Scenario: a rotation that is longer than its invocations, one of which is killed in the middle of its work."""

import json
import os
import signal
import time
from pathlib import Path

from expect import Unmet, contains, equal, eventually, holds, note
from fleet import CLUSTERS, item_of, which
from stack import ACCOUNT, REGION
from world import entry, rotation

ID, EXECUTION = "in-slices", "in-slices-1"
OLD_ROLE, NEW_ROLE = (f"arn:aws:iam::{ACCOUNT}:role/platform/slices-{year}" for year in (2025, 2026))
# One after the other, they take several slices: the pace begins low, and MiniStack takes its time.
COUNT = 240
ONE_BY_ONE = "1"
# The function takes nothing up in the last 48 seconds of its time, so that these are slices of 3.
SLICED_SECONDS = 51
# A slice that was killed leaves a lease of 45 seconds behind.
PATIENCE_SECONDS = 120
# MiniStack's CloudTrail has no second page.
SHOWN_MAX = 50


def rotated(world):
    """A rotation goes on in the state machine, slice after slice, also past one that is killed, and is done once."""
    made, began_at = associations(world), int(time.time())
    client, function = world.cloud.client("lambda"), {"FunctionName": world.stack.rotate.name}
    client.update_function_configuration(**function, Timeout=SLICED_SECONDS)
    world.put_events(entry(rotation(ID, OLD_ROLE, NEW_ROLE, maxConcurrency=ONE_BY_ONE)))
    eventually("the first slice hands over", lambda: executions(world))
    check_progress(world)
    killed = eventually("a slice is killed in the middle", lambda: killed_slice(world))
    holds("by then the state machine had it done, and some was left", killed["counts"]["pending"] > 0, killed)
    execution = eventually(
        "the execution comes to its end",
        lambda: executions(world)[0],
        lambda execution: execution["status"] != "RUNNING",
        PATIENCE_SECONDS,
    )
    client.update_function_configuration(**function, Timeout=world.stack.rotate.configuration["Timeout"])
    equal("the execution's status", execution["status"], "SUCCEEDED")
    check_execution(world, execution["executionArn"])
    check_rotation(world, made, began_at)
    shown = world.commands.run("executions")
    contains("[executions] shows it", shown, EXECUTION, "SUCCEEDED")
    note("not shown: that starting again what runs starts nothing, and a redrive, neither of which MiniStack knows")


def associations(world):
    """Makes them, and has the index know of them at once."""
    eks, names = world.cloud.client("eks", REGION), {"clusterName": CLUSTERS[REGION], "namespace": "long"}
    accounts = [f"app-{number}" for number in range(COUNT)]
    create = eks.create_pod_identity_association
    made = [create(**names, serviceAccount=account, roleArn=OLD_ROLE)["association"] for account in accounts]
    with world.index.table.batch_writer() as batch:
        for association in made:
            batch.put_item(Item=item_of(association))
    return made


def executions(world):
    """All that the state machine has."""
    machine = {"stateMachineArn": world.stack.outputs["SlicesStateMachineArn"]}
    return world.cloud.client("stepfunctions").list_executions(**machine)["executions"]


def check_progress(world):
    """While it runs, one item tells how far it is."""
    item = world.ledger.item(ID)
    equal("meanwhile the rotation's status", item["status"], "InProgress")
    progress = item["progress"]
    holds("its progress tells what is pending", 0 < progress["counts"]["pending"] < COUNT, progress)
    holds("its pace", progress["settledPerSec"] > 0, progress)
    holds("and when it will be done", progress["estimatedEndAt"] > progress["at"], progress)
    shown = world.commands.run("progress", **{"app-2026": ID})
    contains("[progress] shows that", shown, "InProgress", "settledPerSec", "estimatedEndAt", "pending", f"  {COUNT} ")


def killed_slice(world):
    """Kills the function while the state machine has it do a slice; the rotation as that leaves it."""
    item = world.ledger.item(ID)
    if item["fence"] == 1 or "leaseUntil" not in item:
        return None
    for pid in processes(world):
        os.kill(pid, signal.SIGKILL)
    # It gives its lease back before it ends by itself.
    left = world.ledger.item(ID)
    return left if "leaseUntil" in left and left["fence"] == item["fence"] else None


def processes(world):
    """Those of the rotate function. Its environment names the MiniStack that started it."""
    wanted = {f"AWS_LAMBDA_FUNCTION_NAME={world.stack.rotate.name}", f"AWS_ENDPOINT_URL={world.cloud.url}"}
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted <= set(environment.read_text(errors="replace").split("\0")):
                yield int(environment.parent.name)
        except OSError:
            # It has ended, or is somebody else's.
            continue


def check_execution(world, arn):
    """What the execution went through."""
    states = world.cloud.client("stepfunctions")
    described = states.describe_execution(executionArn=arn)
    equal("its name is the rotation's, and a number", described["name"], EXECUTION)
    equal("its input is the rotation's id", json.loads(described["input"]), {"rotationId": ID})
    output = json.loads(described["output"])
    equal("its output is the rotation's end", (output["rotationId"], output["status"]), (ID, "Succeeded"))
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    history = [event for page in pages for event in page["events"]]
    failed = [event["taskFailedEventDetails"]["error"] for event in history if event["type"] == "TaskFailed"]
    equal("a try failed as its function was killed", failed[0], "Runtime.ExitError")
    equal("and the others waited for its lease", set(failed[1:]), {"Busy"})
    slices = sum(event["type"] == "TaskSucceeded" for event in history)
    holds(f"{slices} slices did not", slices >= 2, history)
    fence = world.ledger.item(ID)["fence"]
    # The event's, the killed one, and those that the machine had done.
    equal("the lease has changed hands for each slice", fence, slices + 2)


def check_rotation(world, made, began_at):
    """Each association was moved, and moved once."""
    item = world.ledger.item(ID)
    equal("the rotation's status", item["status"], "Succeeded")
    equal("updated are", item["counts"]["updated"], COUNT)
    # One by one, since MiniStack lists no more than a hundred.
    describe = world.cloud.client("eks", REGION).describe_pod_identity_association
    shown = {describe(**which(association))["association"]["roleArn"] for association in made}
    equal("EKS shows all of them on the new role", shown, {NEW_ROLE})
    equal("EKS has seen one write for each", len(writes(world, began_at)), COUNT)
    equal("the locks of both roles are given back", world.ledger.locks(), [])


def writes(world, began_at):
    """What EKS was sent by the rotation. Second by second, since MiniStack shows one page."""
    lookup = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "POST.eks"}]}
    found = {}
    for second in range(began_at, int(time.time()) + 1):
        during = {"StartTime": second, "EndTime": second + 1}
        events = world.cloud.client("cloudtrail").lookup_events(**lookup, **during)["Events"]
        calls = {event["EventId"]: json.loads(event["CloudTrailEvent"]) for event in events}
        ours = {key: call for key, call in calls.items() if sent_role(call) == NEW_ROLE}
        # The associations were made just before.
        if len(ours) == SHOWN_MAX:
            raise Unmet(f"all calls of a second are shown\n  found: {SHOWN_MAX}")
        found |= ours
    return found


def sent_role(call):
    return (call["requestParameters"] or {}).get("roleArn")
