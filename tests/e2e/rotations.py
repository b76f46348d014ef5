"""Scenarios about a rotation, in the order of README.md: dry run, request, result, repetition."""

import re
from datetime import datetime, timedelta

from expect import contains, equal, holds
from fleet import ROLE_2025, ROLE_2026, THIRD_ROLE, rfc3339

ID, DRY_RUN = "app-2026", "dry-run/app-2026"
# How long a pod keeps its credentials.
DRAIN = timedelta(hours=6, minutes=1)
TOKEN = re.compile(r"[0-9a-f]{64}")


def a_dry_run_writes_nothing_to_eks(harness):
    """A dry run records what a rotation would do, and writes nothing to EKS."""
    fleet = harness.fleet
    before = fleet.described()
    shown = harness.commands.run("role-users")
    claim = "[role-users] shows the associations on the old role"
    contains(claim, shown, "prod-ireland", "prod-virginia", "cart")
    harness.commands.run("dry-run")
    item = harness.wait_until_finished(DRY_RUN)
    equal("the status of the dry run", item["status"], "Planned")
    check_counts(item, total=15, wouldUpdate=12, drifted=2, deleted=1)
    rows = harness.ledger.rows(DRY_RUN)
    would_update, drifted, deleted = (
        with_outcome(rows, outcome) for outcome in ("WouldUpdate", "Drifted", "Deleted")
    )
    equal("its rows show what it would update", would_update, fleet.arns(ROLE_2025))
    equal("and what uses a third role", drifted, fleet.arns(THIRD_ROLE))
    equal("and what was deleted", deleted, {fleet.deleted["associationArn"]})
    equal("EKS is unchanged", fleet.described(), before)
    equal("the function sent no write to EKS", harness.cloudtrail.eks_writes(), [])
    equal("the dry run holds no role", harness.ledger.held_roles(), [])


def every_association_on_the_old_role_moves(harness):
    """Every association on the old role moves, in both regions. Those on a third role stay."""
    fleet, index = harness.fleet, harness.index
    before = fleet.described()
    harness.commands.run("request")
    item = harness.wait_until_finished(ID)
    moved, drifted = fleet.arns(ROLE_2025), fleet.arns(THIRD_ROLE)
    equal("the status of the rotation", item["status"], "Succeeded")
    check_counts(item, total=15, updated=12, drifted=2, deleted=1)
    now = fleet.described()
    last = max(now[arn]["modifiedAt"] for arn in moved)
    finished_at = datetime.fromisoformat(item["finishedAt"])
    bounds = (rfc3339(last + DRAIN), rfc3339(finished_at + DRAIN))
    role = harness.ledger.role(ROLE_2025)
    equal("nothing uses the old role any more", role.get("inUse"), None)
    until = role["leftUntil"]
    claim = f"the old role may be in use for 6 h and a margin, until {until}"
    holds(claim, bounds[0] <= until <= bounds[1], bounds)
    equal("EKS shows 12 on the new role", fleet.users(ROLE_2026), moved)
    equal("EKS shows none on the old role", fleet.users(ROLE_2025), set())
    after, expected = ({arn: shown[arn] for arn in drifted} for shown in (now, before))
    equal("the 2 on a third role are unchanged", after, expected)
    check_rows(harness, now)
    check_writes(harness)
    equal("the index shows 12 on the new role", index.users(ROLE_2026), moved)
    equal("the index shows 2 on the third role", index.users(THIRD_ROLE), drifted)
    equal("the index shows none on the old role", index.users(ROLE_2025), set())
    deleted = {fleet.deleted["associationArn"]}
    equal("the index has a tombstone of the deleted one", set(index.tombstones()), deleted)
    equal("both roles are released", harness.ledger.held_roles(), [])


def check_rows(harness, now):
    """The ledger has a row for each association."""
    fleet, rows = harness.fleet, harness.ledger.rows(ID)
    moved = fleet.arns(ROLE_2025)
    equal("12 rows are Updated", with_outcome(rows, "Updated"), moved)
    equal("2 rows are Drifted", with_outcome(rows, "Drifted"), fleet.arns(THIRD_ROLE))
    deleted = {fleet.deleted["associationArn"]}
    equal("1 row is Deleted", with_outcome(rows, "Deleted"), deleted)
    previous = {row["previousRoleArn"] for row in rows.values()}
    equal("each row has the previous role", previous, {ROLE_2025})
    fields = {tuple(row["fields"]) for row in rows.values()}
    equal("and the field that names it", fields, {("roleArn",)})
    tokens = [rows[arn]["clientRequestToken"] for arn in moved]
    holds("each token has 64 hexadecimal digits", all(map(TOKEN.fullmatch, tokens)), tokens)
    versions = {arn: rows[arn]["modifiedAt"] for arn in moved}
    expected = {arn: rfc3339(now[arn]["modifiedAt"]) for arn in moved}
    equal("each row has the version that EKS returned", versions, expected)


def check_writes(harness):
    """CloudTrail shows what the function sent to EKS."""
    rows, writes = harness.ledger.rows(ID), harness.cloudtrail.eks_writes()
    parameters = [call["requestParameters"] for call in writes]
    sent = sorted(each["clientRequestToken"] for each in parameters)
    tokens = sorted(rows[arn]["clientRequestToken"] for arn in harness.fleet.arns(ROLE_2025))
    equal("EKS received one write for each, with the token of its row", sent, tokens)
    bodies = {tuple(sorted(each)) for each in parameters}
    expected = {("clientRequestToken", "roleArn")}
    equal("each write has the role, the token, and nothing else", bodies, expected)


def the_commands_of_the_manual_show_the_result(harness):
    """The commands of the manual show the result of the rotation."""
    run = harness.commands.run
    shown = run("rotation")
    contains("[rotation] shows status and counts", shown, "Succeeded", "|  15 ", "|  12 ")
    until = harness.ledger.role(ROLE_2025)["leftUntil"]
    contains("[role] shows until when the old role is in use", run("role"), until)
    shown = run("associations")
    contains("[associations] shows all 15", shown, *harness.ledger.rows(ID))
    equal("12 of them are Updated", shown.count("Updated"), 12)
    shown = run("not-updated")
    drifted = harness.fleet.arns(THIRD_ROLE)
    contains("[not-updated] shows the others", shown, "Drifted", "Deleted", *drifted)
    equal("and no more than these", shown.count("podidentityassociation/"), 3)
    shown = run("role-users")
    holds("[role-users] shows no association any more", "shop" not in shown, shown)
    shown = run("role-history")
    claim = "[role-history] shows the rotation and its dry run"
    contains(claim, shown, "Succeeded", "Planned", ROLE_2026)
    is_latest_first = shown.index("Succeeded") < shown.index("Planned")
    holds("the latest rotation comes first", is_latest_first, shown)


def redelivery_changes_nothing(harness):
    """The same event again changes neither EKS nor the ledger."""
    ledger, fleet = harness.ledger.all_items(), harness.fleet.described()
    writes = harness.cloudtrail.eks_writes()
    harness.commands.run("request")
    (line,) = harness.rotate_log.wait_for(ID, "rotation already finished")
    equal("the log has the status of the rotation", line["status"], "Succeeded")
    equal("the ledger is unchanged", harness.ledger.all_items(), ledger)
    equal("each association has the same version", harness.fleet.described(), fleet)
    equal("EKS received no further write", harness.cloudtrail.eks_writes(), writes)


def with_outcome(rows, outcome):
    return {arn for arn, row in rows.items() if row["outcome"] == outcome}


def check_counts(item, **expected):
    """All other counts must be zero."""
    counts = {name: int(count) for name, count in item["counts"].items() if count}
    equal(f"the counts of {item['rotationId']}", counts, expected)
