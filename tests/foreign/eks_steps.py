"""What boto3 does with EKS: clusters and Pod Identity associations, their errors and limits."""

import copy

ROLE = "arn:aws:iam::111122223333:role/old"
NEW_ROLE = "arn:aws:iam::111122223333:role/new"
MISSING_ROLE = "arn:aws:iam::111122223333:role/missing"
BAD_TRUST_ROLE = "arn:aws:iam::111122223333:role/distrusted"
OTHER_ACCOUNTS_ROLE = "arn:aws:iam::444455556666:role/new"
TARGET_ROLE = "arn:aws:iam::999900001111:role/target"
TOKEN = "a-token-of-forty-characters-0123456789-0"
VPC = {"subnetIds": ["subnet-1", "subnet-2"]}
CLUSTER = {"roleArn": ROLE, "resourcesVpcConfig": VPC}

# A method and its least parameters for each operation.
METHODS = {
    "ListClusters": ("list_clusters", {}),
    "DescribeCluster": ("describe_cluster", {"name": "c"}),
    "DeleteCluster": ("delete_cluster", {"name": "c"}),
    "CreateCluster": ("create_cluster", {"name": "c", **CLUSTER}),
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
    "DeletePodIdentityAssociation": (
        "delete_pod_identity_association",
        {"clusterName": "c", "associationId": "a-1"},
    ),
}


def clusters(eks):
    created = eks.call("create_cluster", name="prod", **CLUSTER, tags={"team": "a"})
    is_active = created["cluster"]["status"] == "ACTIVE"
    eks.check("CreateCluster", is_active, "the cluster is not ACTIVE")
    eks.call("create_cluster", "ResourceInUseException", name="prod", **CLUSTER)
    eks.call("create_cluster", "InvalidParameterException", name="-", **CLUSTER)
    eks.call("create_cluster", "InvalidParameterException", name="x", roleArn=ROLE)
    eks.call("describe_cluster", name="prod")
    eks.call("describe_cluster", "ResourceNotFoundException", name="absent")
    eks.call("list_clusters")
    for wrong in (0, 101):
        eks.call("list_clusters", "InvalidParameterException", maxResults=wrong)
    eks.call("list_clusters", "InvalidParameterException", nextToken="zz")


def cluster_limit_and_pages(eks):
    """In a region of its own: the hundred clusters that a region has at most, on three pages."""
    for number in range(100):
        eks.call("create_cluster", name=f"c-{number}", **CLUSTER)
    eks.call("create_cluster", "ResourceLimitExceededException", name="c-100", **CLUSTER)
    lens, names = eks.pages("list_clusters", "clusters", maxResults=40)
    is_right = lens == [40, 40, 20] and len(set(names)) == 100
    eks.check("ListClusters", is_right, f"pages of {lens}")
    deleted = eks.call("delete_cluster", name="c-0")
    is_deleting = deleted["cluster"]["status"] == "DELETING"
    eks.check("DeleteCluster", is_deleting, "the cluster is not DELETING")
    eks.call("delete_cluster", "ResourceNotFoundException", name="c-0")
    eks.call("describe_cluster", "ResourceNotFoundException", name="c-0")


def create(eks, account, error=None, text="", **more):
    parameters = {"clusterName": "prod", "namespace": "ns", "roleArn": ROLE, **more}
    method = "create_pod_identity_association"
    return eks.call(method, error, text, serviceAccount=account, **parameters)


def creation(eks):
    """Returns an association with all fields."""
    operation = "CreatePodIdentityAssociation"
    policy = {"disableSessionTags": True, "policy": "{}"}
    full = create(eks, "full", tags={"k": "v"}, targetRoleArn=TARGET_ROLE, **policy)["association"]
    eks.check(operation, full["externalId"], "no externalId for a target role")
    invalid = "InvalidParameterException"
    create(eks, "full", "ResourceInUseException", "already exists")
    create(eks, "x", "ResourceNotFoundException", clusterName="absent")
    create(eks, "x", invalid, "does not exist", roleArn=MISSING_ROLE)
    create(eks, "x", invalid, "Trust policy", roleArn=BAD_TRUST_ROLE)
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
    eks.check(operation, is_replayed, "the same token did not replay")
    create(eks, "other", invalid, clientRequestToken=TOKEN)
    return full


def updates(eks, association):
    """Returns the raw body of a Describe of the association."""
    subject = {"clusterName": "prod", "associationId": association["associationId"]}

    def update(error=None, text="", **more):
        return eks.call("update_pod_identity_association", error, text, **{**subject, **more})

    def check(is_right, problem):
        eks.check("UpdatePodIdentityAssociation", is_right, problem)

    updated = update(roleArn=NEW_ROLE, clientRequestToken=TOKEN)["association"]
    check(updated["roleArn"] == NEW_ROLE, "the role is not the new one")
    kept = ["targetRoleArn", "externalId", "policy", "disableSessionTags", "tags"]
    kept += ["createdAt", "associationArn"]
    is_kept = all(updated[name] == association[name] for name in kept)
    check(is_kept, "an omitted field changed")
    is_later = updated["modifiedAt"] >= association["modifiedAt"]
    check(is_later, "modifiedAt went backwards")
    again = update(roleArn=NEW_ROLE, clientRequestToken=TOKEN)["association"]
    check(again == updated, "the same token did not replay")
    refused_updates(update)
    cleared = update(targetRoleArn="")["association"]
    is_cleared = "targetRoleArn" not in cleared and "externalId" not in cleared
    check(is_cleared, "an empty target role does not remove it")
    described = eks.call("describe_pod_identity_association", **subject)["association"]
    check(described == cleared, "Describe and Update show different associations")
    raw = copy.deepcopy(eks.raw)
    absent = {"clusterName": "prod", "associationId": "a-x"}
    eks.call("describe_pod_identity_association", "ResourceNotFoundException", **absent)
    return raw


def refused_updates(update):
    invalid = "InvalidParameterException"
    update(invalid, roleArn=ROLE, clientRequestToken=TOKEN)
    update(invalid, roleArn=ROLE, clientRequestToken="short")
    update(invalid, "You must change at least one")
    update(invalid, "does not exist", roleArn=MISSING_ROLE)
    update(invalid, "Trust policy", roleArn=BAD_TRUST_ROLE)
    update(invalid, "same account", roleArn=OTHER_ACCOUNTS_ROLE)
    update("SerializationException", roleArn=7)
    update("ResourceNotFoundException", roleArn=ROLE, associationId="a-absent")


def lists_and_deletes(eks):
    for number in range(250):
        create(eks, f"sa-{number}", namespace=f"many {number % 2}")
    operation, method = "ListPodIdentityAssociations", "list_pod_identity_associations"
    rows = (({}, [100, 100, 53]), ({"namespace": "many 0"}, [100, 25]))
    for filters, expected in rows:
        lens, summaries = eks.pages(method, "associations", clusterName="prod", **filters)
        ids = {summary["associationId"] for summary in summaries}
        is_right = lens == expected and len(ids) == sum(expected)
        eks.check(operation, is_right, f"pages of {lens} with {filters}")
        has_role = any("roleArn" in summary for summary in summaries)
        eks.check(operation, not has_role, "a summary shows a role")
    eks.call(method, "ResourceNotFoundException", clusterName="absent")
    eks.call(method, "InvalidParameterException", clusterName="prod", maxResults=101)
    one = {"clusterName": "prod", "associationId": summaries[0]["associationId"]}
    eks.call("delete_pod_identity_association", **one)
    eks.call("delete_pod_identity_association", "ResourceNotFoundException", **one)
