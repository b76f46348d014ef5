"""The associations that are indexed and rotated, in the EKS of MiniStack.

The clusters are in two regions. Most associations use the role that is rotated. After the index is
built, one association in each region moves to a third role, and one is deleted, without an event.
"""

import json
from datetime import timezone

from expect import eventually
from stack import ACCOUNT, OTHER_REGION, REGION

ROLE_2025, ROLE_2026, ROLE_2027 = (
    f"arn:aws:iam::{ACCOUNT}:role/platform/app-{year}" for year in (2025, 2026, 2027)
)
THIRD_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform/reports"
# One scenario each uses the associations of these roles.
DENIED_ROLE, DENIED_NEXT = (
    f"arn:aws:iam::{ACCOUNT}:role/platform/batch-{year}" for year in (2025, 2026)
)
CHAINED_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform/chained"
# Target roles, which may be in another account.
SHARED_2025, SHARED_2026 = (
    f"arn:aws:iam::999900001111:role/platform/shared-{year}" for year in (2025, 2026)
)
CLUSTERS = {REGION: "prod-virginia", OTHER_REGION: "prod-ireland"}
APPS = ("api", "cart", "checkout", "search", "stock", "web")
CLUSTER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/clusters"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "eks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Fleet:
    """All associations, by the role on which a rotation finds them."""

    def __init__(self, cloud):
        self.cloud = cloud
        # MiniStack requires the role of a cluster, but not the roles of associations.
        trust = json.dumps(TRUST)
        cloud.client("iam").create_role(RoleName="clusters", AssumeRolePolicyDocument=trust)
        for region, cluster in CLUSTERS.items():
            self.create_cluster(region, cluster)
        create = self.create
        chained = create(REGION, "chained", CHAINED_ROLE, targetRoleArn=SHARED_2025)
        self.by_role = {
            ROLE_2025: [create(region, name, ROLE_2025) for region in CLUSTERS for name in APPS],
            THIRD_ROLE: [create(region, "reports", ROLE_2025) for region in CLUSTERS],
            DENIED_ROLE: [create(REGION, "batch", DENIED_ROLE)],
            CHAINED_ROLE: [chained],
        }
        self.deleted = create(REGION, "deleted", ROLE_2025)

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
        """Creates an association, and returns it as EKS responds. So do `update` and `delete`."""
        names = {"clusterName": CLUSTERS[region], "namespace": "shop", "serviceAccount": name}
        eks = self.cloud.client("eks", region)
        return eks.create_pod_identity_association(**names, roleArn=role, **more)["association"]

    def create_many(self, namespace, role, count, index):
        """Creates associations in one namespace, in EKS and in the index."""
        create = self.cloud.client("eks", REGION).create_pod_identity_association
        names = {"clusterName": CLUSTERS[REGION], "namespace": namespace, "roleArn": role}
        accounts = (f"app-{number}" for number in range(count))
        created = [create(**names, serviceAccount=account)["association"] for account in accounts]
        with index.table.batch_writer() as batch:
            for association in created:
                batch.put_item(Item=item_of(association))
        return created

    def find(self, namespace, service_account):
        """The association of a workload of `create_many`, as EKS describes it now."""
        eks = self.cloud.client("eks", REGION)
        names = {"namespace": namespace, "serviceAccount": service_account}
        found = eks.list_pod_identity_associations(clusterName=CLUSTERS[REGION], **names)
        (listed,) = found["associations"]
        return eks.describe_pod_identity_association(**identifiers(listed))["association"]

    def update(self, association, **roles):
        update = self.eks_of(association).update_pod_identity_association
        return update(**identifiers(association), **roles)["association"]

    def delete(self, association):
        delete = self.eks_of(association).delete_pod_identity_association
        return delete(**identifiers(association))["association"]

    def change_without_events(self):
        """Changes that the index does not learn of."""
        for association in self.by_role[THIRD_ROLE]:
            self.update(association, roleArn=THIRD_ROLE)
        self.delete(self.deleted)

    def eks_of(self, association):
        return self.cloud.client("eks", region_of(association))

    def arns(self, role):
        """The ARNs of the associations that a rotation finds on this role."""
        return {association["associationArn"] for association in self.by_role[role]}

    def described(self):
        """All associations as EKS describes them now, by ARN."""
        found = {}
        for region, cluster in CLUSTERS.items():
            eks = self.cloud.client("eks", region)
            # The list fits on one page.
            for listed in eks.list_pod_identity_associations(clusterName=cluster)["associations"]:
                response = eks.describe_pod_identity_association(**identifiers(listed))
                association = response["association"]
                found[association["associationArn"]] = association
        return found

    def users(self, role):
        """The ARNs of the associations that EKS shows on this role."""
        return {
            arn for arn, association in self.described().items() if association["roleArn"] == role
        }

    def as_indexed(self):
        """The index items that the index must have if it matches EKS, by ARN."""
        return {arn: item_of(association) for arn, association in self.described().items()}


def item_of(association):
    """The index item of an association."""
    region = region_of(association)
    # Without the owner: MiniStack shows an empty owner if no add-on owns the association.
    copied = ("associationArn", "associationId", "clusterName", "namespace", "serviceAccount")
    copied += ("roleArn", "targetRoleArn")
    return {
        "clusterArn": f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{association['clusterName']}",
        "accountId": ACCOUNT,
        "region": region,
        "modifiedAt": rfc3339(association["modifiedAt"]),
        **{name: association[name] for name in copied if name in association},
    }


def region_of(association):
    return association["associationArn"].split(":")[3]


def identifiers(association):
    """The parameters that identify the association in a call to EKS."""
    return {name: association[name] for name in ("clusterName", "associationId")}


def rfc3339(time):
    """In UTC with milliseconds, as in both tables."""
    text = time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
