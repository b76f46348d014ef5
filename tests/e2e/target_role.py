"""Scenario: the rotation of a target role, which pods assume from the role of their association."""

from datetime import datetime, timedelta

from expect import equal, holds
from fleet import CHAINED_ROLE, SHARED_2025, SHARED_2026, rfc3339
from harness import entry, rotation
from rotations import check_counts

ID = "shared-2026"
# How long a pod keeps credentials of a target role.
DRAIN = timedelta(minutes=60)


def a_target_role_is_rotated(harness):
    """A target role in another account is replaced, and the role of the association stays."""
    fleet = harness.fleet
    (arn,) = fleet.arns(CHAINED_ROLE)
    before = fleet.described()[arn]
    writes = harness.cloudtrail.eks_writes()
    harness.put_events(entry(rotation(ID, SHARED_2025, SHARED_2026)))
    item = harness.wait_until_finished(ID)
    equal("the status of the rotation", item["status"], "Succeeded")
    check_counts(item, total=1, updated=1)
    now = fleet.described()[arn]
    expected = {**before, "targetRoleArn": SHARED_2026, "modifiedAt": now["modifiedAt"]}
    equal("EKS shows the new target role, and nothing else changed", now, expected)
    row = harness.ledger.rows(ID)[arn]
    equal("the field that the row says has changed", row["fields"], ["targetRoleArn"])
    roles = [row[name] for name in ("previousTargetRoleArn", "targetRoleArn", "roleArn")]
    expected = [SHARED_2025, SHARED_2026, CHAINED_ROLE]
    equal("the row has the old and the new target role, and the role", roles, expected)
    made = [call for call in harness.cloudtrail.eks_writes() if call not in writes]
    sent = [call["requestParameters"] for call in made]
    expected = {"targetRoleArn": SHARED_2026, "clientRequestToken": row["clientRequestToken"]}
    equal("EKS received one write, with this field and its token", sent, [expected])
    users = harness.index.users(SHARED_2026, "targetRoleArn")
    equal("the index shows the new target role", users, {arn})
    check_drain(harness, item, now)


def check_drain(harness, item, association):
    """The old role is in use for as long as its credentials can be valid."""
    finished_at = datetime.fromisoformat(item["finishedAt"])
    bounds = (rfc3339(association["modifiedAt"] + DRAIN), rfc3339(finished_at + DRAIN))
    until = harness.ledger.role(SHARED_2025)["leftUntil"]
    claim = f"the old role may be in use for 59 min and a margin, until {until}"
    holds(claim, bounds[0] <= until <= bounds[1], bounds)
