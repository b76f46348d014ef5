"""Scenario: an association is moved back to a role that a rotation replaced."""

from cloudtrail import event_about, send
from expect import contains, equal, eventually, ok
from fleet import ROLE_2025
from rotations import ID


def a_reversion_is_recorded(harness):
    """A reversion and its caller are recorded with the rotation. rerole does not move it again."""
    fleet = harness.fleet
    association = fleet.by_role[ROLE_2025][0]
    arn = association["associationArn"]
    event = event_about(fleet.update(association, roleArn=ROLE_2025), "cloudtrail-update")
    send(harness, event)
    role = eventually(
        "the old role is in use again",
        lambda: harness.ledger.role(ROLE_2025),
        lambda role: "inUse" in role,
    )
    equal("because of this association", role["inUse"]["by"], arn)
    contains("[role] shows it", harness.commands.run("role"), "in use", arn)
    item = harness.ledger.item(ID)
    equal("the status of the rotation is unchanged", item["status"], "Succeeded")
    equal("the number of reversions", int(item["counts"]["reverted"]), 1)
    caller = event["detail"]["userIdentity"]["arn"]
    shown = harness.commands.run("reversions")
    contains("[reversions] shows the association and the caller", shown, arn, caller)
    equal("the association stays where it was moved", fleet.users(ROLE_2025), {arn})
    harness.indexer_log.metrics(lambda line: line.get("AssociationsReverted") == 1)
    ok("the log counts the reversion")
