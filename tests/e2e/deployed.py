"""Scenarios: what the stack is made of, as deployed."""

import json

from expect import contains, equal, holds
from stack import ACCOUNT, Stack, deploy
from world import DETAIL_TYPE, SOURCE

OUTPUTS = {
    "RotateFunctionArn",
    "AssociationIndexTableName",
    "RotationLedgerTableName",
    "OnFailureQueueUrl",
    "UndeliveredQueueUrl",
}
SETTINGS = {"ASSOCIATION_INDEX_TABLE", "ROTATION_LEDGER_TABLE", "ROLE_PATH", "MAX_CONCURRENCY", "RUST_LOG"}
HOURS = 3600


def stack(world):
    """The stack is complete, and its parts point at each other."""
    deployed = world.stack
    equal("the stack's outputs", set(deployed.outputs), OUTPUTS)
    variables = deployed.function["Environment"]["Variables"]
    equal("the function's settings", set(variables), SETTINGS | {"AWS_ENDPOINT_URL"})
    equal("its endpoint is the parameter", variables["AWS_ENDPOINT_URL"], world.cloud.url)
    check_rule(world)
    check_retries(world)
    check_alarms(world)


def check_rule(world):
    """Who may start a rotation, and where an event goes that cannot be delivered."""
    (rule,) = (rule for rule in world.stack.rules() if rule.get("EventPattern"))
    pattern = {"account": [ACCOUNT], "source": [SOURCE], "detail-type": [DETAIL_TYPE]}
    equal("the rule's pattern", json.loads(rule["EventPattern"]), pattern)
    (target,) = rule["Targets"]
    equal("the rule's target is the function", target["Arn"], world.stack.function_arn)
    queue = queue_attributes(world, "UndeliveredQueueUrl")
    equal("undeliverable events go to their queue", target["DeadLetterConfig"]["Arn"], queue["QueueArn"])
    contains("that queue takes messages from the rule", queue["Policy"], "events.amazonaws.com", rule["Arn"])
    policy = world.cloud.client("lambda").get_policy(FunctionName=world.stack.function_name)["Policy"]
    contains("the rule may invoke the function", policy, rule["Arn"])


def check_retries(world):
    """Two retries, and the queue after that."""
    config = world.cloud.client("lambda").get_function_event_invoke_config(
        FunctionName=world.stack.function_name, Qualifier="$LATEST"
    )
    queue = queue_attributes(world, "OnFailureQueueUrl")
    equal("retries of a failed invocation", config["MaximumRetryAttempts"], 2)
    equal("for this many seconds", config["MaximumEventAgeInSeconds"], 6 * HOURS)
    destination = config["DestinationConfig"]["OnFailure"]["Destination"]
    equal("then the event goes to the on-failure queue", destination, queue["QueueArn"])


def check_alarms(world):
    """Each alarm watches something that this stack has."""
    names = [queue_attributes(world, url)["QueueArn"].rpartition(":")[2] for url in OUTPUTS if url.endswith("QueueUrl")]
    function = (("FunctionName", world.stack.function_name),)
    visible = "ApproximateNumberOfMessagesVisible"
    expected = {("AWS/SQS", visible, (("QueueName", name),)) for name in names}
    expected |= {("AWS/Lambda", "Duration", function), ("rerole", "StalledRotations", function)}
    equal("alarms", set(world.stack.alarms()), expected)


def queue_attributes(world, output):
    queue = {"QueueUrl": world.stack.outputs[output], "AttributeNames": ["All"]}
    return world.cloud.client("sqs").get_queue_attributes(**queue)["Attributes"]


def without_endpoint(world, template, parameters):
    """As on AWS, without an endpoint: the function has none, its tables are protected, and outlive the stack."""
    cloud, name = world.cloud, "rerole-plain"
    # Another source, since events of the first stack are none of its business.
    plain = deploy(cloud, template, name, **parameters, RotationEventSource="nobody.at.all")
    equal("the function's settings", set(plain.function["Environment"]["Variables"]), SETTINGS)
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
    functions = cloud.client("lambda").list_functions()["Functions"]
    names = [function["FunctionName"] for function in functions]
    holds("the function is not", plain.function_name not in names, names)
    equal("the first stack is untouched", Stack(cloud, world.stack.name).outputs, world.stack.outputs)
