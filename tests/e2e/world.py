"""What every scenario works with: the stack, its fleet, its records, and a way to put events."""

import json

from commands import Commands
from expect import Unmet
from fleet import Fleet
from records import Index, Ledger, Log, Trail
from stack import ROOT

SOURCE = "platform.iam"
DETAIL_TYPE = "Role Rotation Requested"


class World:
    def __init__(self, cloud, stack):
        self.cloud, self.stack = cloud, stack
        self.ledger, self.index, self.trail = Ledger(cloud, stack), Index(cloud, stack), Trail(cloud)
        self.log = Log(cloud, stack.rotate, {"detail-type": "Nudge"})
        self.index_log = Log(cloud, stack.index, {"Records": []})
        self.commands, self.fleet = Commands(cloud), Fleet(cloud)

    def put_events(self, *entries):
        """Puts events in this order; their ids."""
        answer = self.cloud.client("events").put_events(Entries=list(entries))
        if answer["FailedEntryCount"] != 0:
            raise Unmet(f"EventBridge takes {len(entries)} event(s)\n  found: {answer['Entries']}")
        return [entry["EventId"] for entry in answer["Entries"]]

    def run_schedule(self, word):
        """Invokes a function as the schedule does whose payload has this word; what it answers."""
        target = self.stack.schedule_of(word)
        answer = self.cloud.client("lambda").invoke(FunctionName=target["Arn"], Payload=target["Input"].encode())
        reply = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise Unmet(f"the function understands {target['Input']}\n  found: {reply}")
        return reply

    def finished(self, rotation_id):
        """Waits until the rotation is final and its invocation has said so; the rotation's item."""
        item = self.ledger.at_its_end(rotation_id)
        self.log.about(rotation_id, "rotation finished")
        return item


def entry(detail, source=SOURCE, detail_type=DETAIL_TYPE):
    """An event as PutEvents takes it."""
    return {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}


def rotation(rotation_id, old_role, new_role, **more):
    """The `detail` that asks for a rotation."""
    return {"rotationId": rotation_id, "oldRoleArn": old_role, "newRoleArn": new_role, **more}


def sample(name):
    """A sample event, as EventBridge would deliver it."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())
