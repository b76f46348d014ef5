"""The services that an operator's tools call, with the samples of `rerole-sim --samples`.

Each step is one service: its operations succeed, and fail with the errors that tools meet.
"""

import json
from datetime import datetime

from simulator import REGION

ACCOUNT = "111122223333"
NAME = "sample"
POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}"


def identity(sts):
    identity = sts.call("get_caller_identity")
    sts.check("GetCallerIdentity", identity["Account"] == ACCOUNT, f"{identity}")
    role = f"arn:aws:iam::{ACCOUNT}:role/teams/Operator"
    assumed = sts.call("assume_role", RoleArn=role, RoleSessionName="jane")
    credentials = assumed["Credentials"]
    is_right = credentials["AccessKeyId"] == "Operator" and isinstance(credentials["Expiration"], datetime)
    sts.check("AssumeRole", is_right, f"{assumed}")


def stacks(cloudformation):
    stack = cloudformation.call("describe_stacks", StackName=NAME)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    is_right = outputs["QueueUrl"].endswith(f"/{ACCOUNT}/{NAME}")
    cloudformation.check("DescribeStacks", is_right, f"{stack}")
    cloudformation.call("list_stack_resources", StackName=NAME)
    cloudformation.call("describe_stack_resources", StackName=NAME)
    absent = "Stack with id absent does not exist"
    cloudformation.call("describe_stacks", "ValidationError", absent, StackName="absent")


def queues(sqs):
    url = sqs.call("get_queue_url", QueueName=NAME)["QueueUrl"]
    sqs.call("list_queues", QueueNamePrefix=NAME)
    note = {"StringValue": "v", "DataType": "String"}
    attributes = {"MessageAttributes": {"k": note}}
    sqs.call("send_message", QueueUrl=url, MessageBody="hello", **attributes)
    wanted = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}

    def receive(**parameters):
        return sqs.call("receive_message", QueueUrl=url, **wanted, **parameters).get("Messages", [])

    message = receive(VisibilityTimeout=600)[0]
    sqs.check("ReceiveMessage", message["Body"] == "hello", f"{message}")
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    sqs.call("change_message_visibility", **handle, VisibilityTimeout=0)
    # It has been received as often as the redrive policy allows.
    sqs.check("ReceiveMessage", receive() == [], "the message is not in the dead-letter queue")
    counts = sqs.call("get_queue_attributes", QueueUrl=f"{url}-dlq", AttributeNames=["All"])
    count = counts["Attributes"]["ApproximateNumberOfMessages"]
    sqs.check("GetQueueAttributes", count == "1", f"{counts}")
    sqs.call("start_message_move_task", SourceArn=f"{QUEUE_ARN}-dlq")
    tasks = sqs.call("list_message_move_tasks", SourceArn=f"{QUEUE_ARN}-dlq")["Results"]
    is_right = tasks[0]["ApproximateNumberOfMessagesMoved"] == 1
    sqs.check("ListMessageMoveTasks", is_right, f"{tasks}")
    receipt = receive()[0]["ReceiptHandle"]
    sqs.call("delete_message", QueueUrl=url, ReceiptHandle=receipt)
    sqs.call("get_queue_url", "AWS.SimpleQueueService.NonExistentQueue", QueueName="absent")


def alarms(cloudwatch):
    cloudwatch.call("set_alarm_state", AlarmName=NAME, StateValue="ALARM", StateReason="a test")
    shown = cloudwatch.call("describe_alarms", AlarmNamePrefix=NAME)["MetricAlarms"]
    states = [alarm["StateValue"] for alarm in shown]
    cloudwatch.check("DescribeAlarms", states == ["ALARM"], f"{shown}")
    absent = {"AlarmName": "absent", "StateValue": "OK", "StateReason": "a test"}
    cloudwatch.call("set_alarm_state", "ResourceNotFound", **absent)


def topics(sns):
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}"
    shown = sns.call("list_subscriptions_by_topic", TopicArn=topic)["Subscriptions"]
    sns.check("ListSubscriptionsByTopic", len(shown) == 1, f"{shown}")
    sns.call("list_subscriptions_by_topic", "NotFound", TopicArn=f"{topic}-2")


def trails(cloudtrail):
    for method in ("describe_trails", "list_trails"):
        cloudtrail.call(method)
    status = cloudtrail.call("get_trail_status", Name=NAME)
    cloudtrail.check("GetTrailStatus", status["IsLogging"], f"{status}")
    cloudtrail.call("get_event_selectors", TrailName=NAME)
    cloudtrail.call("get_trail_status", "TrailNotFoundException", Name="absent")
    by_role = {"AttributeKey": "ResourceName", "AttributeValue": ROLE_ARN}
    found = cloudtrail.call("lookup_events", LookupAttributes=[by_role])["Events"]
    is_right = [event["Username"] for event in found] == ["jane"]
    cloudtrail.check("LookupEvents", is_right, f"{found}")
    record = json.loads(found[0]["CloudTrailEvent"])
    is_right = record["requestParameters"]["roleArn"] == ROLE_ARN
    cloudtrail.check("LookupEvents", is_right, f"{record}")
    cloudtrail.call("lookup_events", "InvalidNextTokenException", NextToken="x")


def functions(lambda_):
    response = lambda_.call("invoke", FunctionName=NAME, Payload=b'{"a": null}')
    payload = json.loads(response["Payload"].read())
    lambda_.check("Invoke", payload == {"a": None}, f"{payload}")
    started = lambda_.call("invoke", FunctionName=NAME, InvocationType="Event")
    lambda_.check("Invoke", started["StatusCode"] == 202, f"{started}")
    lambda_.call("get_function", FunctionName=NAME)
    lambda_.call("get_function_configuration", FunctionName=NAME)
    mappings = lambda_.call("list_event_source_mappings", FunctionName=NAME)
    arns = [mapping["EventSourceArn"] for mapping in mappings["EventSourceMappings"]]
    lambda_.check("ListEventSourceMappings", arns == [QUEUE_ARN], f"{arns}")
    lambda_.call("get_function", "ResourceNotFoundException", FunctionName="absent")


def rules(events):
    entry = {"Source": NAME, "DetailType": "Test", "Detail": "{}"}
    put = events.call("put_events", Entries=[entry, {**entry, "Detail": "{"}])
    events.check("PutEvents", put["FailedEntryCount"] == 1, f"{put}")
    events.call("describe_event_bus")
    listed = events.call("list_rules", NamePrefix=NAME)["Rules"]
    events.check("ListRules", len(listed) == 1, f"{listed}")
    events.call("describe_rule", Name=NAME)
    events.call("list_targets_by_rule", Rule=NAME)
    events.call("describe_rule", "ResourceNotFoundException", Name="absent")
    events.call("describe_event_bus", "ResourceNotFoundException", Name="absent")


def roles(iam):
    role = iam.call("get_role", RoleName=NAME)["Role"]
    # boto3 decodes the text of a policy.
    principal = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    is_right = principal == {"Service": "pods.eks.amazonaws.com"} and role["Arn"] == ROLE_ARN
    iam.check("GetRole", is_right, f"{role}")
    iam.call("list_role_tags", RoleName=NAME)
    attached = iam.call("list_attached_role_policies", RoleName=NAME)["AttachedPolicies"]
    is_right = [policy["PolicyArn"] for policy in attached] == [POLICY_ARN]
    iam.check("ListAttachedRolePolicies", is_right, f"{attached}")
    version = iam.call("get_policy", PolicyArn=POLICY_ARN)["Policy"]["DefaultVersionId"]
    iam.call("get_policy_version", PolicyArn=POLICY_ARN, VersionId=version)
    iam.call("list_role_policies", RoleName=NAME)
    iam.call("get_role_policy", RoleName=NAME, PolicyName=NAME)
    job = iam.call("generate_service_last_accessed_details", Arn=ROLE_ARN)["JobId"]
    read = [iam.call("get_service_last_accessed_details", JobId=job) for _ in range(3)]
    statuses = [details["JobStatus"] for details in read]
    is_right = statuses == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    iam.check("GetServiceLastAccessedDetails", is_right, f"{read}")
    # A role exists if EKS accepts it, so only policies are absent.
    iam.call("get_policy", "NoSuchEntity", PolicyArn=f"{POLICY_ARN}-2")
    iam.call("get_role_policy", "NoSuchEntity", RoleName=NAME, PolicyName="absent")


def access_checks(access_analyzer):
    policy = {"Version": "2012-10-17", "Statement": []}
    check = {"policyType": "IDENTITY_POLICY", "existingPolicyDocument": json.dumps(policy)}
    results = []
    for new in (policy, {**policy, "Id": "new"}):
        checked = access_analyzer.call("check_no_new_access", newPolicyDocument=json.dumps(new), **check)
        results.append(checked["result"])
    access_analyzer.check("CheckNoNewAccess", results == ["PASS", "FAIL"], f"{results}")
    invalid = {**check, "newPolicyDocument": "["}
    access_analyzer.call("check_no_new_access", "InvalidParameterException", **invalid)


STEPS = {
    "sts": identity,
    "cloudformation": stacks,
    "sqs": queues,
    "cloudwatch": alarms,
    "sns": topics,
    "cloudtrail": trails,
    "lambda": functions,
    "events": rules,
    "iam": roles,
    "accessanalyzer": access_checks,
}
