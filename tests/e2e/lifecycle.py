"""Scenarios about commands: pause and resume, cancel and retry, freeze, rollback, and two teams on one role."""

from expect import contains, equal, eventually, holds
from harness import entry, executions, rotation
from stack import ACCOUNT

ROLES = [f"arn:aws:iam::{ACCOUNT}:role/platform/life-{year}" for year in range(2025, 2029)]
PAUSED, SECOND, CANCELLED, FROZEN = "paused", "second-team", "cancelled", "frozen"
# One at a time, at a hundredth of a second each, these take twice as long as a slice may take to
# notice a command, which is four seconds.
COUNT = 800
ONE_AT_A_TIME = "1"


def a_rotation_is_paused_and_resumed(harness):
    """A rotation pauses within seconds, keeps its roles, and resumes in the state machine."""
    harness.fleet.create_many("life", ROLES[0], COUNT, harness.index)
    request(harness, PAUSED, ROLES[0], ROLES[1], maxConcurrency=ONE_AT_A_TIME)
    wait_until_it_moves(harness, PAUSED)
    command(harness, "Pause", PAUSED, reason="CHG-1042")
    run(harness, "pause", PAUSED)
    item = eventually(
        "the rotation is paused, and its slice is over",
        lambda: harness.ledger.item(PAUSED),
        lambda item: item["status"] == "Paused" and "leaseUntil" not in item,
    )
    moved = outcomes(harness, PAUSED)["Updated"]
    holds("a part of it has moved", 0 < moved < COUNT, item["counts"])
    equal("it keeps both roles", sorted(harness.ledger.held_roles()), role_keys(ROLES[:2]))
    contains("[verdicts] shows the verdict", run(harness, "verdicts", PAUSED), "Pause", "Accepted")
    two_teams_share_a_role(harness)
    equal("nothing has moved meanwhile", outcomes(harness, PAUSED)["Updated"], moved)
    run(harness, "resume", PAUSED)
    item = harness.wait_until_finished(PAUSED)
    equal("the status of the resumed rotation", item["status"], "Succeeded")
    equal("the number of updated associations", item["counts"]["updated"], COUNT)
    (execution,) = executions(harness, PAUSED)
    equal("it was resumed in the state machine", execution["name"], f"{PAUSED}-2")
    shown = run(harness, "timeline", PAUSED)
    contains("[timeline] shows each status", shown, "Planning", "InProgress", "Paused", "Succeeded")
    contains("and the reason of the command", shown, "CHG-1042")
    item = harness.wait_until_finished(SECOND)
    equal("the status of the second team's rotation", item["status"], "NoAssociations")
    contains("it says who has done its work", item["reason"], f"{COUNT} were moved", PAUSED)


def two_teams_share_a_role(harness):
    """The request of the second team waits."""
    request(harness, SECOND, ROLES[0], ROLES[1])
    eventually("the second request is recorded", lambda: harness.ledger.item(SECOND))
    equal("its status", harness.ledger.item(SECOND)["status"], "Queued")
    equal("the old role has its place", harness.ledger.role(ROLES[0])["waiting"], [SECOND])


def a_rotation_is_cancelled_and_tried_again(harness):
    """A rotation is cancelled in the middle, releases its roles, and a retry moves the rest."""
    request(harness, CANCELLED, ROLES[1], ROLES[2], maxConcurrency=ONE_AT_A_TIME)
    wait_until_it_moves(harness, CANCELLED)
    command(harness, "Cancel", CANCELLED)
    run(harness, "cancel", CANCELLED)
    item = harness.wait_until_finished(CANCELLED)
    equal("the status of the rotation", item["status"], "Cancelled")
    counts = {name: int(count) for name, count in item["counts"].items() if count}
    holds("a part was not attempted", counts.keys() >= {"updated", "notAttempted"}, counts)
    equal("all rows are settled", counts["updated"] + counts["notAttempted"], COUNT)
    equal("both roles are released", harness.ledger.held_roles(), [])
    run(harness, "retry", CANCELLED)
    item = eventually(
        "the second attempt is finished",
        lambda: harness.ledger.item(CANCELLED),
        lambda item: item["attempt"] == 2 and "finishedAt" in item,
        timeout=120,
    )
    equal("the status after the retry", item["status"], "Succeeded")
    equal("all have moved", item["counts"]["updated"], COUNT)


def a_frozen_stack_starts_nothing(harness):
    """While the stack is frozen, new rotations wait. Afterwards they start by themselves."""
    run(harness, "freeze", FROZEN)
    stack = ("stack/state", "stack")
    eventually("the stack is frozen", lambda: "frozenAt" in (harness.ledger.item(*stack) or {}))
    contains("[frozen] shows why", harness.commands.run("frozen"), "INC-7")
    request(harness, FROZEN, ROLES[2], ROLES[3])
    eventually("the request is recorded", lambda: harness.ledger.item(FROZEN))
    equal("its status", harness.ledger.item(FROZEN)["status"], "Queued")
    response = harness.run_schedule("stalledRotations")
    holds("the check shows the freeze", "stackFrozenAt" in response, response)
    run(harness, "unfreeze", FROZEN)
    item = harness.wait_until_finished(FROZEN)
    equal("the status of the rotation", item["status"], "Succeeded")
    equal("all have moved", item["counts"]["updated"], COUNT)


def a_rotation_is_taken_back(harness):
    """A rollback moves back what its rotation has moved, and leaves what was changed in between."""
    (early,) = harness.fleet.create_many("life-early", ROLES[3], 1, harness.index)
    changed = harness.fleet.find("life", "app-7")
    harness.fleet.update(changed, roleArn=ROLES[0])
    run(harness, "rollback-plan", FROZEN)
    item = harness.wait_until_finished(f"dry-run/rollback/{FROZEN}")
    equal("the status of the dry run", item["status"], "Planned")
    equal("the number that would go back", item["counts"]["wouldUpdate"], COUNT - 1)
    run(harness, "rollback", FROZEN)
    item = harness.wait_until_finished(f"rollback/{FROZEN}")
    equal("the status of the rollback", item["status"], "RollbackIncomplete")
    counts = {name: int(count) for name, count in item["counts"].items() if count}
    equal("the number that has changed since", counts["changedSince"], 1)
    equal("the number that has gone back", counts["updated"], COUNT - 1)
    shown = run(harness, "rolled-back", FROZEN)
    contains("[rolled-back] shows it", shown, "RollbackIncomplete", str(COUNT - 1))
    for association, role in ((early, ROLES[3]), (changed, ROLES[0])):
        association = harness.fleet.find(association["namespace"], association["serviceAccount"])
        equal("an association that was left alone", association["roleArn"], role)
    equal("the users of the new role", len(harness.index.users(ROLES[3])), 1)
    equal("the users of the old role", len(harness.index.users(ROLES[2])), COUNT - 1)
    equal("the rotation keeps its status", harness.ledger.item(FROZEN)["status"], "Succeeded")
    (execution,) = executions(harness, f"rollback-{FROZEN}")
    equal("the rollback ran in the state machine", execution["name"], f"rollback-{FROZEN}-1")


def request(harness, rotation_id, old_role, new_role, **more):
    harness.put_events(entry(rotation(rotation_id, old_role, new_role, **more)))


def command(harness, name, rotation_id, **more):
    """Sends a command at once. The AWS CLI needs some time to start, in which all could move."""
    detail = {"rotationId": rotation_id, "command": name, **more}
    harness.put_events(entry(detail, detail_type="Role Rotation Command"))


def run(harness, name, rotation_id):
    """Runs a section of the manual for this rotation."""
    return harness.commands.run(name, **{"app-2026": rotation_id})


def wait_until_it_moves(harness, rotation_id):
    eventually(f"{rotation_id} moves", lambda: outcomes(harness, rotation_id).get("Updated"))


def outcomes(harness, rotation_id):
    """How many rows have each outcome."""
    found = {}
    for row in harness.ledger.rows(rotation_id).values():
        found[row["outcome"]] = found.get(row["outcome"], 0) + 1
    return found


def role_keys(roles):
    return sorted((f"role/{role}", "role") for role in roles)
