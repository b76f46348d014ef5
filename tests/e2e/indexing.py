"""Scenarios about the index: it is built, kept up to date by schedules, and checked for its age.

cloudtrail.py has the scenarios about events.
"""

from datetime import datetime, timedelta, timezone

import cli
from alarms import check_alarm
from expect import contains, equal, eventually, ok
from fleet import CHAINED_ROLE, CLUSTERS, DENIED_ROLE, ROLE_2027, THIRD_ROLE, rfc3339
from stack import OTHER_REGION

# The indexer believes that an association is deleted only if its version is 10 s old.
DELETION_BELIEVED_AFTER = timedelta(seconds=11)
# One hour more than the default of IndexStaleAfterHours.
STALE = timedelta(hours=37)


def a_full_reconcile_builds_the_index(harness):
    """A full reconcile builds an empty index, and the index then matches EKS in both regions."""
    equal("the index is empty", harness.index.all_items(), [])
    harness.commands.run("build-index")
    run = eventually(
        "the run is finished", harness.ledger.run, lambda run: run and "finishedAt" in run
    )
    request = {"mode": "full", "regions": sorted(CLUSTERS)}
    equal("the run covered all regions of IndexRegions", run["request"], request)
    equal("the run could read all clusters and regions", run["errors"], [])
    total = len(harness.fleet.described())
    check_counts("of the run", run["counts"], clusters=2, seen=total, added=total)
    check_index(harness)
    check_alarm(harness, harness.indexer_log, "StaleIndexRegions", count=0, state="OK")
    shown = harness.commands.run("index-run")
    times = run["startedAt"], run["finishedAt"]
    contains("[index-run] shows the run", shown, "full", *times, f"|  {total} ")
    ages = [harness.ledger.item("index", f"region#{region}")["describedAt"] for region in CLUSTERS]
    shown = harness.commands.run("index-age")
    contains("[index-age] shows both regions", shown, *CLUSTERS, *ages)


def the_command_line_tool_builds_the_index(harness):
    """`rerole index` builds an empty index, and then finds no difference."""
    for item in harness.index.all_items():
        key = {name: item[name] for name in ("clusterArn", "associationId")}
        harness.index.table.delete_item(Key=key)
    total = len(harness.fleet.described())
    extent = f"{total} associations in {len(CLUSTERS)} clusters"
    output = cli.run(harness, "index", "check", exit_code=3)
    contains("`check` shows the differences", output, f"{extent}: {total} differ", "missing")
    equal("`check` changed nothing", harness.index.all_items(), [])
    output = cli.run(harness, "index", "build")
    contains("`build` shows its changes", output, f"{extent}: {total} added, 0 changed, 0 removed")
    check_index(harness)
    output = cli.run(harness, "index", "check")
    contains("`check` finds no difference", output, f"{extent}: the index matches EKS.")


def the_index_lags_behind_eks(harness):
    """EKS changes without events, so the next scenarios find an index that lags behind."""
    before = harness.index.associations()
    harness.fleet.change_without_events()
    # MiniStack's CloudTrail sends no events to EventBridge.
    equal("the index is unchanged", harness.index.associations(), before)


def reconciles_repair_the_index(harness):
    """A list-only reconcile finds created and deleted associations; a full one also finds roles."""
    fleet = harness.fleet
    (moved, *_), (removed,) = fleet.by_role[THIRD_ROLE], fleet.by_role[DENIED_ROLE]
    fleet.create(OTHER_REGION, "overlooked", ROLE_2027)
    fleet.delete(removed)
    # EKS may not show a younger association yet, so the indexer does not take it for deleted.
    known = harness.index.associations()[removed["associationArn"]]["modifiedAt"]
    eventually(
        "the index item of the deleted association is some seconds old",
        lambda: datetime.now(timezone.utc) - datetime.fromisoformat(known),
        lambda age: age > DELETION_BELIEVED_AFTER,
    )
    fleet.update(moved, roleArn=CHAINED_ROLE)
    total = len(fleet.described())
    counts = harness.run_schedule("listOnly")["counts"]
    check_counts("of the list-only run", counts, clusters=2, seen=total, added=1, removed=1)
    found = harness.index.users(CHAINED_ROLE)
    equal("it does not find the new role of an association", found, fleet.arns(CHAINED_ROLE))
    counts = harness.run_schedule("full")["counts"]
    check_counts("of the full run", counts, clusters=2, seen=total, changed=1)
    check_index(harness)
    for mode, count in (("listOnly", 2), ("full", 1)):
        harness.indexer_log.metrics(
            lambda line, count=count: line.get("IndexDifferencesRepaired") == count
        )
        ok(f"the log counts the {count} differences that the {mode} run repaired")


def a_stale_region_fires_the_alarm(harness):
    """A region whose index was last complete too long ago is counted, and its alarm fires."""
    key = {"rotationId": "index", "entry": f"region#{OTHER_REGION}"}
    long_ago = rfc3339(datetime.now(timezone.utc) - STALE)
    region_index = {**key, "describedAt": long_ago, "listedAt": long_ago}
    harness.ledger.table.put_item(Item=region_index)
    response = harness.run_schedule("resume")
    equal("the schedule finds no run to resume", response, {"status": "NothingToResume"})
    check_alarm(harness, harness.indexer_log, "StaleIndexRegions", count=1, state="ALARM")
    shown = harness.commands.run("index-age")
    contains("[index-age] shows the stale region", shown, OTHER_REGION, long_ago)
    harness.run_schedule("full")
    shown = harness.commands.run("index-age")
    equal("the next full run completes the index", long_ago in shown, False)


def check_index(harness):
    expected = harness.fleet.as_indexed()
    equal("the index matches EKS", harness.index.associations(), expected)


def check_counts(of_what, counts, **expected):
    """All other counts must be zero, except the number of calls."""
    counts = {name: int(count) for name, count in counts.items() if count and name != "calls"}
    equal(f"the counts {of_what}", counts, expected)
