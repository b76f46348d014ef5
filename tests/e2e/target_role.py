"""Scenario: the rotation of a target role, the one that pods go on to from the role of their association."""

from datetime import datetime, timedelta

from expect import equal, holds
from fleet import CHAINED_ROLE, SHARED_2025, SHARED_2026, rfc3339
from rotating import check_counts
from world import entry, rotation

ID = "shared-2026"
# How long a pod keeps credentials that it got by way of another role.
DRAIN = timedelta(minutes=59)


def rotated(world):
    """A target role is replaced where it is one, in another account; the association's own role stays."""
    fleet = world.fleet
    ((arn, before),) = ((arn, fleet.described()[arn]) for arn in fleet.arns(CHAINED_ROLE))
    writes = world.trail.eks_writes()
    world.put_events(entry(rotation(ID, SHARED_2025, SHARED_2026)))
    item = world.finished(ID)
    equal("the rotation's status", item["status"], "Succeeded")
    check_counts(item, total=1, updated=1)
    now = fleet.described()[arn]
    expected = {**before, "targetRoleArn": SHARED_2026, "modifiedAt": now["modifiedAt"]}
    equal("EKS shows the new target role, and all else as it was", now, expected)
    row = world.ledger.rows(ID)[arn]
    equal("the row says which field has changed", row["fields"], ["targetRoleArn"])
    roles = [row[name] for name in ("previousTargetRoleArn", "targetRoleArn", "roleArn")]
    equal("from what to what, and what has not", roles, [SHARED_2025, SHARED_2026, CHAINED_ROLE])
    made = [call for call in world.trail.eks_writes() if call not in writes]
    sent = {"targetRoleArn": SHARED_2026, "clientRequestToken": row["clientRequestToken"]}
    equal("EKS has seen one write, of that field and its token alone", [c["requestParameters"] for c in made], [sent])
    equal("the index shows it on the new target role", world.index.users(SHARED_2026, "targetRoleArn"), {arn})
    check_drain(item, now)


def check_drain(item, association):
    """The old role is in use for as long as credentials of it can be."""
    bounds = (rfc3339(association["modifiedAt"] + DRAIN), rfc3339(datetime.fromisoformat(item["finishedAt"]) + DRAIN))
    until = item["oldRoleInUseUntil"]
    holds(f"the old role may be in use for 59 min, until {until}", bounds[0] <= until <= bounds[1], bounds)
