"""Scenarios about changes in EKS, from the event of CloudTrail to the index.

MiniStack's CloudTrail sends no events to EventBridge, and only AWS can put events with the source
`aws.eks`. So there are two parts: EventBridge tests sample events against the pattern of the
deployed rule, and sample events are sent to the queue that is the target of the rule.
"""

import copy
import json
from datetime import datetime, timezone

from expect import equal, eventually
from fleet import CHAINED_ROLE, ROLE_2027, SHARED_2026, region_of
from harness import sample
from stack import OTHER_REGION, REGION

SAMPLE_CLUSTER, SAMPLE_ID = "prod-1", "a-pj5zr9qm2kx7vt4ud"
TOMBSTONE = {"clusterArn", "associationId", "associationArn", "deletedAt", "expiresAt"}
# The longest time for which SQS keeps a message.
TOMBSTONE_SECONDS = 14 * 24 * 3600
# The template's redrive policy.
TRIES = 5


def the_rule_selects_changes(harness):
    """The rule matches changes, except failed calls and the calls of the rotate function itself."""
    update, own = sample("indexer/cloudtrail-update"), sample("indexer/cloudtrail-own-update")
    by_user = copy.deepcopy(update)
    del by_user["detail"]["userIdentity"]["sessionContext"]
    by_rotate = copy.deepcopy(own)
    issuer = by_rotate["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]
    issuer["arn"] = harness.stack.rotate.role_arn
    another_call = {**update, "detail": {**update["detail"], "eventName": "CreateCluster"}}
    rows = (
        ("a create", sample("indexer/cloudtrail-create"), True),
        ("an update", update, True),
        ("a delete", sample("indexer/cloudtrail-delete"), True),
        ("the delete of a cluster", sample("indexer/cloudtrail-delete-cluster"), True),
        ("an event without parameters", sample("indexer/cloudtrail-resources-only"), True),
        ("an event of another region", {**update, "region": OTHER_REGION}, True),
        ("an update by a user, which has no session", by_user, True),
        ("an update by the rotate function of another stack", own, True),
        ("an update by the rotate function", by_rotate, False),
        ("a failed call", sample("indexer/cloudtrail-failed-call"), False),
        ("another call", another_call, False),
        ("an event of another account", {**update, "account": "999900001111"}, False),
        ("an event of another source", {**update, "source": "platform.iam"}, False),
    )
    client = harness.cloud.client("events")
    pattern = harness.stack.rule_of("aws.eks")["EventPattern"]
    for what, event, expected in rows:
        response = client.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
        equal(f"the rule matches {what}", response["Result"], expected)


def changes_reach_the_index(harness):
    """The index shows what is created, updated, and deleted in EKS after the event arrives."""
    fleet, index = harness.fleet, harness.index
    created = fleet.create(OTHER_REGION, "late", ROLE_2027)
    arn = created["associationArn"]
    check_followed(harness, "the new association", "cloudtrail-create", created)
    updated = fleet.update(created, roleArn=CHAINED_ROLE, targetRoleArn=SHARED_2026)
    check_followed(harness, "its new role and target role", "cloudtrail-update", updated)
    users = index.users(CHAINED_ROLE), index.users(SHARED_2026, "targetRoleArn")
    equal("a rotation finds it by both roles", [arn in found for found in users], [True, True])
    deleted = fleet.delete(created)
    check_followed(harness, "that it is deleted", "cloudtrail-delete", deleted)
    tombstone = index.tombstones()[arn]
    equal("the attributes of the tombstone", set(tombstone), TOMBSTONE)
    deleted_at = int(datetime.fromisoformat(tombstone["deletedAt"]).timestamp())
    kept = int(tombstone["expiresAt"]) - deleted_at
    equal("it expires after this many seconds", kept, TOMBSTONE_SECONDS)
    check_duplicate(harness, deleted, tombstone)


def check_followed(harness, what, name, association):
    """Sends the event, and waits until the index matches EKS."""
    arn = association["associationArn"]
    expected = harness.fleet.as_indexed().get(arn)
    send(harness, event_about(association, name))

    def found():
        return harness.index.associations().get(arn)

    claim = f"the index shows {what}, as EKS does"
    eventually(claim, found, lambda item: item == expected)
    equal(claim, found(), expected)


def check_duplicate(harness, deleted, tombstone):
    """SQS may deliver an event twice."""
    arn = deleted["associationArn"]
    send(harness, event_about(deleted, "cloudtrail-delete"))
    harness.indexer_log.eventually(
        "that the event changed nothing",
        lambda line: line.get("association") == arn and line.get("changed") is False,
    )
    found = harness.index.tombstones()[arn]
    equal("an event that is delivered twice changes nothing", found, tombstone)
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")

    def message_counts():
        queue = harness.stack.queue("IndexerQueue")
        return {queue[name] for name in names}

    claim = "the queue has no message left"
    remaining = eventually(claim, message_counts, lambda counts: counts == {"0"})
    equal(claim, remaining, {"0"})


def an_invalid_message_is_kept(harness):
    """A message that names no association is tried five times and goes to the dead-letter queue."""
    sqs, outputs = harness.cloud.client("sqs"), harness.stack.outputs
    url = outputs["IndexerQueueUrl"]
    timeout = harness.stack.queue("IndexerQueue")["VisibilityTimeout"]
    # A failed message is received again at once, and not only after 15 minutes.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    event = sample("indexer/cloudtrail-update")
    event["detail"] |= {"requestParameters": None, "responseElements": None}
    message_id = send(harness, event)
    request = {"QueueUrl": outputs["IndexerDeadLetterQueueUrl"], "VisibilityTimeout": 0}
    (message,) = eventually(
        "the dead-letter queue has a message",
        lambda: sqs.receive_message(**request).get("Messages", []),
    )
    equal("the message has the event", json.loads(message["Body"]), event)
    lines = harness.indexer_log.eventually(
        "the problem of each try", lambda line: line.get("messageId") == message_id, TRIES
    )
    problems = [line["problem"] for line in lines]
    equal("the log has the problem of each try", problems, [problems[0]] * TRIES)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": timeout})


def event_about(association, name):
    """A sample event of a call whose response was this association."""
    text = json.dumps(sample(f"indexer/{name}"))
    replacements = {
        SAMPLE_CLUSTER: association["clusterName"],
        SAMPLE_ID: association["associationId"],
        REGION: region_of(association),
    }
    for of_sample, of_association in replacements.items():
        text = text.replace(of_sample, of_association)
    event = json.loads(text)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event["detail"] |= {"eventTime": now, "responseElements": {"association": association}}
    return event


def send(harness, event):
    """Sends the event to the queue, as the rule does, and returns the ID of the message."""
    # CloudTrail shows times as in the response of EKS: in seconds.
    body = json.dumps(event, default=datetime.timestamp)
    message = {"QueueUrl": harness.stack.outputs["IndexerQueueUrl"], "MessageBody": body}
    return harness.operators_sqs.send_message(**message)["MessageId"]
