"""The associations that are indexed and rotated: real ones in the local EKS.

Clusters are in two regions. Most associations use the role that is rotated away. Once the index is built, one in each
region is moved to a third role and one is deleted, which nobody tells the index.
"""

import json
from datetime import timezone

from expect import eventually
from stack import ACCOUNT, OTHER_REGION, REGION

ROLE_2025, ROLE_2026, ROLE_2027 = (f"arn:aws:iam::{ACCOUNT}:role/platform/app-{year}" for year in (2025, 2026, 2027))
THIRD_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform/reports"
# Associations of these are each used by one scenario alone.
DENIED_ROLE, DENIED_NEXT = (f"arn:aws:iam::{ACCOUNT}:role/platform/batch-{year}" for year in (2025, 2026))
CHAINED_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform/chained"
# Target roles, which may be in another account.
SHARED_2025, SHARED_2026 = (f"arn:aws:iam::999900001111:role/platform/shared-{year}" for year in (2025, 2026))
CLUSTERS = {REGION: "prod-virginia", OTHER_REGION: "prod-ireland"}
APPS = ("api", "cart", "checkout", "search", "stock", "web")
CLUSTER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/clusters"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Fleet:
    """All associations, by the role on which a rotation finds them."""

    def __init__(self, cloud):
        self.cloud = cloud
        # MiniStack asks for the role of a cluster, and for no role of an association.
        cloud.client("iam").create_role(RoleName="clusters", AssumeRolePolicyDocument=json.dumps(TRUST))
        for region, cluster in CLUSTERS.items():
            self.create_cluster(region, cluster)
        create = self.create
        self.by_role = {
            ROLE_2025: [create(region, name, ROLE_2025) for region in CLUSTERS for name in APPS],
            THIRD_ROLE: [create(region, "reports", ROLE_2025) for region in CLUSTERS],
            DENIED_ROLE: [create(REGION, "batch", DENIED_ROLE)],
            CHAINED_ROLE: [create(REGION, "chained", CHAINED_ROLE, targetRoleArn=SHARED_2025)],
        }
        self.gone = create(REGION, "gone", ROLE_2025)

    def create_cluster(self, region, name):
        eks = self.cloud.client("eks", region)
        network = {"subnetIds": ["subnet-1", "subnet-2"]}
        eks.create_cluster(name=name, roleArn=CLUSTER_ROLE, resourcesVpcConfig=network)
        eventually(
            f"cluster {name} is active",
            lambda: eks.describe_cluster(name=name)["cluster"]["status"],
            lambda status: status == "ACTIVE",
        )

    def create(self, region, name, role, **more):
        """The association as EKS answers, as it is for changes, too."""
        names = {"clusterName": CLUSTERS[region], "namespace": "shop", "serviceAccount": name}
        eks = self.cloud.client("eks", region)
        return eks.create_pod_identity_association(**names, roleArn=role, **more)["association"]

    def update(self, association, **roles):
        return self.eks_of(association).update_pod_identity_association(**which(association), **roles)["association"]

    def delete(self, association):
        return self.eks_of(association).delete_pod_identity_association(**which(association))["association"]

    def change_unnoticed(self):
        """Changes that nobody tells the index of."""
        for association in self.by_role[THIRD_ROLE]:
            self.update(association, roleArn=THIRD_ROLE)
        self.delete(self.gone)

    def eks_of(self, association):
        return self.cloud.client("eks", region_of(association))

    def arns(self, role):
        """The associations that a rotation finds on this role."""
        return {association["associationArn"] for association in self.by_role[role]}

    def described(self):
        """What EKS says now of all associations that it lists, by ARN."""
        found = {}
        for region, cluster in CLUSTERS.items():
            eks = self.cloud.client("eks", region)
            # They fit on one page.
            for listed in eks.list_pod_identity_associations(clusterName=cluster)["associations"]:
                association = eks.describe_pod_identity_association(**which(listed))["association"]
                found[association["associationArn"]] = association
        return found

    def users(self, role):
        """The associations that EKS shows on this role."""
        return {arn for arn, association in self.described().items() if association["roleArn"] == role}

    def as_indexed(self):
        """What the index has to hold of all that EKS shows, by ARN."""
        return {arn: item_of(association) for arn, association in self.described().items()}


def item_of(association):
    """The index's item of an association that is as EKS shows it."""
    region = region_of(association)
    # MiniStack shows an association that no add-on owns with an empty owner.
    kept = ("associationArn", "associationId", "clusterName", "namespace", "serviceAccount", "roleArn", "targetRoleArn")
    return {
        "clusterArn": f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{association['clusterName']}",
        "accountId": ACCOUNT,
        "region": region,
        "modifiedAt": rfc3339(association["modifiedAt"]),
        **{name: association[name] for name in kept if name in association},
    }


def region_of(association):
    return association["associationArn"].split(":")[3]


def which(association):
    """The association, as EKS wants it named."""
    return {name: association[name] for name in ("clusterName", "associationId")}


def rfc3339(moment):
    """In UTC and with milliseconds, as in both tables."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
