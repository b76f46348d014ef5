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
    item = eventually(
        "the rotation shows that the old role is in use",
        lambda: harness.ledger.item(ID),
        lambda item: "oldRoleInUseUntil" not in item,
    )
    equal("the status of the rotation is unchanged", item["status"], "Succeeded")
    equal("the number of reversions", int(item["counts"]["reverted"]), 1)
    contains("the reason names the association", item["reason"], "in use again", arn)
    caller = event["detail"]["userIdentity"]["arn"]
    shown = harness.commands.run("reversions")
    contains("[reversions] shows the association and the caller", shown, arn, caller)
    equal("the association stays where it was moved", fleet.users(ROLE_2025), {arn})
    harness.indexer_log.metrics(lambda line: line.get("AssociationsReverted") == 1)
    ok("the log counts the reversion")
