"""Scenarios about metrics in the log, the alarms on them, and the check for stalled rotations."""

import json
from datetime import datetime, timedelta, timezone

from expect import contains, equal, holds
from fleet import rfc3339
from harness import executions

NAMESPACE = "rerole"
FINISHED, STALLED = "app-2026", "stalled-by-e2e"


def each_rotation_writes_metrics(harness):
    """The log has a line in CloudWatch's embedded metric format for each rotation."""

    def is_wanted(line):
        return line.get("rotationId") == FINISHED and "Status" in line

    (line,) = harness.rotate_log.metrics(is_wanted)
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
    equal(f"the metrics of {FINISHED}", metrics(line), expected)
    equal("their FunctionName", line["FunctionName"], harness.stack.rotate.name)
    equal("their Status", line["Status"], "Succeeded")


def the_schedule_finds_nothing_stalled(harness):
    """The function accepts the payload of the schedule, and no rotation is stalled."""
    response = harness.run_schedule("stalledRotations")
    equal("the response", response, {"stalledRotations": []})
    check_alarm(harness, harness.rotate_log, "StalledRotations", count=0, state="OK")


def a_stalled_rotation_fires_the_alarm(harness):
    """A rotation that is idle for an hour is started, named and counted, and its alarm fires."""
    hour_ago = rfc3339(datetime.now(timezone.utc) - timedelta(hours=1))
    stalled = {"rotationId": STALLED, "status": "InProgress", "phase": "Executing"}
    times = {"startedAt": hour_ago, "idleSince": hour_ago}
    item = {**harness.ledger.item(FINISHED), **stalled, **times}
    del item["finishedAt"]
    harness.ledger.table.put_item(Item=item)
    contains("[open] shows the rotation", harness.commands.run("open"), STALLED, hour_ago)
    response, _ = json.JSONDecoder().raw_decode(harness.commands.run("stalled"))
    equal("the response of [stalled]", response, {"stalledRotations": [STALLED]})
    check_alarm(harness, harness.rotate_log, "StalledRotations", count=1, state="ALARM")
    (execution,) = executions(harness, STALLED)
    equal("the check has started it", execution["name"], f"{STALLED}-1")
    # Its item contradicts its key, so it cannot run.
    arn = {"executionArn": execution["executionArn"]}
    harness.cloud.client("stepfunctions").stop_execution(**arn)
    harness.ledger.table.delete_item(Key={"rotationId": STALLED, "entry": "rotation"})


def check_alarm(harness, log, metric, count, state):
    """The log has the metric of the alarm, and the alarm has this state for its value.

    This puts the metric data itself, because MiniStack does not extract metrics from logs.
    """
    (line, *_) = log.metrics(lambda line: line.get(metric) == count)
    equal(f"the log has {metric}", metrics(line)[NAMESPACE, "FunctionName"][metric], count)
    key = (NAMESPACE, metric, (("FunctionName", line["FunctionName"]),))
    alarm = harness.stack.alarms().get(key)
    holds("the metric has an alarm", alarm, key)
    cloudwatch = harness.cloud.client("cloudwatch")
    datum = {"MetricName": metric, "Value": count, "Unit": "Count"}
    datum["Dimensions"] = alarm["Dimensions"]
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    equal("the state of the alarm", alarm["StateValue"], state)


def metrics(line):
    """The metrics that CloudWatch extracts from the line, by namespace and names of dimensions."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        values = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
        for names in directive["Dimensions"]:
            found[directive["Namespace"], *names] = values
    return found
