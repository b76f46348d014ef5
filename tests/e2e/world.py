"""What every scenario works with: the stack, its fleet, its records, and a way to put events."""

import json

from commands import Commands
from expect import Unmet
from fleet import Fleet
from records import Ledger, Log, Trail
from stack import ROOT

SOURCE = "platform.iam"
DETAIL_TYPE = "Role Rotation Requested"


class World:
    def __init__(self, cloud, stack):
        self.cloud, self.stack = cloud, stack
        self.ledger, self.log, self.trail = Ledger(cloud, stack), Log(cloud, stack), Trail(cloud)
        self.commands = Commands(cloud)
        self.fleet = Fleet(cloud, stack)

    def put_events(self, *entries):
        """Puts events in this order; their ids."""
        answer = self.cloud.client("events").put_events(Entries=list(entries))
        if answer["FailedEntryCount"] != 0:
            raise Unmet(f"EventBridge takes {len(entries)} event(s)\n  found: {answer['Entries']}")
        return [entry["EventId"] for entry in answer["Entries"]]

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
