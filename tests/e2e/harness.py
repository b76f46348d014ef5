"""What every scenario uses: the stack, its fleet, its tables and logs, and a way to send events."""

import json

from commands import Commands
from expect import ExpectationFailed
from fleet import Fleet
from records import CloudTrail, Index, Ledger, Log
from stack import ROOT

SOURCE = "platform.iam"
DETAIL_TYPE = "Role Rotation Requested"
DETAIL_TYPES = [DETAIL_TYPE, "Role Rotation Command"]


class Harness:
    def __init__(self, cloud, stack):
        self.cloud, self.stack = cloud, stack
        self.ledger, self.index = Ledger(cloud, stack), Index(cloud, stack)
        self.cloudtrail = CloudTrail(cloud)
        self.rotate_log = Log(cloud, stack.rotate, {"detail-type": "Ping"})
        self.indexer_log = Log(cloud, stack.indexer, {"Records": []})
        self.publisher_log = Log(cloud, stack.publisher, {"Records": []})
        self.commands, self.fleet = Commands(cloud), Fleet(cloud)
        # The queues admit no one else, not even the root user. permissions.py sets it.
        self.operators_sqs = None

    def put_events(self, *entries):
        """Puts events on the bus of the stack in this order, and returns their IDs."""
        bus = {"EventBusName": self.stack.outputs["RotationEventBusName"]}
        entries = [{**bus, **entry} for entry in entries]
        response = self.cloud.client("events").put_events(Entries=entries)
        if response["FailedEntryCount"] != 0:
            claim = f"EventBridge accepts {len(entries)} event(s)"
            raise ExpectationFailed(f"{claim}\n  found: {response['Entries']}")
        return [entry["EventId"] for entry in response["Entries"]]

    def run_schedule(self, word):
        """Invokes a function as the schedule with this word in its input. Returns the response."""
        target = self.stack.schedule_of(word)
        response = self.cloud.client("lambda").invoke(
            FunctionName=target["Arn"], Payload=target["Input"].encode()
        )
        payload = json.load(response["Payload"])
        if "FunctionError" in response:
            raise ExpectationFailed(f"the function accepts {target['Input']}\n  found: {payload}")
        return payload

    def wait_until_finished(self, rotation_id):
        """Waits until the rotation is finished and the log says so, and returns its item."""
        item = self.ledger.wait_until_finished(rotation_id)
        self.rotate_log.wait_for(rotation_id, "rotation finished")
        return item


def executions(harness, rotation_id):
    """The executions of the state machine for this rotation, latest first."""
    state_machine = {"stateMachineArn": harness.stack.outputs["StateMachineArn"]}
    found = harness.cloud.client("stepfunctions").list_executions(**state_machine)["executions"]
    return [each for each in found if each["name"].rpartition("-")[0] == rotation_id]


def entry(detail, source=SOURCE, detail_type=DETAIL_TYPE):
    """An entry for PutEvents."""
    return {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}


def rotation(rotation_id, old_role, new_role, **more):
    """The `detail` of an event that requests a rotation."""
    return {"rotationId": rotation_id, "oldRoleArn": old_role, "newRoleArn": new_role, **more}


def sample(name):
    """A sample event, as EventBridge delivers it."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())
