"""Reads what the functions leave behind: both tables, their logs, and their calls in CloudTrail."""

import json
import time

from boto3.dynamodb.conditions import Key
from expect import eventually
from stack import OTHER_REGION, REGION

NOT_FINISHED = ("Queued", "Planning", "InProgress", "Paused", "Cancelling")
PING_EVERY_SECONDS = 1


class Index:
    """The table of associations."""

    def __init__(self, cloud, stack):
        self.table = cloud.table(stack.outputs["AssociationIndexTableName"])

    def all_items(self):
        """All items, without pagination: the table has a few dozen."""
        return self.table.scan(ConsistentRead=True)["Items"]

    def associations(self):
        """The items of associations by ARN, without the time at which they were described."""
        items = [item for item in self.all_items() if "roleArn" in item]
        return {
            item["associationArn"]: {name: item[name] for name in item if name != "seenAt"}
            for item in items
        }

    def users(self, role, field="roleArn"):
        """The ARNs of the associations that the index shows on this role."""
        return {arn for arn, item in self.associations().items() if item.get(field) == role}

    def tombstones(self):
        """The tombstones of deleted associations, by ARN."""
        return {item["associationArn"]: item for item in self.all_items() if "deletedAt" in item}


class Ledger:
    """The table of rotations."""

    def __init__(self, cloud, stack):
        self.table = cloud.table(stack.outputs["RotationLedgerTableName"])

    def all_items(self):
        """All items by key."""
        items = all_pages(self.table.scan)
        return {(item["rotationId"], item["entry"]): item for item in items}

    def item(self, rotation_id, entry="rotation"):
        key = {"rotationId": rotation_id, "entry": entry}
        return self.table.get_item(Key=key, ConsistentRead=True).get("Item")

    def run(self):
        """The last index run, finished or not."""
        return self.item("index", "run")

    def rows(self, rotation_id):
        """The rows of the rotation's associations, by ARN."""
        is_row = Key("rotationId").eq(rotation_id) & Key("entry").begins_with("association#")
        rows = all_pages(self.table.query, KeyConditionExpression=is_row, ConsistentRead=True)
        return {row["associationArn"]: row for row in rows}

    def held_roles(self):
        """The keys of all roles that a rotation holds."""
        return [key for key, item in self.all_items().items() if "heldBy" in item]

    def role(self, role):
        """What is known of a role."""
        return self.item(f"role/{role}", "role")

    def wait_until_finished(self, rotation_id):
        """Waits until the rotation is finished, and returns its item."""
        return eventually(
            f"rotation {rotation_id} is finished",
            lambda: self.item(rotation_id),
            lambda item: item and item["status"] not in NOT_FINISHED,
        )


def all_pages(read, **parameters):
    """The items of all pages of a scan or a query."""
    while True:
        page = read(**parameters)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class Log:
    """The log of a function in CloudWatch Logs. `ping` is a payload that makes it do nothing."""

    def __init__(self, cloud, function, ping):
        self.logs, self.group = cloud.client("logs"), function.log_group
        self.lambda_client = cloud.client("lambda")
        self.function, self.ping = function.name, json.dumps(ping)

    def messages(self):
        paginator = self.logs.get_paginator("filter_log_events")
        pages = paginator.paginate(logGroupName=self.group)
        return [event["message"] for page in pages for event in page["events"]]

    def lines(self, is_wanted):
        """The function's own lines, which are JSON."""
        lines = [json.loads(message) for message in self.messages() if message.startswith("{")]
        return [line for line in lines if is_wanted(line)]

    def eventually(self, what, is_wanted, count=1):
        """Waits for at least this many lines, and returns them.

        MiniStack may show the last lines of an invocation only after the next one, so this invokes
        the function from time to time.
        """
        pinged_at = time.monotonic()

        def read():
            nonlocal pinged_at
            if time.monotonic() - pinged_at > PING_EVERY_SECONDS:
                pinged_at = time.monotonic()
                self.lambda_client.invoke(FunctionName=self.function, Payload=self.ping)
            return self.lines(is_wanted)

        claim = f"the log of {self.function} has {what}"
        return eventually(claim, read, lambda lines: len(lines) >= count)

    def wait_for(self, rotation_id, message, count=1):
        """Waits for lines about a rotation whose message starts with this text."""

        def is_wanted(line):
            is_about = line.get("span", {}).get("rotationId") == rotation_id
            return is_about and line.get("message", "").startswith(message)

        return self.eventually(f"{message!r} about {rotation_id}", is_wanted, count)

    def metrics(self, is_wanted, count=1):
        """Waits for lines in CloudWatch's embedded metric format."""
        return self.eventually("metrics", lambda line: "_aws" in line and is_wanted(line), count)


class CloudTrail:
    """The calls of both functions that reached AWS and were not refused."""

    def __init__(self, cloud):
        self.cloud = cloud

    def calls(self, attribute, value):
        """The latest page of each region. Only calls of the SDK for Rust: this check uses boto3."""
        found = []
        for region in (REGION, OTHER_REGION):
            lookup = [{"AttributeKey": attribute, "AttributeValue": value}]
            client = self.cloud.client("cloudtrail", region)
            events = client.lookup_events(LookupAttributes=lookup)["Events"]
            found += [json.loads(event["CloudTrailEvent"]) for event in events]
        return [call for call in found if "lang/rust" in call["userAgent"]]

    def eks_writes(self):
        """All writes to EKS: fewer than a page are made.

        MiniStack names a call to a REST service by its HTTP method.
        """
        return self.calls("EventName", "POST.eks")

    def dynamodb_calls(self):
        """The latest calls to DynamoDB."""
        return self.calls("EventSource", "dynamodb.amazonaws.com")
