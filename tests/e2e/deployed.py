"""Scenarios: what the stack is made of, as deployed."""

import json

from expect import contains, equal, holds, note
from stack import ACCOUNT, OTHER_REGION, REGION, Stack, deploy
from world import DETAIL_TYPE, SOURCE

QUEUES = ("OnFailureQueue", "UndeliveredQueue", "IndexQueue", "IndexDeadLetterQueue")
# A message here means that something has failed.
ALARMING = ("OnFailureQueue", "UndeliveredQueue", "IndexDeadLetterQueue")
OUTPUTS = {f"{queue}Url" for queue in QUEUES} | {"RotateFunctionArn", "IndexFunctionArn"}
OUTPUTS |= {"AssociationIndexTableName", "RotationLedgerTableName", "SlicesStateMachineArn"}
COMMON_SETTINGS = {"ASSOCIATION_INDEX_TABLE", "ROTATION_LEDGER_TABLE", "MAX_CONCURRENCY", "RUST_LOG"}
COMMON_SETTINGS |= {"CONTINUATION_STATE_MACHINE_ARN"}
ROTATE_SETTINGS = COMMON_SETTINGS | {"ROLE_PATH"}
INDEX_SETTINGS = COMMON_SETTINGS | {"INDEX_REGIONS", "INDEX_STALE_AFTER_HOURS"}
# When, which function, and with what.
SCHEDULES = {
    ("rate(5 minutes)", "rotate", '{"watch": "stalledRotations"}'),
    ("rate(1 hour)", "index", '{"reconcile": {"mode": "shallow"}}'),
    ("rate(1 day)", "index", '{"reconcile": {"mode": "deep"}}'),
    ("rate(15 minutes)", "index", '{"reconcile": {"mode": "resume"}}'),
}
HOURS, DAYS = 3600, 24 * 3600


def stack(world):
    """The stack is complete, and its parts point at each other."""
    deployed, endpoint = world.stack, world.cloud.url
    equal("the stack's outputs", set(deployed.outputs), OUTPUTS)
    equal("the rotate function's settings", set(deployed.rotate.variables), ROTATE_SETTINGS | {"AWS_ENDPOINT_URL"})
    equal("the index function's settings", set(deployed.index.variables), INDEX_SETTINGS | {"AWS_ENDPOINT_URL"})
    endpoints = {function.variables["AWS_ENDPOINT_URL"] for function in deployed.functions.values()}
    equal("the endpoint of both is the parameter", endpoints, {endpoint})
    machines = {function.variables["CONTINUATION_STATE_MACHINE_ARN"] for function in deployed.functions.values()}
    equal("both know the state machine", machines, {deployed.outputs["SlicesStateMachineArn"]})
    equal("the regions that are indexed", deployed.index.variables["INDEX_REGIONS"], f"{OTHER_REGION},{REGION}")
    check_tables(world)
    check_rule(world)
    check_schedules(world)
    check_queue(world)
    check_retries(world)
    check_alarms(world)


def check_tables(world):
    """Roles can be looked up in both of their fields."""
    table = {"TableName": world.stack.outputs["AssociationIndexTableName"]}
    indexes = world.cloud.client("dynamodb").describe_table(**table)["Table"]["GlobalSecondaryIndexes"]
    keys = {index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]] for index in indexes}
    expected = {"ByRole": ["roleArn", "associationArn"], "ByTargetRole": ["targetRoleArn", "associationArn"]}
    equal("the index's secondary indexes", keys, expected)
    note("not shown: that tombstones expire, which MiniStack leaves out of a template's table")


def check_rule(world):
    """Who may start a rotation, and where an event goes that cannot be delivered."""
    rule = world.stack.rule_of(SOURCE)
    pattern = {"account": [ACCOUNT], "source": [SOURCE], "detail-type": [DETAIL_TYPE]}
    equal("the rule's pattern", json.loads(rule["EventPattern"]), pattern)
    (target,) = rule["Targets"]
    equal("the rule's target is the rotate function", target["Arn"], world.stack.rotate.arn)
    check_undelivered(world, rule)
    policy = world.cloud.client("lambda").get_policy(FunctionName=world.stack.rotate.name)["Policy"]
    contains("the rule may invoke the function", policy, rule["Arn"])


def check_undelivered(world, rule):
    (target,) = rule["Targets"]
    queue = world.stack.queue("UndeliveredQueue")
    equal("undeliverable events go to their queue", target["DeadLetterConfig"]["Arn"], queue["QueueArn"])
    contains("that queue takes messages from the rule", queue["Policy"], "events.amazonaws.com", rule["Arn"])


def check_schedules(world):
    """What runs by itself, and how often."""
    functions = {function.arn: name for name, function in world.stack.functions.items()}
    rules = [rule for rule in world.stack.rules() if rule.get("ScheduleExpression")]
    targets = [(rule["ScheduleExpression"], target) for rule in rules for target in rule["Targets"]]
    found = {(when, functions.get(target["Arn"]), target["Input"]) for when, target in targets}
    equal("the schedules", found, SCHEDULES)


def check_queue(world):
    """How changes in EKS reach the index function; which of them do is shown in following.py."""
    rule, queue = world.stack.rule_of("aws.eks"), world.stack.queue("IndexQueue")
    (target,) = rule["Targets"]
    equal("the target of the rule for changes is the index's queue", target["Arn"], queue["QueueArn"])
    contains("which takes messages from the rule", queue["Policy"], "events.amazonaws.com", rule["Arn"])
    check_undelivered(world, rule)
    lambda_client = world.cloud.client("lambda")
    (mapping,) = lambda_client.list_event_source_mappings(FunctionName=world.stack.index.name)["EventSourceMappings"]
    equal("the index function takes them from there", mapping["EventSourceArn"], queue["QueueArn"])
    equal("message by message", mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
    equal("in two invocations at most", mapping["ScalingConfig"], {"MaximumConcurrency": 2})
    timeout = world.stack.index.configuration["Timeout"]
    equal("a message stays hidden for as long as an invocation takes", queue["VisibilityTimeout"], str(timeout))
    given_up = world.stack.queue("IndexDeadLetterQueue")
    redrive = {"deadLetterTargetArn": given_up["QueueArn"], "maxReceiveCount": 5}
    equal("after five tries it is given up", json.loads(queue["RedrivePolicy"]), redrive)
    equal("and kept for as long as SQS keeps any", given_up["MessageRetentionPeriod"], str(14 * DAYS))


def check_retries(world):
    """Two retries, and the queue after that."""
    queue = world.stack.queue("OnFailureQueue")
    for name, function in world.stack.functions.items():
        config = world.cloud.client("lambda").get_function_event_invoke_config(
            FunctionName=function.name, Qualifier="$LATEST"
        )
        equal(f"retries of a failed invocation of {name}", config["MaximumRetryAttempts"], 2)
        equal("for this many seconds", config["MaximumEventAgeInSeconds"], 6 * HOURS)
        destination = config["DestinationConfig"]["OnFailure"]["Destination"]
        equal("then the event goes to the on-failure queue", destination, queue["QueueArn"])


def check_alarms(world):
    """Each alarm watches something that this stack has."""
    names = [world.stack.queue(queue)["QueueArn"].rpartition(":")[2] for queue in ALARMING]
    rotate, index = ((("FunctionName", function.name),) for function in world.stack.functions.values())
    visible = "ApproximateNumberOfMessagesVisible"
    expected = {("AWS/SQS", visible, (("QueueName", name),)) for name in names}
    expected |= {("AWS/Lambda", "Duration", rotate), ("rerole", "StalledRotations", rotate)}
    machine = (("StateMachineArn", world.stack.outputs["SlicesStateMachineArn"]),)
    ends = ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    expected |= {("AWS/States", name, machine) for name in ends}
    expected |= {("rerole", "StaleIndexRegions", index), ("rerole", "AssociationsReturned", index)}
    equal("alarms", set(world.stack.alarms()), expected)


def without_endpoint(world, template, parameters):
    """As on AWS, without an endpoint: the functions have none, the tables are protected, and outlive the stack."""
    cloud, name = world.cloud, "rerole-plain"
    # Another source, since events of the first stack are none of its business.
    plain = deploy(cloud, template, name, **parameters, RotationEventSource="nobody.at.all")
    equal("the rotate function's settings", set(plain.rotate.variables), ROTATE_SETTINGS)
    equal("the index function's settings", set(plain.index.variables), INDEX_SETTINGS)
    equal("which leave the regions to it", plain.index.variables["INDEX_REGIONS"], "")
    tables = [plain.outputs[output] for output in plain.outputs if output.endswith("TableName")]
    dynamodb = cloud.client("dynamodb")
    for table in tables:
        # MiniStack keeps the parameter's text, where AWS has a boolean.
        protected = dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
        equal(f"{table} is protected against deletion", str(protected).lower(), "true")
    cloud.sam("delete", "--stack-name", name, "--no-prompts")
    left = set(dynamodb.list_tables()["TableNames"]) & set(tables)
    equal("both tables are left after the stack's end", left, set(tables))
    for table in tables:
        world.commands.run("remove-table", NAME=table)
    left = set(dynamodb.list_tables()["TableNames"]) & set(tables)
    equal("[remove-table] removes them", left, set())
    functions = {function["FunctionName"] for function in cloud.client("lambda").list_functions()["Functions"]}
    holds("the functions are not", not functions & {plain.rotate.name, plain.index.name}, functions)
    equal("the first stack is untouched", Stack(cloud, world.stack.name).outputs, world.stack.outputs)
