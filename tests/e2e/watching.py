"""Scenarios: the schedule's look for rotations that nobody works on, and the metrics in the log."""

import json
from datetime import datetime, timedelta, timezone

from expect import contains, equal, holds
from fleet import rfc3339

NAMESPACE = "rerole"
FINISHED, STALLED = "app-2026", "stalled-by-e2e"


def rotation_metrics(world):
    """The log has a line in CloudWatch's embedded metric format for each rotation."""
    (line,) = world.log.metrics(lambda line: line.get("rotationId") == FINISHED and "Status" in line)
    expected = {
        (NAMESPACE, "FunctionName"): {
            "ThrottledCalls": 0,
            "AssociationsUpdated": 12,
            "AssociationsFailed": 0,
            "AssociationsDrifted": 2,
            "AssociationsSkipped": 1,
        },
        (NAMESPACE, "FunctionName", "Status"): {"Rotations": 1},
    }
    equal(f"metrics of {FINISHED}", metrics(line), expected)
    equal("its FunctionName", line["FunctionName"], world.stack.rotate.name)
    equal("its Status", line["Status"], "Succeeded")


def schedule(world):
    """The schedule's payload, as deployed, is one that the function understands: nothing is stalled."""
    equal("the function answers", world.run_schedule("stalledRotations"), {"stalledRotations": []})
    check_alarm(world, world.log, "StalledRotations", count=0, state="OK")


def stalled(world):
    """A rotation that is open and idle for an hour is named, counted, and raises the alarm."""
    an_hour_ago = rfc3339(datetime.now(timezone.utc) - timedelta(hours=1))
    left = {"rotationId": STALLED, "status": "InProgress", "startedAt": an_hour_ago, "idleSince": an_hour_ago}
    item = {**world.ledger.item(FINISHED), **left}
    del item["finishedAt"]
    world.ledger.table.put_item(Item=item)
    contains("[open] shows it", world.commands.run("open"), STALLED, an_hour_ago)
    answer, _ = json.JSONDecoder().raw_decode(world.commands.run("stalled"))
    equal("[stalled] names it", answer, {"stalledRotations": [STALLED]})
    check_alarm(world, world.log, "StalledRotations", count=1, state="ALARM")
    world.ledger.table.delete_item(Key={"rotationId": STALLED, "entry": "rotation"})


def check_alarm(world, log, metric, count, state):
    """The log's line has what the alarm watches. CloudWatch's part, from log line to metric, is played here."""
    (line, *_) = log.metrics(lambda line: line.get(metric) == count)
    equal(f"the log counts {metric}", metrics(line)[NAMESPACE, "FunctionName"][metric], count)
    watched = (NAMESPACE, metric, (("FunctionName", line["FunctionName"]),))
    alarm = world.stack.alarms().get(watched)
    holds("an alarm watches that", alarm, watched)
    cloudwatch = world.cloud.client("cloudwatch")
    datum = {"MetricName": metric, "Value": count, "Unit": "Count", "Dimensions": alarm["Dimensions"]}
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    equal("the alarm's state", alarm["StateValue"], state)


def metrics(line):
    """What CloudWatch would make of the line: metrics by their namespace and the names of their dimensions."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        values = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
        for names in directive["Dimensions"]:
            found[directive["Namespace"], *names] = values
    return found
