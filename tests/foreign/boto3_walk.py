#!/usr/bin/env python3
"""Calls every operation of the simulated AWS with boto3, and checks every raw response.

    python tests/foreign/boto3_walk.py [path of rerole-sim]

Needs the packages of requirements.txt beside it. Prints a line for each operation, and
`N passed, N failed` at the end; the exit code is 1 if anything failed. Each operation must succeed
at least once. Those that rerole's functions call must also fail at least once with each error of
their models.
"""

import copy
import sys

# Leave no compiled files in the checkout.
sys.dont_write_bytecode = True

import dynamodb_steps  # noqa: E402
import eks_steps  # noqa: E402
import operator_steps  # noqa: E402
from model_walk import error_status, walk_success  # noqa: E402
from simulator import (  # noqa: E402
    REGION,
    Client,
    Report,
    Simulator,
    aws_cli,
    binary_path,
    run_cli,
)

STATE_MACHINE = f"arn:aws:states:{REGION}:111122223333:stateMachine:slices"
STEP_FUNCTIONS_METHODS = {
    "StartExecution": ("start_execution", {"stateMachineArn": STATE_MACHINE}),
    "DescribeExecution": (
        "describe_execution",
        {"executionArn": f"{STATE_MACHINE}:r-1".replace("stateMachine", "execution")},
    ),
    "ListExecutions": ("list_executions", {"stateMachineArn": STATE_MACHINE}),
}


def main():
    binary = binary_path(sys.argv[1] if len(sys.argv) > 1 else None)
    report = Report()
    flags = ["--fleet", "200", "--faults-by-region", "--state-machine", STATE_MACHINE]
    flags += ["--samples", "--region", REGION]
    flags += ["--role-missing", eks_steps.MISSING_ROLE]
    flags += ["--role-bad-trust", eks_steps.BAD_TRUST_ROLE]
    with Simulator(binary, *flags) as simulator:
        eks = Client(report, simulator, "eks")
        eks_steps.clusters(eks)
        raw = eks_steps.updates(eks, eks_steps.creation(eks))
        eks_steps.lists_and_deletes(eks)
        eks_steps.cluster_limit_and_pages(Client(report, simulator, "eks", "ap-southeast-2"))
        dynamodb = Client(report, simulator, "dynamodb")
        for step in dynamodb_steps.STEPS:
            step(dynamodb)
        executions(Client(report, simulator, "stepfunctions"))
        for service, step in operator_steps.STEPS.items():
            step(Client(report, simulator, service))
        every_modelled_error(report, simulator, "eks", eks_steps.METHODS)
        every_modelled_error(report, simulator, "dynamodb", dynamodb_steps.METHODS)
        every_modelled_error(report, simulator, "stepfunctions", STEP_FUNCTIONS_METHODS)
        self_test(report, eks, dynamodb, raw)
        command_line(report, simulator)
    throttles(report, binary)
    return 1 if report.print() else 0


def executions(step_functions):
    """No execution ends here, so each name belongs to one execution."""
    same = {"stateMachineArn": STATE_MACHINE, "name": "r-1", "input": '{"a": 1}'}
    started = [step_functions.call("start_execution", **same) for _ in range(2)]
    arns = {response["executionArn"] for response in started}
    step_functions.check("StartExecution", len(arns) == 1, f"two starts made {arns}")
    rows = [
        ("ExecutionAlreadyExists", {"name": "r-1", "input": '{"a": 2}'}),
        ("StateMachineDoesNotExist", {"stateMachineArn": f"{STATE_MACHINE}-2"}),
        ("InvalidArn", {"stateMachineArn": "slices"}),
        ("InvalidName", {"name": "dry-run/r-1"}),
        ("InvalidExecutionInput", {"input": "{"}),
    ]
    for error, more in rows:
        parameters = {"stateMachineArn": STATE_MACHINE, **more}
        step_functions.call("start_execution", error, **parameters)
    for method, parameters in list(STEP_FUNCTIONS_METHODS.values())[1:]:
        step_functions.call(method, **parameters)


def every_modelled_error(report, simulator, service, methods):
    """Injects the errors that did not occur before: a client in fault-STATUS-CODE receives them."""
    model = Client(report, simulator, service).client.meta.service_model
    for name, (method, parameters) in methods.items():
        shapes = model.operation_model(name).error_shapes
        codes = report.codes[service, name]
        for shape in shapes:
            if shape.name not in codes:
                region = f"fault-{error_status(shape)}-{shape.name}"
                client = Client(report, simulator, service, region)
                client.call(method, shape.name, **parameters)
        missing = {shape.name for shape in shapes} - codes
        report.check(service, name, not missing, f"never failed with {sorted(missing)}")
        report.check(service, name, None in codes, "never succeeded")


def throttles(report, binary):
    with Simulator(binary, "--throttle", "0.001,2") as simulator:
        for account, region in (
            ("111122223333", REGION),
            ("111122223333", "us-east-1"),
            ("444455556666", REGION),
        ):
            eks = Client(report, simulator, "eks", region, account)
            for error in (None, None, "TooManyRequestsException"):
                eks.call("list_clusters", error)


def command_line(report, simulator):
    command = aws_cli()
    if not command:
        print("SKIPPED the AWS CLI: this environment has none")
        return

    def run(service, *words):
        return run_cli(command, simulator, service, *words)

    def check(service, operation, is_right, result):
        report.check(service, operation, is_right, f"the AWS CLI printed {str(result)[:200]}")

    listed = run("eks", "list-pod-identity-associations", "--cluster-name", "prod")
    is_right = isinstance(listed, dict) and len(listed["associations"]) == 252
    check("eks", "ListPodIdentityAssociations", is_right, listed)
    one = listed["associations"][0]["associationId"]
    subject = ("--cluster-name", "prod", "--association-id", one)
    update = ("update-pod-identity-association", "--role-arn", eks_steps.NEW_ROLE)
    for words in (("describe-pod-identity-association",), update):
        shown = run("eks", *words, *subject)
        is_right = isinstance(shown, dict) and shown["association"]["associationId"] == one
        check("eks", "UpdatePodIdentityAssociation", is_right, shown)
    absent = run("eks", "describe-cluster", "--name", "absent")
    is_right = isinstance(absent, str) and "ResourceNotFoundException" in absent
    check("eks", "DescribeCluster", is_right, absent)
    tables = run("dynamodb", "list-tables")
    is_right = isinstance(tables, dict) and "RotationLedger" in tables["TableNames"]
    check("dynamodb", "ListTables", is_right, tables)
    scanned = run("dynamodb", "scan", "--table-name", "AssociationIndex")
    is_right = isinstance(scanned, dict) and scanned["Count"] == 200
    check("dynamodb", "Scan", is_right, scanned)


def self_test(report, eks, dynamodb, raw):
    """The check itself must be able to fail: a real response passes, changed ones do not."""

    def model(client, name):
        return client.client.meta.service_model.operation_model(name)

    def check(what, problems, expected):
        text = f"{what}: {len(problems)} problems instead of {expected}"
        report.check("walk", "SelfTest", len(problems) == expected, text)
        report.responses["walk", "SelfTest"] += 1

    rows = [
        ("unchanged", {}, 0),
        ("an unknown member", {"color": "red"}, 1),
        ("a timestamp as text", {"createdAt": "2026-11-23T21:00:00Z"}, 1),
        ("a timestamp in milliseconds", {"modifiedAt": 1795467600000}, 1),
        ("a flag as text", {"disableSessionTags": "true"}, 1),
        ("null", {"ownerArn": None}, 1),
        ("a list instead of a map", {"tags": []}, 1),
    ]
    for what, change, expected in rows:
        body = copy.deepcopy(raw)
        body["association"].update(change)
        operation = model(eks, "DescribePodIdentityAssociation")
        check(what, walk_success(operation, body, 200), expected)
    nested = {"TimeToLiveDescription": {"x": 1}}
    problems = walk_success(model(dynamodb, "DescribeTimeToLive"), nested, 200)
    check("an unknown member of a nested structure", problems, 1)
    in_list = {"ConsumedCapacity": [{"Table": 1}]}
    problems = walk_success(model(dynamodb, "BatchWriteItem"), in_list, 200)
    check("a mistyped member in a list", problems, 1)


if __name__ == "__main__":
    sys.exit(main())
