"""Scenarios: the function's role may do what the function does, and nothing else.

MiniStack evaluates policies for every call that is made with a role's credentials. Where it asks otherwise than AWS,
this says so.
"""

import json

from botocore.exceptions import ClientError

from expect import equal, note
from fleet import CLUSTERS, ROLE_2025, which
from stack import ACCOUNT, OTHER_REGION, REGION

DENIED = "AccessDeniedException"
# What the function does, of the calls that are tried here.
ALLOWED = {
    "describe an association",
    "read the ledger",
    "find rotations by status",
    "find associations by role",
}
# As the simulation of policies calls it.
ALLOW, DENY = "allowed", "implicitDeny"


def grant_on_clusters(world):
    """MiniStack asks about a cluster where AWS asks about an association: the same actions are granted on clusters."""
    iam, name = world.cloud.client("iam"), world.stack.role_name
    policy = iam.get_role_policy(RoleName=name, PolicyName="rotate")["PolicyDocument"]
    (statement,) = (statement for statement in policy["Statement"] if statement["Sid"] == "Associations")
    of_clusters = {**statement, "Resource": f"arn:aws:eks:*:{ACCOUNT}:cluster/*"}
    document = json.dumps({"Version": policy["Version"], "Statement": [of_clusters]})
    describe = calls(world)["describe an association"]
    equal("MiniStack refuses what AWS allows, since it asks about the cluster", outcome(describe), DENIED)
    iam.put_role_policy(RoleName=name, PolicyName="what-ministack-asks", PolicyDocument=document)
    equal("with the same actions on clusters it does not", outcome(describe), ALLOW)


def calls(world):
    """Calls with the credentials of the function's role, by what they do."""
    arn = world.stack.role_arn
    credentials = world.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="e2e")["Credentials"]
    eks = world.cloud.client_of(credentials, "eks")
    dynamodb = world.cloud.client_of(credentials, "dynamodb")
    events = world.cloud.client_of(credentials, "events")
    ledger, index = (world.stack.outputs[f"{name}TableName"] for name in ("RotationLedger", "AssociationIndex"))
    association = world.fleet.by_role[ROLE_2025][0]
    cluster = CLUSTERS[REGION]
    key = {"rotationId": {"S": "nobody"}, "entry": {"S": "rotation"}}
    index_key = {name: {"S": association["associationArn"]} for name in ("clusterArn", "associationId")}

    def query(table, by, attribute):
        return lambda: dynamodb.query(
            TableName=table,
            IndexName=by,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": attribute},
            ExpressionAttributeValues={":value": {"S": "nobody"}},
        )

    return {
        "describe an association": lambda: eks.describe_pod_identity_association(**which(association)),
        "list clusters": eks.list_clusters,
        "list associations": lambda: eks.list_pod_identity_associations(clusterName=cluster),
        "delete an association": lambda: eks.delete_pod_identity_association(**which(association)),
        "read the ledger": lambda: dynamodb.get_item(TableName=ledger, Key=key),
        "find rotations by status": query(ledger, "ByStatus", "status"),
        "find rotations by old role": query(ledger, "ByOldRole", "oldRoleArn"),
        "scan the ledger": lambda: dynamodb.scan(TableName=ledger),
        "find associations by role": query(index, "ByRole", "roleArn"),
        "read an item of the index": lambda: dynamodb.get_item(TableName=index, Key=index_key),
        "put an item into the index": lambda: dynamodb.put_item(TableName=index, Item=index_key),
        "put an event": lambda: events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}]),
    }


def role(world):
    """Calls with the function's role: what the function does is allowed, and what it does not do is refused."""
    for what, call in calls(world).items():
        equal(what, outcome(call), ALLOW if what in ALLOWED else DENIED)


def outcome(call):
    try:
        call()
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return ALLOW


def simulated(world):
    """What is asked otherwise than on AWS, or not at all, is asked of IAM itself: may the role do this?"""
    here = f"{REGION}:{ACCOUNT}"
    association = "podidentityassociation/prod/a-1"
    describe, update, delete = (f"eks:{verb}PodIdentityAssociation" for verb in ("Describe", "Update", "Delete"))
    on_failure, undelivered = (
        f"arn:aws:sqs:{here}:{world.stack.outputs[output].rpartition('/')[2]}"
        for output in ("OnFailureQueueUrl", "UndeliveredQueueUrl")
    )
    stream = f"arn:aws:logs:{here}:log-group:{world.stack.log_group}:log-stream:s"
    rows = (
        (describe, f"arn:aws:eks:{here}:{association}", ALLOW),
        (update, f"arn:aws:eks:{here}:{association}", ALLOW),
        (update, f"arn:aws:eks:{OTHER_REGION}:{ACCOUNT}:{association}", ALLOW),
        (update, f"arn:aws:eks:{REGION}:999900001111:{association}", DENY),
        (delete, f"arn:aws:eks:{here}:{association}", DENY),
        ("sqs:SendMessage", on_failure, ALLOW),
        ("sqs:SendMessage", undelivered, DENY),
        ("logs:PutLogEvents", stream, ALLOW),
        ("logs:PutLogEvents", stream.replace(world.stack.log_group, "another"), DENY),
        ("xray:PutTraceSegments", "*", ALLOW),
    )
    iam = world.cloud.client("iam")
    for action, resource, expected in rows:
        asked = {"ActionNames": [action], "ResourceArns": [resource]}
        answer = iam.simulate_principal_policy(PolicySourceArn=world.stack.role_arn, **asked)
        (result,) = answer["EvaluationResults"]
        equal(f"{action} on {resource}", result["EvalDecision"], expected)
    note("not shown: iam:PassRole, whose condition MiniStack cannot be asked about")


def identity(world):
    """The function's calls were made with temporary credentials, so that all of the above was asked of them."""
    made = world.trail.eks_writes() + world.trail.dynamodb_calls()
    # Access keys of roles begin so; those of users begin with AKIA.
    kinds = {call["userIdentity"]["accessKeyId"][:4] for call in made}
    equal(f"of {len(made)} calls, the beginning of all access keys", kinds, {"ASIA"})
