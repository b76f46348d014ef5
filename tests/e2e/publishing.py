"""Scenarios about the publisher: a consumer on the bus hears of everything in the timelines."""

import json
import statistics
from datetime import datetime

from expect import contains, equal, eventually, holds, note
from stack import ACCOUNT, REGION

RULE, QUEUE = "e2e-consumer", "e2e-consumer"
STATUS_CHANGED = "Role Rotation Status Changed"


def ministack_needs_a_grant_without_conditions(harness):
    """MiniStack does not know events:source and events:detail-type, so this grants without them."""
    role = {"RoleName": harness.stack.publisher.role_name}
    iam = harness.cloud.client("iam")
    policy = iam.get_role_policy(**role, PolicyName="publisher")["PolicyDocument"]
    (statement,) = policy["Statement"]
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{harness.stack.name}"
    equal("the publisher may put events on this bus", statement["Resource"], bus)
    allow = {"Effect": "Allow", "Action": statement["Action"], "Resource": "*"}
    document = json.dumps({"Version": policy["Version"], "Statement": [allow]})
    iam.put_role_policy(**role, PolicyName="ministack-events", PolicyDocument=document)
    note("not checked: the conditions of this policy. tests/it/access/ evaluates them")


def a_consumer_subscribes(harness):
    """A rule on the bus passes what rerole publishes to a queue."""
    bus = harness.stack.outputs["PublishEventBusName"]
    equal("by default, the bus is the one for requests", bus, harness.stack.name)
    harness.cloud.client("sqs").create_queue(QueueName=QUEUE)
    pattern = json.dumps({"source": ["rerole"], "detail-type": [STATUS_CHANGED]})
    events = harness.cloud.client("events")
    events.put_rule(Name=RULE, EventBusName=bus, EventPattern=pattern)
    target = {"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"}
    response = events.put_targets(Rule=RULE, EventBusName=bus, Targets=[target])
    equal("the queue is the target of the rule", response["FailedEntryCount"], 0)


def the_consumer_hears_of_every_status(harness):
    """Each entry of each timeline has reached the consumer, and nothing else has."""
    heard = {}
    expected = timelines(harness)
    eventually(
        "the consumer has heard of each entry",
        lambda: receive(harness, heard),
        lambda found: found.keys() >= expected.keys(),
        timeout=60,
    )
    equal(f"the consumer has heard of {len(expected)} entries", heard.keys(), expected.keys())
    for key, detail in heard.items():
        item = {name: value for name, value in expected[key].items() if name != "entry"}
        found = {name: detail[name] for name in item}
        if found != as_json(item):
            equal(f"event {key} is the entry", found, as_json(item))
    delays = [detail.pop("arrivedAfter") for detail in heard.values()]
    shown = f"{statistics.median(delays):.1f} s at the median, {max(delays):.1f} s at most"
    note(f"from the time of an entry to the queue of the consumer: {shown}")
    end = next(event for event in heard.values() if event.get("to") == "RollbackIncomplete")
    contains("the end of a rollback says why", end["summary"]["reason"], "changed since")
    run = harness.commands.run("republish", **{"app-2026": "frozen"})
    contains("[republish] says which entries are published again", run, "fromSeq", "toSeq")
    again = {}
    eventually(
        "they reach the consumer again",
        lambda: receive(harness, again),
        lambda found: found.get(("frozen", 3), {}).get("republishedAt"),
    )
    holds("no earlier entry does", min(seq for _, seq in again) == 3, again.keys())


def timelines(harness):
    """The entries of all timelines by rotation and number."""
    return {
        (key, int(entry.partition("#")[2])): item
        for (key, entry), item in harness.ledger.all_items().items()
        if entry.startswith("timeline#")
    }


def receive(harness, heard):
    """Adds the details of the events that have arrived, and returns all."""
    sqs = harness.cloud.client("sqs")
    queue = {"QueueUrl": sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]}
    queue |= {"AttributeNames": ["SentTimestamp"], "MaxNumberOfMessages": 10}
    while messages := sqs.receive_message(**queue).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            detail = event["detail"]
            sent_at = int(message["Attributes"]["SentTimestamp"]) / 1000
            detail["arrivedAfter"] = sent_at - datetime.fromisoformat(detail["at"]).timestamp()
            heard[detail["rotationId"], detail["seq"]] = detail
            sqs.delete_message(QueueUrl=queue["QueueUrl"], ReceiptHandle=message["ReceiptHandle"])
    return heard


def as_json(item):
    """An item of a table as the event has it: numbers are integers."""
    return json.loads(json.dumps(item, default=int))
