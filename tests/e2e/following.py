"""Scenarios: a change in EKS is followed, from the event that CloudTrail makes of it to the index.

MiniStack's CloudTrail tells EventBridge nothing, and nobody else may put events of `aws.eks`. So this is shown in two
parts: the deployed rule is asked which events it takes, and such events are sent to the queue that is its target.
"""

import copy
import json
from datetime import datetime, timezone

from expect import equal, eventually
from fleet import CHAINED_ROLE, ROLE_2027, SHARED_2026, region_of
from stack import OTHER_REGION, REGION
from world import sample

SAMPLE_CLUSTER, SAMPLE_ID = "prod-1", "a-pj5zr9qm2kx7vt4ud"
TOMBSTONE = {"clusterArn", "associationId", "associationArn", "deletedAt", "expiresAt"}
# As long as SQS keeps a message at most.
TOMBSTONE_SECONDS = 14 * 24 * 3600
# The template's redrive policy.
TRIES = 5


def selected(world):
    """The rule takes what changes associations, but for what has failed and what the rotate function itself does."""
    update, own = sample("index/cloudtrail-update"), sample("index/cloudtrail-own-update")
    by_user = copy.deepcopy(update)
    del by_user["detail"]["userIdentity"]["sessionContext"]
    by_rotate = copy.deepcopy(own)
    by_rotate["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = world.stack.rotate.role_arn
    another_call = {**update, "detail": {**update["detail"], "eventName": "CreateCluster"}}
    rows = (
        ("a create", sample("index/cloudtrail-create"), True),
        ("an update", update, True),
        ("a delete", sample("index/cloudtrail-delete"), True),
        ("the delete of a cluster", sample("index/cloudtrail-delete-cluster"), True),
        ("one without parameters", sample("index/cloudtrail-resources-only"), True),
        ("one of another region", {**update, "region": OTHER_REGION}, True),
        ("an update by a user, who has no session", by_user, True),
        ("an update by the rotate function of another stack", own, True),
        ("an update by the rotate function", by_rotate, False),
        ("a failed call", sample("index/cloudtrail-failed-call"), False),
        ("another call", another_call, False),
        ("one of another account", {**update, "account": "999900001111"}, False),
        ("one of another source", {**update, "source": "platform.iam"}, False),
    )
    events, pattern = world.cloud.client("events"), world.stack.rule_of("aws.eks")["EventPattern"]
    for what, event, expected in rows:
        answer = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
        equal(f"the rule takes {what}", answer["Result"], expected)


def followed(world):
    """What is created, changed and deleted in EKS is in the index once its event has come."""
    fleet = world.fleet
    created = fleet.create(OTHER_REGION, "late", ROLE_2027)
    arn = created["associationArn"]
    check_followed(world, "the new association", "cloudtrail-create", created)
    updated = fleet.update(created, roleArn=CHAINED_ROLE, targetRoleArn=SHARED_2026)
    check_followed(world, "its new role, and its target role", "cloudtrail-update", updated)
    users = world.index.users(CHAINED_ROLE), world.index.users(SHARED_2026, "targetRoleArn")
    equal("a rotation finds it by either", [arn in found for found in users], [True, True])
    deleted = fleet.delete(created)
    check_followed(world, "that it is gone", "cloudtrail-delete", deleted)
    tombstone = world.index.tombstones()[arn]
    equal("what is left is a tombstone", set(tombstone), TOMBSTONE)
    kept = int(tombstone["expiresAt"]) - int(datetime.fromisoformat(tombstone["deletedAt"]).timestamp())
    equal("which expires after this many seconds", kept, TOMBSTONE_SECONDS)
    check_again(world, deleted, tombstone)


def check_followed(world, what, name, association):
    """Sends the event, and waits for the index to be what EKS shows."""
    arn = association["associationArn"]
    expected = world.fleet.as_indexed().get(arn)
    send(world, event_about(association, name))

    def found():
        return world.index.associations().get(arn)

    eventually(f"the index shows {what}", found, lambda item: item == expected)
    equal(f"the index shows {what}, as EKS does", found(), expected)


def check_again(world, deleted, tombstone):
    """The queue may deliver an event twice."""
    arn = deleted["associationArn"]
    send(world, event_about(deleted, "cloudtrail-delete"))
    world.index_log.eventually(
        "that the event has changed nothing",
        lambda line: line.get("association") == arn and line.get("changed") is False,
    )
    equal("an event that comes again changes nothing", world.index.tombstones()[arn], tombstone)
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    left = eventually(
        "the queue is empty",
        lambda: {world.stack.queue("IndexQueue")[name] for name in names},
        lambda numbers: numbers == {"0"},
    )
    equal("all messages have been taken in", left, {"0"})


def given_up(world):
    """A message that does not say what it is about is tried five times, and kept in the dead-letter queue."""
    sqs, url = world.cloud.client("sqs"), world.stack.outputs["IndexQueueUrl"]
    hidden = world.stack.queue("IndexQueue")["VisibilityTimeout"]
    # So that a message that failed comes again at once, and not after 15 minutes.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    event = sample("index/cloudtrail-update")
    event["detail"] |= {"requestParameters": None, "responseElements": None}
    message_id = send(world, event)
    kept = {"QueueUrl": world.stack.outputs["IndexDeadLetterQueueUrl"], "VisibilityTimeout": 0}
    (message,) = eventually(
        "a message is in the dead-letter queue", lambda: sqs.receive_message(**kept).get("Messages", [])
    )
    equal("the dead-letter queue has the event", json.loads(message["Body"]), event)
    tries = world.index_log.eventually("what is wrong", lambda line: line.get("message_id") == message_id, TRIES)
    problems = [line["problem"] for line in tries]
    equal("the log says each time what is wrong", problems, [problems[0]] * TRIES)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": hidden})


def event_about(association, name):
    """A sample event, of a call that EKS has just answered with this association."""
    text = json.dumps(sample(f"index/{name}"))
    names = {
        SAMPLE_CLUSTER: association["clusterName"],
        SAMPLE_ID: association["associationId"],
        REGION: region_of(association),
    }
    for of_sample, of_association in names.items():
        text = text.replace(of_sample, of_association)
    event = json.loads(text)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event["detail"] |= {"eventTime": now, "responseElements": {"association": association}}
    return event


def send(world, event):
    """Sends the event as the rule does; the message's id."""
    # CloudTrail has the times of answers as EKS sends them, in seconds.
    body = json.dumps(event, default=datetime.timestamp)
    message = {"QueueUrl": world.stack.outputs["IndexQueueUrl"], "MessageBody": body}
    return world.cloud.client("sqs").send_message(**message)["MessageId"]
