"""Scenarios: a rotation as README.md goes about it. Rehearsed, asked for, looked at, and asked for again."""

import re
from datetime import datetime, timedelta

from expect import contains, equal, holds
from fleet import ROLE_2025, ROLE_2026, THIRD_ROLE, rfc3339

ID, REHEARSAL = "app-2026", "dry-run/app-2026"
# How long a pod keeps credentials.
DRAIN = timedelta(hours=6)
TOKEN = re.compile(r"[0-9a-f]{64}")


def rehearsal(world):
    """A dry run records what would happen, and writes nothing to EKS."""
    fleet = world.fleet
    before = fleet.described()
    shown = world.commands.run("role-users")
    contains("[role-users] shows associations on the old role", shown, "prod-ireland", "prod-virginia", "cart")
    world.commands.run("rehearse")
    item = world.finished(REHEARSAL)
    equal("the dry run's status", item["status"], "Planned")
    check_counts(item, total=15, wouldUpdate=12, drifted=2, deleted=1)
    rows = world.ledger.rows(REHEARSAL)
    equal("its rows say what would be updated", with_outcome(rows, "WouldUpdate"), fleet.arns(ROLE_2025))
    equal("what uses a third role", with_outcome(rows, "Drifted"), fleet.arns(THIRD_ROLE))
    equal("and what is gone", with_outcome(rows, "Deleted"), {fleet.gone["associationArn"]})
    equal("EKS is as it was", fleet.described(), before)
    equal("EKS has seen no write of the function", world.trail.eks_writes(), [])
    equal("it has left no lock", world.ledger.locks(), [])


def rotation(world):
    """Every association on the old role moves to the new one, in both regions; what uses a third role stays."""
    fleet = world.fleet
    before = fleet.described()
    world.commands.run("request")
    item = world.finished(ID)
    moved, kept = fleet.arns(ROLE_2025), fleet.arns(THIRD_ROLE)
    equal("the rotation's status", item["status"], "Succeeded")
    check_counts(item, total=15, updated=12, drifted=2, deleted=1)
    now = fleet.described()
    last = max(now[arn]["modifiedAt"] for arn in moved)
    bounds = (rfc3339(last + DRAIN), rfc3339(datetime.fromisoformat(item["finishedAt"]) + DRAIN))
    until = item["oldRoleInUseUntil"]
    holds(f"the old role may be in use for 6 h, until {until}", bounds[0] <= until <= bounds[1], bounds)
    equal("EKS shows the 12 on the new role", fleet.users(ROLE_2026), moved)
    equal("EKS shows nobody on the old role", fleet.users(ROLE_2025), set())
    equal("the 2 on a third role are as they were", {arn: now[arn] for arn in kept}, {arn: before[arn] for arn in kept})
    check_rows(world, now)
    check_writes(world)
    equal("the index shows the 12 on the new role", world.index.users(ROLE_2026), moved)
    equal("the index shows the 2 on their third role", world.index.users(THIRD_ROLE), kept)
    equal("the index shows nobody on the old role", world.index.users(ROLE_2025), set())
    equal("and the 1 that is gone as a tombstone", set(world.index.tombstones()), {fleet.gone["associationArn"]})
    equal("the locks of both roles are given back", world.ledger.locks(), [])


def check_rows(world, now):
    """What the ledger keeps of each association."""
    rows = world.ledger.rows(ID)
    moved = world.fleet.arns(ROLE_2025)
    equal("12 rows are Updated", with_outcome(rows, "Updated"), moved)
    equal("2 rows are Drifted", with_outcome(rows, "Drifted"), world.fleet.arns(THIRD_ROLE))
    equal("1 row is Deleted", with_outcome(rows, "Deleted"), {world.fleet.gone["associationArn"]})
    previous = {row["previousRoleArn"] for row in rows.values()}
    equal("each row keeps the role that the association was found on", previous, {ROLE_2025})
    equal("and in which field", {tuple(row["fields"]) for row in rows.values()}, {("roleArn",)})
    shapes = [bool(TOKEN.fullmatch(rows[arn]["clientRequestToken"])) for arn in moved]
    equal("each moved one's token has 64 hexadecimal digits", shapes, [True] * 12)
    kept = {arn: rows[arn]["modifiedAt"] for arn in moved}
    versions = {arn: rfc3339(now[arn]["modifiedAt"]) for arn in moved}
    equal("each keeps the version that EKS answered", kept, versions)


def check_writes(world):
    """What EKS was sent, as CloudTrail shows it."""
    rows, writes = world.ledger.rows(ID), world.trail.eks_writes()
    sent = sorted(call["requestParameters"]["clientRequestToken"] for call in writes)
    tokens = sorted(rows[arn]["clientRequestToken"] for arn in world.fleet.arns(ROLE_2025))
    equal("EKS has seen one write for each, with the row's token", sent, tokens)
    bodies = {tuple(sorted(call["requestParameters"])) for call in writes}
    equal("each sends the role and its token, and nothing else", bodies, {("clientRequestToken", "roleArn")})


def looking(world):
    """README.md's commands show what has happened."""
    run = world.commands.run
    contains("[rotation] shows how it stands", run("rotation"), "Succeeded", "oldRoleInUseUntil", "|  15 ", "|  12 ")
    shown = run("associations")
    contains("[associations] shows all 15", shown, *world.ledger.rows(ID))
    equal("Updated among them", shown.count("Updated"), 12)
    shown = run("not-updated")
    contains("[not-updated] shows the others", shown, "Drifted", "Deleted", *world.fleet.arns(THIRD_ROLE))
    equal("and only them", shown.count("podidentityassociation/"), 3)
    holds("[role-users] shows nobody any more", "shop" not in run("role-users"), run("role-users"))
    shown = run("role-history")
    contains("[role-history] shows rotation and rehearsal", shown, "Succeeded", "Planned", ROLE_2026)
    holds("the latest first", shown.index("Succeeded") < shown.index("Planned"), shown)


def redelivery(world):
    """The same event again: it reaches the function, EKS is not written to, and the record stays as it is."""
    before = (world.ledger.everything(), world.fleet.described(), world.trail.eks_writes())
    world.commands.run("request")
    (line,) = world.log.about(ID, "rotation was finished")
    equal("the function says", line["message"], "rotation was finished by an earlier delivery")
    ledger, fleet, writes = before
    equal("the ledger is as it was", world.ledger.everything(), ledger)
    equal("each association's version is as it was", world.fleet.described(), fleet)
    equal("EKS has seen no other write", world.trail.eks_writes(), writes)


def with_outcome(rows, outcome):
    return {arn for arn, row in rows.items() if row["outcome"] == outcome}


def check_counts(item, **expected):
    """All other counts are zero."""
    counts = {name: int(count) for name, count in item["counts"].items() if count}
    equal(f"counts of {item['rotationId']}", counts, expected)
