"""The associations that are rotated: real ones in the local EKS, and what the index says of them.

Clusters are in two regions. Most associations use the role that is rotated away; one in each region uses a third role,
which the index does not know yet; and one is gone, which the index does not know either.
"""

import json
from datetime import timezone

from expect import eventually
from stack import ACCOUNT, OTHER_REGION, REGION

ROLE_2025, ROLE_2026, ROLE_2027 = (f"arn:aws:iam::{ACCOUNT}:role/platform/app-{year}" for year in (2025, 2026, 2027))
THIRD_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform/reports"
# Associations of these two are rotated by one scenario alone.
DENIED_ROLE, DENIED_NEXT = (f"arn:aws:iam::{ACCOUNT}:role/platform/batch-{year}" for year in (2025, 2026))
CLUSTERS = {REGION: "prod-virginia", OTHER_REGION: "prod-ireland"}
APPS = ("api", "cart", "checkout", "search", "stock", "web")
CLUSTER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/clusters"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Fleet:
    """All associations, by the role that they used at first."""

    def __init__(self, cloud, stack):
        self.cloud = cloud
        self.index = cloud.table(stack.outputs["AssociationIndexTableName"])
        # MiniStack asks for the role of a cluster, and for no role of an association.
        cloud.client("iam").create_role(RoleName="clusters", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.by_role = {ROLE_2025: [], THIRD_ROLE: [], DENIED_ROLE: []}
        for region, cluster in CLUSTERS.items():
            self.create_cluster(region, cluster)
            for name in APPS:
                self.associate(region, name, ROLE_2025, indexed=ROLE_2025)
            self.associate(region, "reports", THIRD_ROLE, indexed=ROLE_2025)
        self.associate(REGION, "batch", DENIED_ROLE, indexed=DENIED_ROLE)
        self.associate(REGION, "gone", ROLE_2025, indexed=ROLE_2025)
        self.gone = self.by_role[ROLE_2025].pop()
        cloud.client("eks").delete_pod_identity_association(**which(self.gone))

    def create_cluster(self, region, name):
        eks = self.cloud.client("eks", region)
        network = {"subnetIds": ["subnet-1", "subnet-2"]}
        eks.create_cluster(name=name, roleArn=CLUSTER_ROLE, resourcesVpcConfig=network)
        eventually(
            f"cluster {name} is active",
            lambda: eks.describe_cluster(name=name)["cluster"]["status"],
            lambda status: status == "ACTIVE",
        )

    def associate(self, region, name, role, indexed):
        eks, cluster = self.cloud.client("eks", region), CLUSTERS[region]
        names = {"clusterName": cluster, "namespace": "shop", "serviceAccount": name}
        association = eks.create_pod_identity_association(**names, roleArn=role)["association"]
        self.by_role[role].append(association)
        version = rfc3339(association["modifiedAt"])
        arns = {"clusterArn": f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{cluster}", "roleArn": indexed}
        ids = {key: association[key] for key in ("associationId", "associationArn")}
        where = {"accountId": ACCOUNT, "region": region}
        self.index.put_item(Item={**arns, **ids, **where, **names, "modifiedAt": version, "seenAt": version})

    def arns(self, role):
        """The associations that used this role at first."""
        return {association["associationArn"] for association in self.by_role[role]}

    def described(self):
        """What EKS says now, by association ARN."""
        found = {}
        for associations in self.by_role.values():
            for association in associations:
                eks = self.cloud.client("eks", association["associationArn"].split(":")[3])
                now = eks.describe_pod_identity_association(**which(association))["association"]
                found[now["associationArn"]] = now
        return found

    def users(self, role):
        """The associations that EKS shows on this role."""
        return {arn for arn, association in self.described().items() if association["roleArn"] == role}

    def indexed_users(self, role):
        """The associations that the index shows on this role."""
        return {item["associationArn"] for item in self.index.scan()["Items"] if item["roleArn"] == role}


def which(association):
    """The association, as EKS wants it named."""
    return {name: association[name] for name in ("clusterName", "associationId")}


def rfc3339(moment):
    """In UTC and with milliseconds, as in both tables."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
