//! Partitions and ARNs.

/// An account in a region. EKS keeps resources, and throttles calls, per account and region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
}

impl Scope<'_> {
    /// The ARN of the cluster with this name; with an empty name, the prefix of the ARNs of all
    /// clusters.
    pub(crate) fn cluster_arn(self, name: &str) -> String {
        self.eks_arn(&format!("cluster/{name}"))
    }

    /// The prefix of the ARNs of all associations of a cluster. An association's id completes it to
    /// an ARN.
    pub(crate) fn association_arn_prefix(self, cluster: &str) -> String {
        self.eks_arn(&format!("podidentityassociation/{cluster}/"))
    }

    /// The ARN of an add-on, `resource` being `<cluster>/<name>/<id>`.
    pub(crate) fn addon_arn(self, resource: &str) -> String {
        self.eks_arn(&format!("addon/{resource}"))
    }

    fn eks_arn(self, resource: &str) -> String {
        self.arn("eks", resource)
    }

    /// The ARN of a resource of this service.
    pub(crate) fn arn(self, service: &str, resource: &str) -> String {
        let Self { account, region } = self;
        let partition = partition(region);
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The partition of a region.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The domain of the endpoints of a region.
pub(crate) fn dns_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    }
}
