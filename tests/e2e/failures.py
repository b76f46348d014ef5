"""Scenarios about rotations that fail, as a whole or for one association."""

import json

from expect import contains, equal, eventually
from fleet import DENIED_NEXT, DENIED_ROLE, ROLE_2026, ROLE_2027
from harness import entry, rotation, sample

ID = "app-2027"


def an_event_that_fails_three_times_is_kept(harness):
    """An event whose role has an item that is damaged fails three times and is kept in the queue.

    This invokes the function asynchronously, as EventBridge does, because the EventBridge of
    MiniStack does not retry.
    """
    role = harness.ledger.role(ROLE_2026)
    harness.ledger.table.put_item(Item={**role, "version": "damaged"})
    detail = rotation(ID, ROLE_2026, ROLE_2027)
    event = {**sample("role-rotation-requested"), "detail": detail}
    function = {"FunctionName": harness.stack.rotate.name, "InvocationType": "Event"}
    harness.cloud.client("lambda").invoke(**function, Payload=json.dumps(event).encode())
    claim = "the on-failure queue has a message"
    message = eventually(claim, lambda: failed_event(harness))
    context, error = message["requestContext"], message["responsePayload"]
    equal("the reason of the failure", context["condition"], "RetriesExhausted")
    equal("the function of the message", context["functionArn"], harness.stack.rotate.arn)
    equal("the message has the event", message["requestPayload"], event)
    equal("the type of the error", error["errorType"], "LedgerUnavailable")
    contains("the error names the item", error["errorMessage"], ROLE_2026, "MalformedItem")
    attempts = harness.rotate_log.wait_for(ID, "invocation failed", count=3)
    equal("the number of attempts in the log", len(attempts), 3)
    for attempt in attempts:
        contains("the log names it also", attempt["error"], ROLE_2026, "MalformedItem")
    equal("and in the message", context["approximateInvokeCount"], 3)
    equal("the ledger has no such rotation", harness.ledger.item(ID), None)
    check_put_again(harness, role, message["requestPayload"])


def check_put_again(harness, role, event):
    """After the cause is removed, the event of the message works."""
    harness.ledger.table.put_item(Item=role)
    users = harness.fleet.users(ROLE_2026)
    harness.put_events(entry(event["detail"], event["source"], event["detail-type"]))
    item = harness.wait_until_finished(ID)
    equal("the status of the rotation, after the event is put again", item["status"], "Succeeded")
    equal("EKS shows the 12 on the newest role", harness.fleet.users(ROLE_2027), users)


def failed_event(harness):
    """The message of the on-failure queue. [failed-events] shows it and leaves it in the queue."""
    body = harness.commands.run("failed-events")
    return json.loads(body) if body.strip() != "None" else None


def a_denied_update_fails_its_association(harness):
    """If the role of the function may not update, each association fails with the error of EKS."""
    iam, function = harness.cloud.client("iam"), harness.stack.rotate
    policy = {"RoleName": function.role_name, "PolicyName": "denied-by-e2e"}
    action = "eks:UpdatePodIdentityAssociation"
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_role_policy(**policy, PolicyDocument=document)
    harness.put_events(entry(rotation("denied", DENIED_ROLE, DENIED_NEXT, maxErrors="100%")))
    item = harness.wait_until_finished("denied")
    iam.delete_role_policy(**policy)
    equal("the status of the rotation", item["status"], "CompletedWithFailures")
    contains("the reason says why the old role is in use", item["reason"], "1 failed")
    in_use = harness.ledger.role(DENIED_ROLE)["inUse"]
    equal("the role is in use because of this rotation", in_use["by"], "denied")
    (row,) = harness.ledger.rows("denied").values()
    equal("the outcome of the row", row["outcome"], "Failed")
    equal("the error of the row", row["errorCode"], "AccessDeniedException")
    identity = f"assumed-role/{function.role_name}/"
    claim = "the error names the role of the function and the action"
    contains(claim, row["errorMessage"], identity, "UpdatePodIdentityAssociation")
    users = harness.fleet.users(DENIED_ROLE)
    equal("the association is still on its old role", users, harness.fleet.arns(DENIED_ROLE))
