"""Scenarios: the index is built, held against EKS on its schedules, and says how old it is. See also following.py."""

import subprocess
from datetime import datetime, timedelta, timezone

from expect import contains, equal, eventually, met
from fleet import CHAINED_ROLE, CLUSTERS, DENIED_ROLE, ROLE_2027, THIRD_ROLE, rfc3339
from stack import OTHER_REGION, REGION, ROOT
from watching import check_alarm

# The index function's own bound, and a second.
BELIEVED_GONE = timedelta(seconds=11)
# One more than IndexStaleAfterHours.
STALE = timedelta(hours=37)


def built(world):
    """The index is built from nothing, and holds what EKS shows, in both regions."""
    equal("the index is empty", world.index.everything(), [])
    world.commands.run("build-index")
    run = eventually("the run comes to its end", world.ledger.run, lambda run: run and "finishedAt" in run)
    equal("it was for all of IndexRegions", run["request"], {"mode": "deep", "regions": sorted(CLUSTERS)})
    equal("clusters and regions that it could not look at", run["troubles"], [])
    all_of_them = len(world.fleet.described())
    check_counts("of the run", run["counts"], clusters=2, seen=all_of_them, added=all_of_them)
    check_index(world)
    check_alarm(world, world.index_log, "StaleIndexRegions", count=0, state="OK")
    shown = world.commands.run("index-run")
    contains("[index-run] shows the run", shown, "deep", run["beganAt"], run["finishedAt"], f"|  {all_of_them} ")
    ages = [world.ledger.item("index", f"region#{region}")["describedAt"] for region in CLUSTERS]
    contains("[index-age] shows both regions", world.commands.run("index-age"), *CLUSTERS, *ages)


def built_by_hand(world):
    """`rerole index`, the operator's tool, builds the index from nothing, and finds then that nothing differs."""
    for item in world.index.everything():
        world.index.table.delete_item(Key={name: item[name] for name in ("clusterArn", "associationId")})
    seen = len(world.fleet.described())
    extent = f"{seen} associations in {len(CLUSTERS)} clusters"
    contains("it says before what differs", by_hand(world, "check", exit_code=1), f"{extent}: {seen} differ", "missing")
    equal("that has changed nothing", world.index.everything(), [])
    contains("it says what it has done", by_hand(world, "build"), f"{extent}: {seen} added, 0 changed, 0 removed")
    check_index(world)
    contains("nothing differs any more", by_hand(world, "check"), f"{extent}: the index holds what EKS shows.")


def by_hand(world, command, exit_code=0):
    """What `rerole index` prints."""
    tables = {
        "ASSOCIATION_INDEX_TABLE": world.stack.outputs["AssociationIndexTableName"],
        "ROTATION_LEDGER_TABLE": world.stack.outputs["RotationLedgerTableName"],
    }
    regions = [word for region in CLUSTERS for word in ("--region", region)]
    done = subprocess.run(
        [ROOT / "target" / "debug" / "rerole", "index", command, *regions],
        env={**world.cloud.environment, "AWS_REGION": REGION, **tables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    equal(f"exit code of `rerole index {command}`", done.returncode, exit_code)
    return done.stdout


def left_behind(world):
    """EKS is changed behind the index's back, so that what comes next finds an index that lags."""
    before = world.index.associations()
    world.fleet.change_unnoticed()
    # MiniStack's CloudTrail tells EventBridge nothing.
    equal("the index does not know", world.index.associations(), before)


def healed(world):
    """What no event told of is found on schedules: what came and went by the shallow look, a role by the deep one."""
    fleet, (moved, *_), (removed,) = world.fleet, world.fleet.by_role[THIRD_ROLE], world.fleet.by_role[DENIED_ROLE]
    fleet.create(OTHER_REGION, "overlooked", ROLE_2027)
    fleet.delete(removed)
    # What is younger is not believed to be gone: EKS may only not show it yet.
    known = world.index.associations()[removed["associationArn"]]["modifiedAt"]
    eventually(
        "the association that is deleted is some seconds old",
        lambda: datetime.now(timezone.utc) - datetime.fromisoformat(known),
        lambda age: age > BELIEVED_GONE,
    )
    fleet.update(moved, roleArn=CHAINED_ROLE)
    seen = len(fleet.described())
    counts = world.run_schedule("shallow")["counts"]
    check_counts("of the shallow look", counts, clusters=2, seen=seen, added=1, removed=1)
    equal("it does not see roles", world.index.users(CHAINED_ROLE), fleet.arns(CHAINED_ROLE))
    counts = world.run_schedule("deep")["counts"]
    check_counts("of the deep look", counts, clusters=2, seen=seen, changed=1)
    check_index(world)
    for mode, count in (("shallow", 2), ("deep", 1)):
        world.index_log.metrics(lambda line, count=count: line.get("IndexDifferencesHealed") == count)
        met(f"the log counts the {count} that the {mode} look has healed")


def stale(world):
    """A region that has not been looked at for too long is counted, and raises the alarm."""
    key = {"rotationId": "index", "entry": f"region#{OTHER_REGION}"}
    long_ago = rfc3339(datetime.now(timezone.utc) - STALE)
    world.ledger.table.put_item(Item={**key, "describedAt": long_ago, "listedAt": long_ago})
    equal("the schedule finds no run to go on with", world.run_schedule("resume"), {"status": "Nothing"})
    check_alarm(world, world.index_log, "StaleIndexRegions", count=1, state="ALARM")
    contains("[index-age] shows why", world.commands.run("index-age"), OTHER_REGION, long_ago)


def check_index(world):
    equal("the index holds what EKS shows", world.index.associations(), world.fleet.as_indexed())


def check_counts(of_what, counts, **expected):
    """All other counts are zero, but for the number of calls."""
    counts = {name: int(count) for name, count in counts.items() if count and name != "calls"}
    equal(f"counts {of_what}", counts, expected)
