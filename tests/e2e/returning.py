"""Scenario: an association comes back to a role that a rotation has replaced."""

from expect import contains, equal, eventually, met
from fleet import ROLE_2025
from following import event_about, send
from rotating import ID


def moved_back(world):
    """What is moved back to the old role is recorded with its rotation, and who did it; nothing is moved by itself."""
    fleet = world.fleet
    association = fleet.by_role[ROLE_2025][0]
    arn = association["associationArn"]
    event = event_about(fleet.update(association, roleArn=ROLE_2025), "cloudtrail-update")
    send(world, event)
    item = eventually(
        "the rotation knows",
        lambda: world.ledger.item(ID, "rotation"),
        lambda item: "oldRoleInUseUntil" not in item,
    )
    equal("the rotation's status stays", item["status"], "Succeeded")
    equal("it counts who has returned", int(item["counts"]["returned"]), 1)
    contains("and says that the old role is in use", item["reason"], "in use again", arn)
    caller = event["detail"]["userIdentity"]["arn"]
    contains("[returned] shows which and who", world.commands.run("returned"), arn, caller)
    equal("EKS shows it where somebody has put it", fleet.users(ROLE_2025), {arn})
    world.index_log.metrics(lambda line: line.get("AssociationsReturned") == 1)
    met("the log counts it")
