"""Scenarios about events that must not start a rotation."""

from expect import contains, equal, holds
from fleet import ROLE_2026, ROLE_2027
from harness import entry, rotation, sample


def an_invalid_event_is_recorded(harness):
    """An event with a misspelled field is recorded with the field's name. Nothing else happens."""
    ledger, fleet = harness.ledger.all_items(), harness.fleet.described()
    writes = harness.cloudtrail.eks_writes()
    detail = sample("misspelt-field")["detail"]
    (event_id,) = harness.put_events(entry(detail))
    key = f"rejected/{event_id}"
    item = harness.ledger.wait_until_finished(key)
    equal("the status of the event", item["status"], "Rejected")
    equal("the invalid field", item["field"], "detail.dryrun")
    contains("the reason names it", item["reason"], "dryrun", "is not allowed")
    contains("the item has the event", item["event"], event_id, detail["newRoleArn"])
    shown = harness.commands.run("rejected")
    contains("[rejected] shows it", shown, key, "detail.dryrun", item["startedAt"])
    expected = {**ledger, (key, "rotation"): item}
    equal("the ledger has no other new item", harness.ledger.all_items(), expected)
    equal("EKS is unchanged", harness.fleet.described(), fleet)
    equal("EKS received no write", harness.cloudtrail.eks_writes(), writes)


def events_of_another_source_or_type_are_ignored(harness):
    """Events of another source or detail-type do not reach the function.

    The last of the three events does. When its rotation is finished, the others would also be.
    """

    def dry_run(rotation_id):
        return rotation(rotation_id, ROLE_2026, ROLE_2027, dryRun=True)

    harness.put_events(
        entry(dry_run("of-another-source"), source="another.source"),
        entry(dry_run("of-another-type"), detail_type="Role Created"),
        entry(dry_run("after-the-others")),
    )
    item = harness.wait_until_finished("dry-run/after-the-others")
    equal("the status of the last of the three", item["status"], "Planned")
    no_ignored_event_arrived_late(harness)


def no_ignored_event_arrived_late(harness):
    """Events of another source or detail-type have not reached the function later either."""
    keys = [key for key in harness.ledger.all_items() if "of-another" in key[0]]
    equal("the ledger has no item of the other events", keys, [])
    # The function would acknowledge an event of another type, and log it.
    lines = harness.rotate_log.lines(lambda line: line.get("detailType") == "Role Created")
    holds("the log has no line about them", not lines, lines)
