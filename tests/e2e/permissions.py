"""Scenarios about permissions: each role allows what its function does, and no more.

MiniStack evaluates the policies for each call that is made with the credentials of a role. Comments
and notes say where it differs from AWS.
"""

import json

from botocore.exceptions import ClientError

from expect import equal, note
from deployment import QUEUES
from fleet import CLUSTERS, ROLE_2025, identifiers
from stack import ACCOUNT, OTHER_REGION, REGION

DENIED = "AccessDeniedException"
# Of the calls that `calls` makes, those that each function needs.
ALLOWED = {
    "rotate": {
        "describe an association",
        "read the ledger",
        "find rotations by status",
        "find associations by role",
        "find associations by target role",
        "put an item into the index",
        "update an item of the index",
    },
    "indexer": {
        "describe an association",
        "list clusters",
        "describe a cluster",
        "list associations",
        "read the ledger",
        "find rotations by status",
        "find associations by role",
        "find associations by target role",
        "query a cluster's items of the index",
        "read an item of the index",
        "put an item into the index",
        "delete an item of the index",
        "scan the index",
    },
    # An event of its own only, which publishing.py has it put.
    "publisher": set(),
}
UNINDEXED_REGION = "ap-south-1"
# The one requester of the stack, who is therefore also its one operator.
REQUESTER = "rotate-roles"
REQUESTER_ARN = f"arn:aws:iam::{ACCOUNT}:user/{REQUESTER}"
# The decisions of SimulatePrincipalPolicy.
ALLOW, DENY = "allowed", "implicitDeny"


def ministack_needs_a_grant_on_clusters(harness):
    """MiniStack checks the cluster, and AWS the association, so this grants both."""
    iam = harness.cloud.client("iam")
    for name in ("rotate", "indexer"):
        function = harness.stack.functions[name]
        role = {"RoleName": function.role_name}
        policy = iam.get_role_policy(**role, PolicyName=name)["PolicyDocument"]
        on_clusters = [
            {**statement, "Resource": f"arn:aws:eks:*:{ACCOUNT}:cluster/*"}
            for statement in policy["Statement"]
            if "podidentityassociation" in str(statement["Resource"])
        ]
        document = json.dumps({"Version": policy["Version"], "Statement": on_clusters})
        describe = calls(harness, function)["describe an association"]
        claim = f"MiniStack denies {name} a call that AWS allows, because it checks the cluster"
        equal(claim, result_of(describe), DENIED)
        iam.put_role_policy(**role, PolicyName="ministack-clusters", PolicyDocument=document)
        equal("it allows the call with the same actions on clusters", result_of(describe), ALLOW)


def calls(harness, function):
    """Calls with the credentials of a function's role, by what they do. None changes anything."""
    assumed = {"RoleArn": function.role_arn, "RoleSessionName": "e2e"}
    credentials = harness.cloud.client("sts").assume_role(**assumed)["Credentials"]
    eks, dynamodb, events = (
        harness.cloud.client_of(credentials, service) for service in ("eks", "dynamodb", "events")
    )
    outputs = harness.stack.outputs
    ledger, index = outputs["RotationLedgerTableName"], outputs["AssociationIndexTableName"]
    association, cluster = harness.fleet.by_role[ROLE_2025][0], CLUSTERS[REGION]
    rotation = {"rotationId": {"S": "none"}, "entry": {"S": "rotation"}}
    item = {name: {"S": "none"} for name in ("clusterArn", "associationId")}
    # No such item exists, so a write that is allowed fails.
    if_exists = {"TableName": index, "ConditionExpression": "attribute_exists(clusterArn)"}

    def query(table, attribute, **by):
        return lambda: dynamodb.query(
            TableName=table,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": attribute},
            ExpressionAttributeValues={":value": {"S": "none"}},
            **by,
        )

    event = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    which = identifiers(association)
    by_target_role = query(index, "targetRoleArn", IndexName="ByTargetRole")
    return {
        "describe an association": lambda: eks.describe_pod_identity_association(**which),
        "list clusters": eks.list_clusters,
        "describe a cluster": lambda: eks.describe_cluster(name=cluster),
        "list associations": lambda: eks.list_pod_identity_associations(clusterName=cluster),
        "delete an association": lambda: eks.delete_pod_identity_association(**which),
        "read the ledger": lambda: dynamodb.get_item(TableName=ledger, Key=rotation),
        "find rotations by status": query(ledger, "status", IndexName="ByStatus"),
        "find rotations by old role": query(ledger, "oldRoleArn", IndexName="ByOldRole"),
        "scan the ledger": lambda: dynamodb.scan(TableName=ledger),
        "scan the index": lambda: dynamodb.scan(TableName=index),
        "find associations by role": query(index, "roleArn", IndexName="ByRole"),
        "find associations by target role": by_target_role,
        "query a cluster's items of the index": query(index, "clusterArn"),
        "read an item of the index": lambda: dynamodb.get_item(TableName=index, Key=item),
        "put an item into the index": lambda: dynamodb.put_item(Item=item, **if_exists),
        "update an item of the index": lambda: dynamodb.update_item(Key=item, **if_exists),
        "delete an item of the index": lambda: dynamodb.delete_item(Key=item, **if_exists),
        "put an event": lambda: events.put_events(Entries=[event]),
    }


def roles_allow_only_what_the_functions_do(harness):
    """Calls with the role of each function: what it needs is allowed, and the rest is denied."""
    for name, function in harness.stack.functions.items():
        for what, call in calls(harness, function).items():
            expected = ALLOW if what in ALLOWED[name] else DENIED
            equal(f"{name}: {what}", result_of(call), expected)


def result_of(call):
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # DynamoDB evaluates a condition only if the call is allowed.
        return ALLOW if code == "ConditionalCheckFailedException" else code
    return ALLOW


def iam_simulation_agrees(harness):
    """IAM itself decides about the actions that MiniStack checks differently or not at all."""
    iam = harness.cloud.client("iam")
    for action, resource, *expectations in decisions(harness.stack):
        for name, expected in zip(harness.stack.functions, expectations, strict=True):
            request = {"ActionNames": [action], "ResourceArns": [resource]}
            role = {"PolicySourceArn": harness.stack.functions[name].role_arn}
            results = iam.simulate_principal_policy(**role, **request)["EvaluationResults"]
            (result,) = results
            equal(f"{name}: {action} on {resource}", result["EvalDecision"], expected)
    note("not checked: iam:PassRole, because MiniStack does not simulate conditions")


def updates_are_denied_outside_the_indexed_regions(harness):
    """The role of the rotate function may update associations in the indexed regions only."""
    assumed = {"RoleArn": harness.stack.rotate.role_arn, "RoleSessionName": "e2e"}
    credentials = harness.cloud.client("sts").assume_role(**assumed)["Credentials"]
    # There is no such cluster, so an update that is allowed changes nothing.
    update = {"clusterName": "none", "associationId": "a-none", "roleArn": ROLE_2025}
    for region, expected in (
        (REGION, "ResourceNotFoundException"),
        (OTHER_REGION, "ResourceNotFoundException"),
        (UNINDEXED_REGION, DENIED),
    ):
        eks = harness.cloud.client_of(credentials, "eks", region)
        result = result_of(lambda eks=eks: eks.update_pod_identity_association(**update))
        equal(f"rotate updates an association in {region}", result, expected)


def queues_admit_operators_only(harness):
    """Two users may send to every queue by their own policies. The queues deny all but operators."""
    iam = harness.cloud.client("iam")
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    for user, expected in ((REQUESTER, ALLOW), ("web", "AccessDenied")):
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="send", PolicyDocument=document)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        sqs = harness.cloud.client_of(key, "sqs")
        if user == REQUESTER:
            harness.operators_sqs = sqs
        for queue in QUEUES:
            url = harness.stack.outputs[f"{queue}Url"]
            # An invalid delay, so a call that is allowed sends nothing.
            message = {"QueueUrl": url, "MessageBody": "{}", "DelaySeconds": 901}
            result = result_of(lambda message=message: sqs.send_message(**message))
            found = ALLOW if result == "InvalidParameterValue" else result
            equal(f"{user} sends to {queue}", found, expected)
    note("not checked: the policy of the bus. MiniStack ignores it; tests/it/access/ evaluates it")


def decisions(stack):
    """Action, resource, and the decision for the rotate function, the indexer and the publisher."""
    here, elsewhere, foreign = (
        f"arn:aws:eks:{place}"
        for place in (f"{REGION}:{ACCOUNT}", f"{OTHER_REGION}:{ACCOUNT}", f"{REGION}:999900001111")
    )
    association, cluster = "podidentityassociation/prod/a-1", "cluster/prod"
    describe, update, delete = (
        f"eks:{verb}PodIdentityAssociation" for verb in ("Describe", "Update", "Delete")
    )
    list_associations = "eks:ListPodIdentityAssociations"
    on_failure, undelivered, indexer_queue = (
        stack.queue(name)["QueueArn"]
        for name in ("OnFailureQueue", "UndeliveredQueue", "IndexerQueue")
    )
    ledger = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{stack.outputs['RotationLedgerTableName']}"
    stream = stack.stream_arn()
    state_machine = stack.outputs["StateMachineArn"]
    execution = state_machine.replace(":stateMachine:", ":execution:") + ":any"
    rotate_log, indexer_log, publisher_log = (
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{function.log_group}:log-stream:s"
        for function in stack.functions.values()
    )
    return (
        (describe, f"{here}:{association}", ALLOW, ALLOW, DENY),
        (describe, f"{elsewhere}:{association}", ALLOW, ALLOW, DENY),
        (update, f"{here}:{association}", ALLOW, DENY, DENY),
        (update, f"{elsewhere}:{association}", ALLOW, DENY, DENY),
        (update, f"{foreign}:{association}", DENY, DENY, DENY),
        (delete, f"{here}:{association}", DENY, DENY, DENY),
        ("eks:ListClusters", "*", DENY, ALLOW, DENY),
        ("eks:DescribeCluster", f"{elsewhere}:{cluster}", DENY, ALLOW, DENY),
        (list_associations, f"{elsewhere}:{cluster}", DENY, ALLOW, DENY),
        (list_associations, f"{foreign}:{cluster}", DENY, DENY, DENY),
        ("eks:DeleteCluster", f"{here}:{cluster}", DENY, DENY, DENY),
        ("sqs:SendMessage", on_failure, ALLOW, ALLOW, ALLOW),
        ("sqs:SendMessage", undelivered, DENY, DENY, DENY),
        ("sqs:ReceiveMessage", indexer_queue, DENY, ALLOW, DENY),
        ("sqs:DeleteMessage", indexer_queue, DENY, ALLOW, DENY),
        ("sqs:SendMessage", indexer_queue, DENY, DENY, DENY),
        ("logs:PutLogEvents", rotate_log, ALLOW, DENY, DENY),
        ("logs:PutLogEvents", indexer_log, DENY, ALLOW, DENY),
        ("logs:PutLogEvents", publisher_log, DENY, DENY, ALLOW),
        ("dynamodb:GetRecords", stream, DENY, DENY, ALLOW),
        ("dynamodb:GetItem", ledger, ALLOW, ALLOW, DENY),
        ("xray:PutTraceSegments", "*", ALLOW, ALLOW, ALLOW),
        ("states:StartExecution", state_machine, ALLOW, ALLOW, DENY),
        ("states:StartExecution", f"{state_machine}-of-others", DENY, DENY, DENY),
        ("states:StopExecution", execution, DENY, DENY, DENY),
    )


def functions_use_the_credentials_of_their_roles(harness):
    """The functions call with temporary credentials, so the checks above apply to their calls."""
    made = harness.cloudtrail.eks_writes() + harness.cloudtrail.dynamodb_calls()
    # Access keys of roles start with ASIA, and those of users with AKIA.
    prefixes = {call["userIdentity"]["accessKeyId"][:4] for call in made}
    equal(f"the prefixes of the access keys of {len(made)} calls", prefixes, {"ASIA"})
