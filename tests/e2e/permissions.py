"""Scenarios: each function's role may do what the function does, and nothing else.

MiniStack evaluates policies for every call that is made with a role's credentials. Where it asks otherwise than AWS,
this says so.
"""

import json

from botocore.exceptions import ClientError

from expect import equal, note
from fleet import CLUSTERS, ROLE_2025, which
from stack import ACCOUNT, OTHER_REGION, REGION

DENIED = "AccessDeniedException"
# What each function does, of the calls that are tried here.
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
    "index": {
        "describe an association",
        "list clusters",
        "describe a cluster",
        "list associations",
        "read the ledger",
        "find rotations by status",
        "find rotations by old role",
        "read a cluster's items of the index",
        "put an item into the index",
        "delete an item of the index",
    },
}
# As the simulation of policies calls it.
ALLOW, DENY = "allowed", "implicitDeny"


def grant_on_clusters(world):
    """MiniStack asks about a cluster where AWS asks about an association: the same actions are granted on clusters."""
    iam = world.cloud.client("iam")
    for name, function in world.stack.functions.items():
        policy = iam.get_role_policy(RoleName=function.role_name, PolicyName=name)["PolicyDocument"]
        (statement,) = (statement for statement in policy["Statement"] if statement["Sid"] == "Associations")
        of_clusters = {**statement, "Resource": f"arn:aws:eks:*:{ACCOUNT}:cluster/*"}
        document = json.dumps({"Version": policy["Version"], "Statement": [of_clusters]})
        describe = calls(world, function)["describe an association"]
        equal(f"MiniStack refuses {name} what AWS allows, since it asks about the cluster", outcome(describe), DENIED)
        iam.put_role_policy(RoleName=function.role_name, PolicyName="what-ministack-asks", PolicyDocument=document)
        equal("with the same actions on clusters it does not", outcome(describe), ALLOW)


def calls(world, function):
    """Calls with the credentials of a function's role, by what they do. Nothing comes of those that write."""
    assumed = {"RoleArn": function.role_arn, "RoleSessionName": "e2e"}
    credentials = world.cloud.client("sts").assume_role(**assumed)["Credentials"]
    eks, dynamodb, events = (world.cloud.client_of(credentials, service) for service in ("eks", "dynamodb", "events"))
    ledger, index = (world.stack.outputs[f"{name}TableName"] for name in ("RotationLedger", "AssociationIndex"))
    association, cluster = world.fleet.by_role[ROLE_2025][0], CLUSTERS[REGION]
    key = {"rotationId": {"S": "nobody"}, "entry": {"S": "rotation"}}
    nobody = {name: {"S": "nobody"} for name in ("clusterArn", "associationId")}
    # It fails where it is allowed.
    if_there = {"TableName": index, "ConditionExpression": "attribute_exists(clusterArn)"}

    def query(table, attribute, **by):
        return lambda: dynamodb.query(
            TableName=table,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": attribute},
            ExpressionAttributeValues={":value": {"S": "nobody"}},
            **by,
        )

    return {
        "describe an association": lambda: eks.describe_pod_identity_association(**which(association)),
        "list clusters": eks.list_clusters,
        "describe a cluster": lambda: eks.describe_cluster(name=cluster),
        "list associations": lambda: eks.list_pod_identity_associations(clusterName=cluster),
        "delete an association": lambda: eks.delete_pod_identity_association(**which(association)),
        "read the ledger": lambda: dynamodb.get_item(TableName=ledger, Key=key),
        "find rotations by status": query(ledger, "status", IndexName="ByStatus"),
        "find rotations by old role": query(ledger, "oldRoleArn", IndexName="ByOldRole"),
        "scan the ledger": lambda: dynamodb.scan(TableName=ledger),
        "find associations by role": query(index, "roleArn", IndexName="ByRole"),
        "find associations by target role": query(index, "targetRoleArn", IndexName="ByTargetRole"),
        "read a cluster's items of the index": query(index, "clusterArn"),
        "read an item of the index": lambda: dynamodb.get_item(TableName=index, Key=nobody),
        "put an item into the index": lambda: dynamodb.put_item(Item=nobody, **if_there),
        "update an item of the index": lambda: dynamodb.update_item(Key=nobody, **if_there),
        "delete an item of the index": lambda: dynamodb.delete_item(Key=nobody, **if_there),
        "put an event": lambda: events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}]),
    }


def roles(world):
    """Calls with each function's role: what the function does is allowed, and what it does not do is refused."""
    for name, function in world.stack.functions.items():
        for what, call in calls(world, function).items():
            equal(f"{name}: {what}", outcome(call), ALLOW if what in ALLOWED[name] else DENIED)


def outcome(call):
    try:
        call()
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
        # A condition is looked at once the call is allowed.
        return ALLOW if code == "ConditionalCheckFailedException" else code
    return ALLOW


def simulated(world):
    """What is asked otherwise than on AWS, or not at all, is asked of IAM itself: may the role do this?"""
    for action, resource, rotate, index in questions(world.stack):
        for name, expected in (("rotate", rotate), ("index", index)):
            asked = {"ActionNames": [action], "ResourceArns": [resource]}
            role = {"PolicySourceArn": world.stack.functions[name].role_arn}
            (result,) = world.cloud.client("iam").simulate_principal_policy(**role, **asked)["EvaluationResults"]
            equal(f"{name}: {action} on {resource}", result["EvalDecision"], expected)
    note("not shown: iam:PassRole, whose condition MiniStack cannot be asked about")


def questions(stack):
    """Action, resource, and whether it is allowed to either role."""
    here, elsewhere, foreign = (
        f"arn:aws:eks:{place}"
        for place in (f"{REGION}:{ACCOUNT}", f"{OTHER_REGION}:{ACCOUNT}", f"{REGION}:999900001111")
    )
    association, cluster = "podidentityassociation/prod/a-1", "cluster/prod"
    describe, update, delete = (f"eks:{verb}PodIdentityAssociation" for verb in ("Describe", "Update", "Delete"))
    queues = {name: stack.queue(name)["QueueArn"] for name in ("OnFailureQueue", "UndeliveredQueue", "IndexQueue")}
    machine = stack.outputs["SlicesStateMachineArn"]
    rotate_log, index_log = (
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{function.log_group}:log-stream:s"
        for function in stack.functions.values()
    )
    return (
        (describe, f"{here}:{association}", ALLOW, ALLOW),
        (describe, f"{elsewhere}:{association}", ALLOW, ALLOW),
        (update, f"{here}:{association}", ALLOW, DENY),
        (update, f"{elsewhere}:{association}", ALLOW, DENY),
        (update, f"{foreign}:{association}", DENY, DENY),
        (delete, f"{here}:{association}", DENY, DENY),
        ("eks:ListClusters", "*", DENY, ALLOW),
        ("eks:DescribeCluster", f"{elsewhere}:{cluster}", DENY, ALLOW),
        ("eks:ListPodIdentityAssociations", f"{elsewhere}:{cluster}", DENY, ALLOW),
        ("eks:ListPodIdentityAssociations", f"{foreign}:{cluster}", DENY, DENY),
        ("eks:DeleteCluster", f"{here}:{cluster}", DENY, DENY),
        ("sqs:SendMessage", queues["OnFailureQueue"], ALLOW, ALLOW),
        ("sqs:SendMessage", queues["UndeliveredQueue"], DENY, DENY),
        ("sqs:ReceiveMessage", queues["IndexQueue"], DENY, ALLOW),
        ("sqs:DeleteMessage", queues["IndexQueue"], DENY, ALLOW),
        ("sqs:SendMessage", queues["IndexQueue"], DENY, DENY),
        ("logs:PutLogEvents", rotate_log, ALLOW, DENY),
        ("logs:PutLogEvents", index_log, DENY, ALLOW),
        ("xray:PutTraceSegments", "*", ALLOW, ALLOW),
        ("states:StartExecution", machine, ALLOW, ALLOW),
        ("states:StartExecution", f"{machine}-of-others", DENY, DENY),
        ("states:StopExecution", machine.replace(":stateMachine:", ":execution:") + ":any", DENY, DENY),
    )


def identity(world):
    """The functions' calls were made with temporary credentials, so that all of the above was asked of them."""
    made = world.trail.eks_writes() + world.trail.dynamodb_calls()
    # Access keys of roles begin so; those of users begin with AKIA.
    kinds = {call["userIdentity"]["accessKeyId"][:4] for call in made}
    equal(f"of {len(made)} calls, the beginning of all access keys", kinds, {"ASIA"})
