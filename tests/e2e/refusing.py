"""Scenarios: events that must not rotate anything."""

from expect import contains, equal, holds
from fleet import ROLE_2026, ROLE_2027
from world import entry, rotation, sample


def rejected(world):
    """A misspelt field is recorded with its name, and nothing else happens."""
    before = (world.ledger.everything(), world.fleet.described(), world.trail.eks_writes())
    detail = sample("misspelt-field")["detail"]
    (event_id,) = world.put_events(entry(detail))
    key = f"rejected/{event_id}"
    item = world.ledger.at_its_end(key)
    equal("the event's status", item["status"], "Rejected")
    equal("the field that is wrong", item["field"], "detail.dryrun")
    contains("the reason names it, too", item["reason"], "dryrun", "is not allowed")
    contains("the event is kept", item["event"], event_id, detail["newRoleArn"])
    contains("[rejected] shows it", world.commands.run("rejected"), key, "detail.dryrun", item["startedAt"])
    ledger, fleet, writes = before
    equal("nothing else is in the ledger", world.ledger.everything(), {**ledger, (key, "rotation"): item})
    equal("EKS is as it was", world.fleet.described(), fleet)
    equal("EKS has seen no write", world.trail.eks_writes(), writes)


def foreign(world):
    """Events of another source or detail-type do not reach the function.

    One that does is put last: when that is done, the others have had their chance.
    """

    def dry_run(rotation_id):
        return rotation(rotation_id, ROLE_2026, ROLE_2027, dryRun=True)

    world.put_events(
        entry(dry_run("of-another-source"), source="someone.else"),
        entry(dry_run("of-another-type"), detail_type="Role Created"),
        entry(dry_run("after-the-others")),
    )
    equal("the last of the three arrives", world.finished("dry-run/after-the-others")["status"], "Planned")
    absence(world)


def absence(world):
    """Events of another source or detail-type have not reached the function since, either."""
    # It acknowledges events of another type, so that the log would show one.
    foreign_keys = [key for key in world.ledger.everything() if "of-another" in key[0]]
    equal("the others have left nothing in the ledger", foreign_keys, [])
    ignored = world.log.lines(lambda line: line.get("detail_type") == "Role Created")
    holds("and nothing in the log", not ignored, ignored)
