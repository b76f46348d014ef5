"""What boto3 does with DynamoDB: tables, items, queries, batches and transactions."""

# The role that `rerole-sim --help` names as the old one, and how many of 200 associations use it.
FLEET_ROLE = "arn:aws:iam::111122223333:role/workloads/payments-2025"
FLEET_COUNT = 80
KEY = {"rotationId": {"S": "r"}, "entry": {"S": "rotation"}}
PUT = {"Put": {"TableName": "RotationLedger", "Item": KEY}}
GET = {"Get": {"TableName": "RotationLedger", "Key": KEY}}
TABLE = {
    "TableName": "Third",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
TTL = {
    "TableName": "Third",
    "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expiresAt"},
}
QUERY = {
    "TableName": "AssociationIndex",
    "IndexName": "ByRole",
    "KeyConditionExpression": "roleArn = :r",
    "ExpressionAttributeValues": {":r": {"S": FLEET_ROLE}},
}

# A method and its least parameters for each operation.
METHODS = {
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
    "BatchWriteItem": (
        "batch_write_item",
        {"RequestItems": {"RotationLedger": [{"PutRequest": {"Item": KEY}}]}},
    ),
    "TransactWriteItems": ("transact_write_items", {"TransactItems": [PUT]}),
    "TransactGetItems": ("transact_get_items", {"TransactItems": [GET]}),
    "UpdateTimeToLive": ("update_time_to_live", TTL),
    "DescribeTimeToLive": ("describe_time_to_live", {"TableName": "Third"}),
}


def tables(dynamodb):
    dynamodb.call("create_table", **TABLE)
    dynamodb.call("create_table", "ResourceInUseException", **TABLE)
    for name in ("Third", "AssociationIndex", "RotationLedger"):
        dynamodb.call("describe_table", TableName=name)
    dynamodb.call("describe_table", "ResourceNotFoundException", TableName="absent")
    names = dynamodb.call("list_tables")["TableNames"]
    dynamodb.check("ListTables", len(names) == 3, f"{names}")
    dynamodb.call("describe_time_to_live", TableName="Third")
    dynamodb.call("update_time_to_live", **TTL)
    absent = {**TTL, "TableName": "absent"}
    dynamodb.call("update_time_to_live", "ResourceNotFoundException", **absent)


def items(dynamodb):
    ledger = {"TableName": "RotationLedger"}
    all_types = {
        **KEY,
        "n": {"N": "1.5"},
        "yes": {"BOOL": True},
        "nothing": {"NULL": True},
        "list": {"L": [{"S": "x"}, {"M": {"k": {"N": "1"}}}]},
        "set": {"SS": ["a", "b"]},
        "bytes": {"B": b"\x00\x01"},
    }
    dynamodb.call("put_item", **ledger, Item=all_types, ReturnConsumedCapacity="TOTAL")
    got = dynamodb.call("get_item", **ledger, Key=KEY, ConsistentRead=True)["Item"]
    dynamodb.check("GetItem", got == all_types, f"{got} instead of {all_types}")
    failed = "ConditionalCheckFailedException"
    absent = {"ConditionExpression": "attribute_not_exists(rotationId)"}
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    dynamodb.call("put_item", failed, **ledger, Item=KEY, **absent, **shown)
    dynamodb.call("put_item", "ValidationException", **ledger, Item={"entry": {"S": "x"}})
    dynamodb.call("delete_item", failed, **ledger, Key=KEY, **absent)
    dynamodb.call("update_item", failed, **ledger, Key=KEY, UpdateExpression="REMOVE n", **absent)
    change = {
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"N": "2"}},
        "ReturnValues": "ALL_NEW",
    }
    dynamodb.call("update_item", **ledger, Key=KEY, **change)
    dynamodb.call("scan", **ledger)
    index = {"TableName": "AssociationIndex", "Limit": 10, "ReturnConsumedCapacity": "INDEXES"}
    dynamodb.call("scan", **index)
    dynamodb.call("delete_item", **ledger, Key=KEY, ReturnValues="ALL_OLD")
    for method, more in (("get_item", {"Key": KEY}), ("scan", {}), ("query", QUERY)):
        dynamodb.call(method, "ResourceNotFoundException", **{**more, "TableName": "absent"})


def queries(dynamodb):
    """The items of the fleet's role, in pages."""
    start, count = {}, 0
    while True:
        page = dynamodb.call("query", **QUERY, Limit=30, **start)
        count += page["Count"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    is_right = count == FLEET_COUNT
    dynamodb.check("Query", is_right, f"{count} associations on the role instead of {FLEET_COUNT}")
    dynamodb.call("query", "ValidationException", **{**QUERY, "IndexName": "ByNothing"})


def key(number):
    return {"rotationId": {"S": "batch"}, "entry": {"S": str(number)}}


def batches(dynamodb):
    puts = [{"PutRequest": {"Item": key(number)}} for number in range(26)]
    write = "batch_write_item"
    dynamodb.call(write, RequestItems={"RotationLedger": puts[:25]})
    dynamodb.call(write, "ValidationException", RequestItems={"RotationLedger": puts})
    keys = {"Keys": [key(number) for number in range(25)]}
    got = dynamodb.call("batch_get_item", RequestItems={"RotationLedger": keys})
    count = len(got["Responses"]["RotationLedger"])
    dynamodb.check("BatchGetItem", count == 25, f"{count} of 25 items")
    dynamodb.call("batch_get_item", "ResourceNotFoundException", RequestItems={"absent": keys})


def transactions(dynamodb):
    ledger = {"TableName": "RotationLedger"}
    absent = {"ConditionExpression": "attribute_not_exists(rotationId)"}
    put = {"Put": {**ledger, "Item": key("t"), **absent}}
    other = {"Put": {**ledger, "Item": key("u")}}
    write = "transact_write_items"
    dynamodb.call(write, TransactItems=[put, other], ClientRequestToken="t-1")
    dynamodb.call(write, "TransactionCanceledException", TransactItems=[put, other])
    mismatch = "IdempotentParameterMismatchException"
    dynamodb.call(write, mismatch, TransactItems=[other], ClientRequestToken="t-1")
    get = {"Get": {**ledger, "Key": key("t")}}
    dynamodb.call("transact_get_items", TransactItems=[get, GET])


STEPS = (tables, items, queries, batches, transactions)
