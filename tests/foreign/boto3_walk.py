#!/usr/bin/env python3
"""Drives every operation of the simulated AWS with boto3 over loopback and walks every raw answer against the model.

    python tests/foreign/boto3_walk.py [path of rerole-sim]

Needs the packages of requirements.txt beside it. Prints a line for each operation and `N passed, N failed` last; exit
code 1 where anything failed. Each operation must have succeeded at least once and shown every error that it models.
"""

import copy
import sys

# The checkout stays as it was.
sys.dont_write_bytecode = True

from model_walk import walk_success  # noqa: E402
from simulator import REGION, Client, Report, Simulator, aws_cli, binary_path, run_cli  # noqa: E402

ROLE = "arn:aws:iam::111122223333:role/old"
NEW_ROLE = "arn:aws:iam::111122223333:role/new"
MISSING_ROLE = "arn:aws:iam::111122223333:role/missing"
DISTRUSTED_ROLE = "arn:aws:iam::111122223333:role/distrusted"
OTHER_ACCOUNTS_ROLE = "arn:aws:iam::444455556666:role/new"
TOKEN = "a-token-of-forty-characters-0123456789-0"
MACHINE = f"arn:aws:states:{REGION}:111122223333:stateMachine:slices"
VPC = {"subnetIds": ["subnet-1", "subnet-2"]}

EKS_METHODS = {
    "ListClusters": ("list_clusters", {}),
    "DescribeCluster": ("describe_cluster", {"name": "c"}),
    "DeleteCluster": ("delete_cluster", {"name": "c"}),
    "CreateCluster": ("create_cluster", {"name": "c", "roleArn": ROLE, "resourcesVpcConfig": VPC}),
    "CreatePodIdentityAssociation": (
        "create_pod_identity_association",
        {"clusterName": "c", "namespace": "n", "serviceAccount": "s", "roleArn": ROLE},
    ),
    "DescribePodIdentityAssociation": (
        "describe_pod_identity_association",
        {"clusterName": "c", "associationId": "a-1"},
    ),
    "ListPodIdentityAssociations": ("list_pod_identity_associations", {"clusterName": "c"}),
    "UpdatePodIdentityAssociation": (
        "update_pod_identity_association",
        {"clusterName": "c", "associationId": "a-1", "roleArn": ROLE},
    ),
    "DeletePodIdentityAssociation": ("delete_pod_identity_association", {"clusterName": "c", "associationId": "a-1"}),
}
KEY = {"rotationId": {"S": "r"}, "entry": {"S": "rotation"}}
PUT = {"Put": {"TableName": "RotationLedger", "Item": KEY}}
GET = {"Get": {"TableName": "RotationLedger", "Key": KEY}}
TABLE = {
    "TableName": "Third",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
TTL = {"TableName": "Third", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expiresAt"}}
QUERY = {
    "TableName": "AssociationIndex",
    "IndexName": "ByRole",
    "KeyConditionExpression": "roleArn = :r",
    "ExpressionAttributeValues": {":r": {"S": ROLE}},
}
DYNAMODB_METHODS = {
    "CreateTable": ("create_table", TABLE),
    "DescribeTable": ("describe_table", {"TableName": "Third"}),
    "ListTables": ("list_tables", {}),
    "PutItem": ("put_item", {"TableName": "RotationLedger", "Item": KEY}),
    "GetItem": ("get_item", {"TableName": "RotationLedger", "Key": KEY}),
    "UpdateItem": ("update_item", {"TableName": "RotationLedger", "Key": KEY}),
    "DeleteItem": ("delete_item", {"TableName": "RotationLedger", "Key": KEY}),
    "Query": ("query", QUERY),
    "Scan": ("scan", {"TableName": "RotationLedger"}),
    "BatchGetItem": ("batch_get_item", {"RequestItems": {"RotationLedger": {"Keys": [KEY]}}}),
    "BatchWriteItem": ("batch_write_item", {"RequestItems": {"RotationLedger": [{"PutRequest": {"Item": KEY}}]}}),
    "TransactWriteItems": ("transact_write_items", {"TransactItems": [PUT]}),
    "TransactGetItems": ("transact_get_items", {"TransactItems": [GET]}),
    "UpdateTimeToLive": ("update_time_to_live", TTL),
    "DescribeTimeToLive": ("describe_time_to_live", {"TableName": "Third"}),
}

STATES_METHODS = {"StartExecution": ("start_execution", {"stateMachineArn": MACHINE})}


def clusters(eks):
    created = eks.call("create_cluster", name="prod", roleArn=ROLE, resourcesVpcConfig=VPC, tags={"team": "a"})
    eks.report.check("eks", "CreateCluster", created["cluster"]["status"] == "ACTIVE", "the cluster is not ACTIVE")
    eks.call("create_cluster", "ResourceInUseException", name="prod", roleArn=ROLE, resourcesVpcConfig=VPC)
    eks.call("create_cluster", "InvalidParameterException", name="-", roleArn=ROLE, resourcesVpcConfig=VPC)
    eks.call("create_cluster", "InvalidParameterException", name="x", roleArn=ROLE)
    eks.call("describe_cluster", name="prod")
    eks.call("describe_cluster", "ResourceNotFoundException", name="absent")
    eks.call("list_clusters")
    for wrong in (0, 101):
        eks.call("list_clusters", "InvalidParameterException", maxResults=wrong)
    eks.call("list_clusters", "InvalidParameterException", nextToken="zz")


def cluster_limit_and_pages(eks):
    """In a region of its own: the hundred clusters that a region takes, in three pages."""
    for number in range(100):
        eks.call("create_cluster", name=f"c-{number}", roleArn=ROLE, resourcesVpcConfig=VPC)
    one_more = {"name": "c-100", "roleArn": ROLE, "resourcesVpcConfig": VPC}
    eks.call("create_cluster", "ResourceLimitExceededException", **one_more)
    sizes, seen = pages(eks, "list_clusters", "clusters", maxResults=40)
    eks.report.check("eks", "ListClusters", sizes == [40, 40, 20] and len(set(seen)) == 100, f"pages of {sizes}")
    deleted = eks.call("delete_cluster", name="c-0")
    eks.report.check("eks", "DeleteCluster", deleted["cluster"]["status"] == "DELETING", "the cluster is not DELETING")
    eks.call("delete_cluster", "ResourceNotFoundException", name="c-0")
    eks.call("describe_cluster", "ResourceNotFoundException", name="c-0")


def pages(client, method, member, **parameters):
    """Follows nextToken; the size of each page, and everything on them."""
    sizes, seen, token = [], [], {}
    while True:
        page = client.call(method, **parameters, **token)
        sizes.append(len(page[member]))
        seen += page[member]
        if "nextToken" not in page:
            return sizes, seen
        token = {"nextToken": page["nextToken"]}


def create(eks, account, error=None, says="", **more):
    parameters = {"clusterName": "prod", "namespace": "ns", "serviceAccount": account, "roleArn": ROLE, **more}
    return eks.call("create_pod_identity_association", error, says, **parameters)


def creation(eks):
    target = "arn:aws:iam::999900001111:role/target"
    policy = {"disableSessionTags": True, "policy": "{}"}
    full = create(eks, "full", tags={"k": "v"}, targetRoleArn=target, **policy)["association"]
    eks.report.check("eks", "CreatePodIdentityAssociation", full["externalId"], "no externalId for a target role")
    invalid = "InvalidParameterException"
    create(eks, "full", "ResourceInUseException", "already exists")
    create(eks, "x", "ResourceNotFoundException", clusterName="absent")
    create(eks, "x", invalid, "does not exist", roleArn=MISSING_ROLE)
    create(eks, "x", invalid, "Trust policy", roleArn=DISTRUSTED_ROLE)
    create(eks, "x", invalid, "same account", roleArn=OTHER_ACCOUNTS_ROLE)
    create(eks, "x", invalid, roleArn="no role")
    create(eks, "", invalid)
    create(eks, "x", invalid, policy="{}")
    create(eks, "x", invalid, tags={f"k{n}": "v" for n in range(51)})
    create(eks, "x", invalid, tags={"k" * 129: "v"})
    create(eks, "x", invalid, tags={"k": "v" * 257})
    create(eks, "x", invalid, tags={"aws:k": "v"})
    create(eks, "most", tags={f"{n:k>128}": "v" * 256 for n in range(50)})
    create(eks, "x", invalid, clientRequestToken="x" * 32)
    create(eks, "x", invalid, clientRequestToken="x" * 127)
    first = create(eks, "token", clientRequestToken=TOKEN)
    again = create(eks, "token", clientRequestToken=TOKEN)
    is_replayed = first["association"] == again["association"]
    eks.report.check("eks", "CreatePodIdentityAssociation", is_replayed, "the same token did not replay")
    create(eks, "other", invalid, clientRequestToken=TOKEN)
    return full


def updates(eks, association):
    where = {"clusterName": "prod", "associationId": association["associationId"]}

    def update(error=None, says="", **more):
        return eks.call("update_pod_identity_association", error, says, **{**where, **more})

    def check(is_right, what):
        eks.report.check("eks", "UpdatePodIdentityAssociation", is_right, what)

    updated = update(roleArn=NEW_ROLE, clientRequestToken=TOKEN)["association"]
    check(updated["roleArn"] == NEW_ROLE, "the role is not the new one")
    kept = ["targetRoleArn", "externalId", "policy", "disableSessionTags", "tags", "createdAt", "associationArn"]
    check(all(updated[name] == association[name] for name in kept), "a field that was not given changed")
    check(updated["modifiedAt"] >= association["modifiedAt"], "modifiedAt went backwards")
    again = update(roleArn=NEW_ROLE, clientRequestToken=TOKEN)["association"]
    check(again == updated, "the same token did not replay")
    invalid = "InvalidParameterException"
    update(invalid, roleArn=ROLE, clientRequestToken=TOKEN)
    update(invalid, roleArn=ROLE, clientRequestToken="short")
    update(invalid, "You must change at least one")
    update(invalid, "does not exist", roleArn=MISSING_ROLE)
    update(invalid, "Trust policy", roleArn=DISTRUSTED_ROLE)
    update(invalid, "same account", roleArn=OTHER_ACCOUNTS_ROLE)
    update("SerializationException", roleArn=7)
    update("ResourceNotFoundException", roleArn=ROLE, associationId="a-absent")
    cleared = update(targetRoleArn="")["association"]
    check("targetRoleArn" not in cleared and "externalId" not in cleared, "an empty target role does not clear it")
    described = eks.call("describe_pod_identity_association", **where)["association"]
    check(described == cleared, "Describe shows something else than Update did")
    raw = copy.deepcopy(eks.raw)
    eks.call("describe_pod_identity_association", "ResourceNotFoundException", clusterName="prod", associationId="a-x")
    return raw


def lists_and_deletes(eks):
    for number in range(250):
        eks.call(
            "create_pod_identity_association",
            clusterName="prod",
            namespace=f"many {number % 2}",
            serviceAccount=f"sa-{number}",
            roleArn=ROLE,
        )
    everything = "list_pod_identity_associations"
    for filters, wanted in (({}, [100, 100, 53]), ({"namespace": "many 0"}, [100, 25])):
        sizes, seen = pages(eks, everything, "associations", clusterName="prod", **filters)
        unique = {summary["associationId"] for summary in seen}
        is_right = sizes == wanted and len(unique) == sum(wanted)
        eks.report.check("eks", "ListPodIdentityAssociations", is_right, f"pages of {sizes} with {filters}")
        has_role = any("roleArn" in summary for summary in seen)
        eks.report.check("eks", "ListPodIdentityAssociations", not has_role, "a summary shows a role")
    eks.call(everything, "ResourceNotFoundException", clusterName="absent")
    eks.call(everything, "InvalidParameterException", clusterName="prod", maxResults=101)
    one = {"clusterName": "prod", "associationId": seen[0]["associationId"]}
    eks.call("delete_pod_identity_association", **one)
    eks.call("delete_pod_identity_association", "ResourceNotFoundException", **one)


def tables(dynamodb):
    dynamodb.call("create_table", **TABLE)
    dynamodb.call("create_table", "ResourceInUseException", **TABLE)
    for name in ("Third", "AssociationIndex", "RotationLedger"):
        dynamodb.call("describe_table", TableName=name)
    dynamodb.call("describe_table", "ResourceNotFoundException", TableName="absent")
    names = dynamodb.call("list_tables")["TableNames"]
    dynamodb.report.check("dynamodb", "ListTables", len(names) == 3, f"{names}")
    dynamodb.call("describe_time_to_live", TableName="Third")
    dynamodb.call("update_time_to_live", **TTL)
    dynamodb.call("update_time_to_live", "ResourceNotFoundException", **{**TTL, "TableName": "absent"})


def items(dynamodb):
    ledger = {"TableName": "RotationLedger"}
    everything = {
        **KEY,
        "n": {"N": "1.5"},
        "yes": {"BOOL": True},
        "nothing": {"NULL": True},
        "list": {"L": [{"S": "x"}, {"M": {"k": {"N": "1"}}}]},
        "set": {"SS": ["a", "b"]},
        "bytes": {"B": b"\x00\x01"},
    }
    dynamodb.call("put_item", **ledger, Item=everything, ReturnConsumedCapacity="TOTAL")
    got = dynamodb.call("get_item", **ledger, Key=KEY, ConsistentRead=True)["Item"]
    dynamodb.report.check("dynamodb", "GetItem", got == everything, f"{got} instead of what was put")
    absent = {"ConditionExpression": "attribute_not_exists(rotationId)"}
    failed, shown = "ConditionalCheckFailedException", {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    dynamodb.call("put_item", failed, **ledger, Item=KEY, **absent, **shown)
    dynamodb.call("put_item", "ValidationException", **ledger, Item={"entry": {"S": "x"}})
    dynamodb.call("delete_item", failed, **ledger, Key=KEY, **absent)
    dynamodb.call("update_item", failed, **ledger, Key=KEY, UpdateExpression="REMOVE n", **absent)
    change = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"N": "2"}}}
    dynamodb.call("update_item", **ledger, Key=KEY, **change, ReturnValues="ALL_NEW")
    dynamodb.call("scan", **ledger)
    dynamodb.call("scan", TableName="AssociationIndex", Limit=10, ReturnConsumedCapacity="INDEXES")
    dynamodb.call("delete_item", **ledger, Key=KEY, ReturnValues="ALL_OLD")
    for method, more in (("get_item", {"Key": KEY}), ("scan", {}), ("query", QUERY)):
        dynamodb.call(method, "ResourceNotFoundException", **{**more, "TableName": "absent"})


def queries(dynamodb):
    """The fleet's items by role, in pages."""
    start, seen = {}, 0
    fleet_role = "arn:aws:iam::111122223333:role/workloads/payments-2025"
    query = {**QUERY, "ExpressionAttributeValues": {":r": {"S": fleet_role}}, "Limit": 30}
    while True:
        page = dynamodb.call("query", **query, **start)
        seen += page["Count"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    dynamodb.report.check("dynamodb", "Query", seen == 80, f"{seen} associations on the role instead of 80")
    dynamodb.call("query", "ValidationException", **{**QUERY, "IndexName": "ByNothing"})


def batches_and_transactions(dynamodb):
    def key(number):
        return {"rotationId": {"S": "batch"}, "entry": {"S": str(number)}}

    puts = [{"PutRequest": {"Item": key(number)}} for number in range(26)]
    dynamodb.call("batch_write_item", RequestItems={"RotationLedger": puts[:25]})
    dynamodb.call("batch_write_item", "ValidationException", RequestItems={"RotationLedger": puts})
    keys = {"Keys": [key(number) for number in range(25)]}
    got = dynamodb.call("batch_get_item", RequestItems={"RotationLedger": keys})
    count = len(got["Responses"]["RotationLedger"])
    dynamodb.report.check("dynamodb", "BatchGetItem", count == 25, f"{count} of 25 items")
    dynamodb.call("batch_get_item", "ResourceNotFoundException", RequestItems={"absent": keys})
    absent = {"ConditionExpression": "attribute_not_exists(rotationId)"}
    put = {"TableName": "RotationLedger", "Item": key("t"), **absent}
    other = {"TableName": "RotationLedger", "Item": key("u")}
    write = "transact_write_items"
    dynamodb.call(write, TransactItems=[{"Put": put}, {"Put": other}], ClientRequestToken="t-1")
    dynamodb.call(write, "TransactionCanceledException", TransactItems=[{"Put": put}, {"Put": other}])
    mismatch = "IdempotentParameterMismatchException"
    dynamodb.call(write, mismatch, TransactItems=[{"Put": other}], ClientRequestToken="t-1")
    get = {"Get": {"TableName": "RotationLedger", "Key": key("t")}}
    dynamodb.call("transact_get_items", TransactItems=[get, GET])


def every_modelled_error(report, simulator, service, methods):
    """Whatever the steps above did not bring about is injected: a client in the region fault-STATUS-CODE gets it."""
    model = Client(report, simulator, service).client.meta.service_model
    for name, (method, parameters) in methods.items():
        operation = model.operation_model(name)
        for shape in operation.error_shapes:
            if shape.name in report.seen[service, name]:
                continue
            default = 500 if shape.metadata.get("fault") else 400
            status = shape.metadata.get("error", {}).get("httpStatusCode", default)
            client = Client(report, simulator, service, region=f"fault-{status}-{shape.name}")
            client.call(method, shape.name, **parameters)
        missing = {shape.name for shape in operation.error_shapes} - report.seen[service, name]
        report.check(service, name, not missing, f"never answered {sorted(missing)}")
        report.check(service, name, None in report.seen[service, name], "never succeeded")


def throttles(report, binary):
    with Simulator(binary, "--throttle", "0.001,2") as simulator:
        rows = (("111122223333", REGION), ("111122223333", "us-east-1"), ("444455556666", REGION))
        for account, region in rows:
            eks = Client(report, simulator, "eks", region, account)
            for error in (None, None, "TooManyRequestsException"):
                eks.call("list_clusters", error)


def command_line(report, simulator):
    command = aws_cli()
    if not command:
        print("SKIPPED the AWS CLI: this environment has none")
        return
    listed = run_cli(command, simulator, "eks", "list-pod-identity-associations", "--cluster-name", "prod")
    count = len(listed["associations"]) if isinstance(listed, dict) else listed
    report.check("eks", "ListPodIdentityAssociations", count == 252, f"the AWS CLI lists {count} associations")
    one = listed["associations"][0]["associationId"]
    where = ("--cluster-name", "prod", "--association-id", one)
    for words in (("describe-pod-identity-association",), ("update-pod-identity-association", "--role-arn", NEW_ROLE)):
        answer = run_cli(command, simulator, "eks", *words, *where)
        is_right = isinstance(answer, dict) and answer["association"]["associationId"] == one
        report.check("eks", "UpdatePodIdentityAssociation", is_right, f"the AWS CLI says {answer} to {words}")
    refused = run_cli(command, simulator, "eks", "describe-cluster", "--name", "absent")
    is_right = isinstance(refused, str) and "ResourceNotFoundException" in refused
    report.check("eks", "DescribeCluster", is_right, f"the AWS CLI says {refused}")
    names = run_cli(command, simulator, "dynamodb", "list-tables")
    is_right = isinstance(names, dict) and "RotationLedger" in names["TableNames"]
    report.check("dynamodb", "ListTables", is_right, f"the AWS CLI says {names}")
    scanned = run_cli(command, simulator, "dynamodb", "scan", "--table-name", "AssociationIndex")
    is_right = isinstance(scanned, dict) and scanned["Count"] == 200
    report.check("dynamodb", "Scan", is_right, f"the AWS CLI scans {str(scanned)[:200]}")


def executions(states):
    """Nothing closes an execution here, so that a name is that of one execution for good."""
    started = [states.call("start_execution", stateMachineArn=MACHINE, name="r-1", input='{"a": 1}') for _ in range(2)]
    arns = {answer["executionArn"] for answer in started}
    states.report.check("stepfunctions", "StartExecution", len(arns) == 1, f"started twice it is {arns}")
    other = {"stateMachineArn": MACHINE, "name": "r-1", "input": '{"a": 2}'}
    states.call("start_execution", "ExecutionAlreadyExists", **other)
    states.call("start_execution", "StateMachineDoesNotExist", stateMachineArn=f"{MACHINE}-2")
    states.call("start_execution", "InvalidArn", stateMachineArn="slices")
    states.call("start_execution", "InvalidName", stateMachineArn=MACHINE, name="dry-run/r-1")
    states.call("start_execution", "InvalidExecutionInput", stateMachineArn=MACHINE, input="{")


def doctored(eks, raw):
    """The walk itself must be able to fail: a real answer passes, the same answer doctored does not."""
    operation = eks.client.meta.service_model.operation_model("DescribePodIdentityAssociation")
    rows = [
        ("as it was", lambda association: None, 0),
        ("an unknown member", lambda association: association.update(colour="red"), 1),
        ("a timestamp as text", lambda association: association.update(createdAt="2026-11-23T21:00:00Z"), 1),
        ("a timestamp in milliseconds", lambda association: association.update(modifiedAt=1795467600000), 1),
        ("a number as text", lambda association: association.update(disableSessionTags="true"), 1),
        ("null", lambda association: association.update(ownerArn=None), 1),
        ("a list as a map", lambda association: association.update(tags=[]), 1),
    ]
    for what, doctor, wanted in rows:
        body = copy.deepcopy(raw)
        doctor(body["association"])
        problems = walk_success(operation, body, 200)
        is_right = len(problems) == wanted
        eks.report.check("walk", "SelfTest", is_right, f"{what}: {len(problems)} problems instead of {wanted}")
        eks.report.answers["walk", "SelfTest"] += 1
    dynamodb = Client(eks.report, eks.simulator, "dynamodb").client.meta.service_model
    problems = walk_success(dynamodb.operation_model("DescribeTimeToLive"), {"TimeToLiveDescription": {"x": 1}}, 200)
    eks.report.check("walk", "SelfTest", len(problems) == 1, "an unknown member of a nested structure passes")
    missing = walk_success(dynamodb.operation_model("BatchWriteItem"), {"ConsumedCapacity": [{"Table": 1}]}, 200)
    eks.report.check("walk", "SelfTest", len(missing) == 1, "a mistyped member of a list passes")


def main():
    binary = binary_path(sys.argv[1] if len(sys.argv) > 1 else None)
    report = Report()
    roles = ("--role-missing", MISSING_ROLE, "--role-bad-trust", DISTRUSTED_ROLE)
    more = ("--state-machine", MACHINE, *roles)
    with Simulator(binary, "--fleet", "200", "--faults-by-region", *more) as simulator:
        eks = Client(report, simulator, "eks")
        eks.simulator = simulator
        clusters(eks)
        raw = updates(eks, creation(eks))
        lists_and_deletes(eks)
        cluster_limit_and_pages(Client(report, simulator, "eks", "ap-southeast-2"))
        dynamodb = Client(report, simulator, "dynamodb")
        for step in (tables, items, queries, batches_and_transactions):
            step(dynamodb)
        every_modelled_error(report, simulator, "eks", EKS_METHODS)
        every_modelled_error(report, simulator, "dynamodb", DYNAMODB_METHODS)
        executions(Client(report, simulator, "stepfunctions"))
        every_modelled_error(report, simulator, "stepfunctions", STATES_METHODS)
        doctored(eks, raw)
        command_line(report, simulator)
    throttles(report, binary)
    return 1 if report.print() else 0


if __name__ == "__main__":
    sys.exit(main())
