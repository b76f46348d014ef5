"""What is looked at afterwards: both tables, the functions' logs, and the calls that CloudTrail has seen."""

import json
import time

from expect import eventually
from stack import OTHER_REGION, REGION

NOT_FINAL = ("Planning", "InProgress")
NUDGE_EVERY_SECONDS = 1


class Index:
    """The table of associations."""

    def __init__(self, cloud, stack):
        self.table = cloud.table(stack.outputs["AssociationIndexTableName"])

    def everything(self):
        """All items; the table holds a few dozen."""
        return self.table.scan(ConsistentRead=True)["Items"]

    def associations(self):
        """What it knows of associations, by ARN, but for when they were looked at."""
        items = [item for item in self.everything() if "roleArn" in item]
        return {item["associationArn"]: {name: item[name] for name in item if name != "seenAt"} for item in items}

    def users(self, role, field="roleArn"):
        """The associations that it shows on this role."""
        return {arn for arn, item in self.associations().items() if item.get(field) == role}

    def tombstones(self):
        """What it knows to be gone, by ARN."""
        return {item["associationArn"]: item for item in self.everything() if "deletedAt" in item}


class Ledger:
    """The table of rotations."""

    def __init__(self, cloud, stack):
        self.table = cloud.table(stack.outputs["RotationLedgerTableName"])

    def everything(self):
        """All items by their key; the table holds a few dozen."""
        return {(item["rotationId"], item["entry"]): item for item in self.table.scan()["Items"]}

    def item(self, rotation_id, entry="rotation"):
        return self.table.get_item(Key={"rotationId": rotation_id, "entry": entry}, ConsistentRead=True).get("Item")

    def run(self):
        """The reconciler's run that is under way, or was the last."""
        return self.item("index", "run")

    def rows(self, rotation_id):
        """The rotation's associations, by ARN."""
        rows = [
            item for (key, entry), item in self.everything().items() if key == rotation_id and "association#" in entry
        ]
        return {row["associationArn"]: row for row in rows}

    def locks(self):
        """The keys of all roles' locks."""
        return [key for key in self.everything() if key[1] == "lock"]

    def at_its_end(self, rotation_id):
        """Waits for the rotation to be final."""
        return eventually(
            f"rotation {rotation_id} comes to an end",
            lambda: self.item(rotation_id),
            lambda item: item and item["status"] not in NOT_FINAL,
        )


class Log:
    """What a function has written, as CloudWatch Logs shows it. `nudge` is a payload that it has nothing to do for."""

    def __init__(self, cloud, function, nudge):
        self.logs, self.group = cloud.client("logs"), function.log_group
        self.lambda_client, self.function, self.nudge = cloud.client("lambda"), function.name, json.dumps(nudge)

    def messages(self):
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group)
        return [event["message"] for page in pages for event in page["events"]]

    def lines(self, is_wanted):
        """The function's own lines, which are JSON."""
        lines = [json.loads(message) for message in self.messages() if message.startswith("{")]
        return [line for line in lines if is_wanted(line)]

    def eventually(self, what, is_wanted, count=1):
        """Waits for as many lines, and returns them.

        MiniStack takes a line that comes a little late for one of the next invocation, so there is one now and then.
        """
        nudged = time.monotonic()

        def look():
            nonlocal nudged
            if time.monotonic() - nudged > NUDGE_EVERY_SECONDS:
                nudged = time.monotonic()
                self.lambda_client.invoke(FunctionName=self.function, Payload=self.nudge)
            return self.lines(is_wanted)

        return eventually(f"the function's log says {what}", look, lambda lines: len(lines) >= count)

    def about(self, rotation_id, message, count=1):
        """Waits for lines with this message, or its beginning, about a rotation."""

        def is_wanted(line):
            is_about = line.get("span", {}).get("rotationId") == rotation_id
            return is_about and line.get("message", "").startswith(message)

        return self.eventually(f"{message!r} about {rotation_id}", is_wanted, count)

    def metrics(self, is_wanted, count=1):
        """Waits for lines in CloudWatch's embedded metric format."""
        return self.eventually("metrics", lambda line: "_aws" in line and is_wanted(line), count)


class Trail:
    """The calls of both functions that reached AWS and were not refused."""

    def __init__(self, cloud):
        self.cloud = cloud

    def calls(self, attribute, value):
        """In all regions, the latest page of each, and of the SDK for Rust only: this check itself uses another."""
        found = []
        for region in (REGION, OTHER_REGION):
            lookup = [{"AttributeKey": attribute, "AttributeValue": value}]
            events = self.cloud.client("cloudtrail", region).lookup_events(LookupAttributes=lookup)["Events"]
            found += [json.loads(event["CloudTrailEvent"]) for event in events]
        return [call for call in found if "lang/rust" in call["userAgent"]]

    def eks_writes(self):
        """All of them, since fewer than a page are made. MiniStack names calls to REST services by HTTP method."""
        return self.calls("EventName", "POST.eks")

    def dynamodb_calls(self):
        """The latest of them."""
        return self.calls("EventSource", "dynamodb.amazonaws.com")
