"""Scenarios: what happens where something is in the way."""

import json

from expect import contains, equal, eventually
from fleet import DENIED_NEXT, DENIED_ROLE, ROLE_2026, ROLE_2027
from world import entry, rotation, sample

ID, HOLDER = "app-2027", "another-rotation"


def given_up(world):
    """An event whose role is locked fails three times and ends in the on-failure queue, with the reason.

    EventBridge invokes the function asynchronously, and so does this: MiniStack's EventBridge does not retry.
    """
    lock = {"rotationId": f"role/{ROLE_2026}", "entry": "lock"}
    world.ledger.table.put_item(Item={**lock, "lockedBy": HOLDER, "lockedAt": "2026-11-23T21:17:00.000Z"})
    event = {**sample("role-rotation-requested"), "detail": rotation(ID, ROLE_2026, ROLE_2027)}
    lambda_client = world.cloud.client("lambda")
    lambda_client.invoke(
        FunctionName=world.stack.rotate.name, InvocationType="Event", Payload=json.dumps(event).encode()
    )
    message = eventually("a message is in the on-failure queue", lambda: received(world))
    context, error = message["requestContext"], message["responsePayload"]
    equal("it was given up because", context["condition"], "RetriesExhausted")
    equal("it belongs to the function", context["functionArn"], world.stack.rotate.arn)
    equal("the message holds the event", message["requestPayload"], event)
    equal("and the error's type", error["errorType"], "Busy")
    contains("the error says which role, and who has it", error["errorMessage"], ROLE_2026, HOLDER)
    attempts = world.log.about(ID, f"rotation {ID}", count=3)
    equal("the log shows each attempt", len(attempts), 3)
    equal("the message says the same", context["approximateInvokeCount"], 3)
    equal("there is no rotation of that name", world.ledger.item(ID), None)
    put_again(world, lock, message["requestPayload"])


def put_again(world, lock, event):
    """Once the cause is gone, the event is put again as the message holds it."""
    world.ledger.table.delete_item(Key=lock)
    users = world.fleet.users(ROLE_2026)
    world.put_events(entry(event["detail"], event["source"], event["detail-type"]))
    equal("put again, the rotation's status", world.finished(ID)["status"], "Succeeded")
    equal("EKS shows the 12 on the newest role, as the index led to them", world.fleet.users(ROLE_2027), users)


def received(world):
    """The one message of the on-failure queue, which [failed-events] shows without taking it out."""
    body = world.commands.run("failed-events")
    return json.loads(body) if body.strip() != "None" else None


def denied(world):
    """Where the function's role may not update, EKS refuses, and the rotation says so association by association."""
    iam, role = world.cloud.client("iam"), {"RoleName": world.stack.rotate.role_name, "PolicyName": "denied-by-e2e"}
    statement = {"Effect": "Deny", "Action": "eks:UpdatePodIdentityAssociation", "Resource": "*"}
    iam.put_role_policy(**role, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    world.put_events(entry(rotation("denied", DENIED_ROLE, DENIED_NEXT)))
    item = world.finished("denied")
    iam.delete_role_policy(**role)
    equal("the rotation's status", item["status"], "CompletedWithFailures")
    contains("it says why the old role is still in use", item["reason"], "1 failed")
    equal("it does not say when that ends", item.get("oldRoleInUseUntil"), None)
    (row,) = world.ledger.rows("denied").values()
    equal("the row's outcome", row["outcome"], "Failed")
    equal("the row's error", row["errorCode"], "AccessDeniedException")
    identity = f"assumed-role/{world.stack.rotate.role_name}/"
    contains("refused was the function's own role", row["errorMessage"], identity, "UpdatePodIdentityAssociation")
    equal("EKS shows the association on its old role", world.fleet.users(DENIED_ROLE), world.fleet.arns(DENIED_ROLE))
