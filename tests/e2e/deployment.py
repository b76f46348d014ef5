"""Scenarios about the deployed resources of the stack."""

import json

from expect import contains, equal, holds, note
from harness import DETAIL_TYPES, SOURCE
from stack import ACCOUNT, OTHER_REGION, REGION, Stack, deploy

QUEUES = ("OnFailureQueue", "UndeliveredQueue", "IndexerQueue", "IndexerDeadLetterQueue")
# The queues in which a message means that something failed. Each has an alarm.
FAILURE_QUEUES = ("OnFailureQueue", "UndeliveredQueue", "IndexerDeadLetterQueue")
OUTPUTS = {f"{queue}Url" for queue in QUEUES} | {"RotateFunctionArn", "IndexerFunctionArn"}
OUTPUTS |= {"AssociationIndexTableName", "RotationLedgerTableName", "StateMachineArn"}
OUTPUTS |= {"RotationEventBusName", "PublishEventBusName", "PublisherFunctionArn", "Version"}
COMMON_SETTINGS = {"ASSOCIATION_INDEX_TABLE", "ROTATION_LEDGER_TABLE", "MAX_CONCURRENCY"}
COMMON_SETTINGS |= {"RATE_SHARE", "STATE_MACHINE_ARN", "RUST_LOG"}
COMMON_SETTINGS |= {"INDEX_REGIONS", "INDEX_STALE_AFTER_HOURS", "INDEX_EXCLUDE"}
COMMON_SETTINGS |= {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"}
ROTATE_SETTINGS = COMMON_SETTINGS | {"ROLE_PATH", "OLD_ROLE_PATH", "ROTATION_EVENT_SOURCE"}
INDEXER_SETTINGS = COMMON_SETTINGS
PUBLISHER_SETTINGS = {"EVENT_BUS_NAME", "RUST_LOG"}
PUBLISHER_SETTINGS |= {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"}
# The schedule, the function that it invokes, and the payload.
SCHEDULES = {
    ("rate(5 minutes)", "rotate", '{"check": "stalledRotations"}'),
    ("rate(1 hour)", "indexer", '{"reconcile": {"mode": "listOnly"}}'),
    ("rate(1 day)", "indexer", '{"reconcile": {"mode": "full"}}'),
    ("rate(15 minutes)", "indexer", '{"reconcile": {"mode": "resume"}}'),
}
HOURS, DAYS = 3600, 24 * 3600


def the_stack_is_complete(harness):
    """The stack has all its resources, and they refer to each other."""
    stack, url = harness.stack, harness.cloud.url
    equal("the outputs of the stack", set(stack.outputs), OUTPUTS)
    check_settings(stack, {"AWS_ENDPOINT_URL"})
    endpoints = {function.variables["AWS_ENDPOINT_URL"] for function in stack.functions.values()}
    equal("the endpoint of all functions is the parameter", endpoints, {url})
    arns = {function.variables["STATE_MACHINE_ARN"] for function in (stack.rotate, stack.indexer)}
    equal("both functions know the state machine", arns, {stack.outputs["StateMachineArn"]})
    regions = stack.indexer.variables["INDEX_REGIONS"]
    equal("the regions of the index", regions, f"{OTHER_REGION},{REGION}")
    check_tables(harness)
    check_rotation_rule(harness)
    check_schedules(harness)
    check_indexer_queue(harness)
    check_stream(harness)
    check_retries(harness)
    check_alarms(harness)
    check_dashboard(harness)


def check_settings(stack, more=frozenset()):
    settings = (ROTATE_SETTINGS, INDEXER_SETTINGS, PUBLISHER_SETTINGS)
    for (name, function), expected in zip(stack.functions.items(), settings, strict=True):
        equal(f"the settings of {name}", set(function.variables), expected | more)


def check_tables(harness):
    """The index can be queried by both role fields."""
    table = {"TableName": harness.stack.outputs["AssociationIndexTableName"]}
    described = harness.cloud.client("dynamodb").describe_table(**table)["Table"]
    keys = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in described["GlobalSecondaryIndexes"]
    }
    expected = {
        "ByRole": ["roleArn", "associationArn"],
        "ByTargetRole": ["targetRoleArn", "associationArn"],
    }
    equal("the secondary indexes of the index table", keys, expected)
    note("not checked: tombstones expire. MiniStack ignores TimeToLiveSpecification in a template")


def check_rotation_rule(harness):
    """Which events start a rotation, and where events go that cannot be delivered."""
    rule = harness.stack.rule_of(SOURCE)
    pattern = {"account": [ACCOUNT], "source": [SOURCE], "detail-type": DETAIL_TYPES}
    equal("the pattern of the rule", json.loads(rule["EventPattern"]), pattern)
    equal("the bus of the rule is the stack's own", rule["EventBusName"], harness.stack.name)
    (target,) = rule["Targets"]
    equal("the rule's target is the rotate function", target["Arn"], harness.stack.rotate.arn)
    check_undelivered(harness, rule)
    client = harness.cloud.client("lambda")
    policy = client.get_policy(FunctionName=harness.stack.rotate.name)["Policy"]
    contains("the rule may invoke the function", policy, rule["Arn"])


def check_undelivered(harness, rule):
    (target,) = rule["Targets"]
    queue = harness.stack.queue("UndeliveredQueue")
    dead_letter_arn = target["DeadLetterConfig"]["Arn"]
    equal("undelivered events go to their queue", dead_letter_arn, queue["QueueArn"])
    claim = "the queue accepts messages from the rule"
    contains(claim, queue["Policy"], "events.amazonaws.com", rule["Arn"])


def check_schedules(harness):
    functions = {function.arn: name for name, function in harness.stack.functions.items()}
    found = {
        (rule["ScheduleExpression"], functions.get(target["Arn"]), target["Input"])
        for rule in harness.stack.rules()
        if rule.get("ScheduleExpression")
        for target in rule["Targets"]
    }
    equal("the schedules", found, SCHEDULES)
    for rule in harness.stack.rules():
        if rule.get("ScheduleExpression"):
            check_undelivered(harness, rule)


def check_indexer_queue(harness):
    """How changes in EKS reach the indexer. cloudtrail.py checks which changes do."""
    stack, indexer = harness.stack, harness.stack.indexer
    rule, queue = stack.rule_of("aws.eks"), stack.queue("IndexerQueue")
    (target,) = rule["Targets"]
    equal("the target of the rule for changes is the queue", target["Arn"], queue["QueueArn"])
    claim = "the queue accepts messages from the rule"
    contains(claim, queue["Policy"], "events.amazonaws.com", rule["Arn"])
    check_undelivered(harness, rule)
    client = harness.cloud.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=indexer.name)
    (mapping,) = mappings["EventSourceMappings"]
    equal("the indexer receives from the queue", mapping["EventSourceArn"], queue["QueueArn"])
    response_types = mapping["FunctionResponseTypes"]
    equal("each message can fail by itself", response_types, ["ReportBatchItemFailures"])
    equal("the scaling of the indexer", mapping["ScalingConfig"], {"MaximumConcurrency": 2})
    timeout = str(indexer.configuration["Timeout"])
    claim = "the visibility timeout is as long as the timeout of the function"
    equal(claim, queue["VisibilityTimeout"], timeout)
    dead_letter_queue = stack.queue("IndexerDeadLetterQueue")
    redrive = {"deadLetterTargetArn": dead_letter_queue["QueueArn"], "maxReceiveCount": 5}
    found = json.loads(queue["RedrivePolicy"])
    equal("after five tries, a message goes to the dead-letter queue", found, redrive)
    retention = dead_letter_queue["MessageRetentionPeriod"]
    equal("which keeps it for the maximum of SQS", retention, str(14 * DAYS))


def check_stream(harness):
    """How changes of the ledger reach the publisher. publishing.py checks that they do."""
    stack = harness.stack
    table = {"TableName": stack.outputs["RotationLedgerTableName"]}
    described = harness.cloud.client("dynamodb").describe_table(**table)["Table"]
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    equal("the ledger has a stream", described["StreamSpecification"], stream)
    client = harness.cloud.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=stack.publisher.name)
    (mapping,) = mappings["EventSourceMappings"]
    arn = stack.stream_arn()
    equal("the publisher reads the stream", mapping["EventSourceArn"], arn)
    response_types = mapping["FunctionResponseTypes"]
    equal("each record can fail by itself", response_types, ["ReportBatchItemFailures"])
    equal("it starts at the first record", mapping["StartingPosition"], "TRIM_HORIZON")
    (only,) = mapping["FilterCriteria"]["Filters"]
    contains("it gets entries of timelines only", only["Pattern"], "timeline#")


def check_retries(harness):
    """Lambda retries an event twice. Then it sends it to the on-failure queue."""
    stack = harness.stack
    queue = stack.queue("OnFailureQueue")
    client = harness.cloud.client("lambda")
    for name, function in (("rotate", stack.rotate), ("indexer", stack.indexer)):
        request = {"FunctionName": function.name, "Qualifier": "$LATEST"}
        config = client.get_function_event_invoke_config(**request)
        equal(f"retries of a failed invocation of {name}", config["MaximumRetryAttempts"], 2)
        age = config["MaximumEventAgeInSeconds"]
        equal("the maximum age of the event in seconds", age, 6 * HOURS)
        destination = config["DestinationConfig"]["OnFailure"]["Destination"]
        equal("then the event goes to the on-failure queue", destination, queue["QueueArn"])


def check_alarms(harness):
    """Each alarm refers to a resource of this stack."""
    stack = harness.stack
    names = [stack.queue(queue)["QueueArn"].rpartition(":")[2] for queue in FAILURE_QUEUES]
    visible = "ApproximateNumberOfMessagesVisible"
    expected = {("AWS/SQS", visible, (("QueueName", name),)) for name in names}
    rotate, indexer, publisher = (
        (("FunctionName", function.name),) for function in stack.functions.values()
    )
    expected |= {("AWS/Lambda", name, publisher) for name in ("IteratorAge", "Errors")}
    expected |= {("rerole", "ItemsNotPublished", publisher)}
    expected |= {("AWS/Lambda", "Duration", rotate)}
    metrics = ("StalledRotations", "StackFrozenHours")
    expected |= {("rerole", name, rotate) for name in metrics}
    statuses = ("Rejected", "Failed", "CompletedWithFailures", "RollbackIncomplete")
    expected |= {("rerole", "Rotations", (*rotate, ("Status", status))) for status in statuses}
    metrics = ("StaleIndexRegions", "AssociationsReverted")
    expected |= {("rerole", name, indexer) for name in metrics}
    state_machine = (("StateMachineArn", stack.outputs["StateMachineArn"]),)
    metrics = ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    expected |= {("AWS/States", name, state_machine) for name in metrics}
    equal("the alarms", set(stack.alarms()), expected)


def check_dashboard(harness):
    """The dashboard shows each alarm, and metrics and logs of the functions of this stack."""
    stack, client = harness.stack, harness.cloud.client("cloudwatch")
    name = f"{stack.name}-{REGION}"
    widgets = json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])["widgets"]
    properties = [widget["properties"] for widget in widgets]
    (shown,) = (each["alarms"] for each in properties if "alarms" in each)
    arns = {alarm["AlarmArn"] for alarm in stack.alarms().values()}
    equal("the dashboard shows the state of each alarm", set(shown), arns)
    text = json.dumps(properties)
    holds("each reference of the dashboard is resolved", "${" not in text, text)
    for name, function in stack.functions.items():
        parts = (f'"{function.name}"', f"'{function.log_group}'")
        contains(f"the dashboard shows metrics and the log of {name}", text, *parts)


def a_stack_without_endpoint_is_as_on_aws(harness, template, parameters):
    """Without an endpoint, as on AWS: the tables are protected and outlive the stack."""
    cloud, name = harness.cloud, "rerole-plain"
    # Another source, so this stack does not receive the events of the first one.
    plain = deploy(cloud, template, name, **parameters, RotationEventSource="no.such.source")
    check_settings(plain)
    equal("the default regions of the index", plain.indexer.variables["INDEX_REGIONS"], "")
    tables = {plain.outputs[output] for output in plain.outputs if output.endswith("TableName")}
    dynamodb = cloud.client("dynamodb")
    for table in tables:
        described = dynamodb.describe_table(TableName=table)["Table"]
        # MiniStack returns the text of the parameter. AWS returns a boolean.
        protected = str(described["DeletionProtectionEnabled"]).lower()
        equal(f"{table} is protected against deletion", protected, "true")
    cloud.sam("delete", "--stack-name", name, "--no-prompts")
    remaining = set(dynamodb.list_tables()["TableNames"]) & tables
    equal("both tables remain after the stack is deleted", remaining, tables)
    for table in tables:
        harness.commands.run("remove-table", NAME=table)
    remaining = set(dynamodb.list_tables()["TableNames"]) & tables
    equal("[remove-table] deletes them", remaining, set())
    listed = cloud.client("lambda").list_functions()["Functions"]
    functions = {function["FunctionName"] for function in listed}
    deleted = {function.name for function in plain.functions.values()}
    holds("the functions are deleted", not functions & deleted, functions)
    outputs = Stack(cloud, harness.stack.name).outputs
    equal("the first stack is unchanged", outputs, harness.stack.outputs)
