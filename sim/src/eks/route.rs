//! From a method and a path to an operation, with the names in the path decoded.

use percent_encoding::percent_decode_str;

/// An EKS operation and the resource it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    ListClusters,
    CreateCluster,
    DescribeCluster { cluster: String },
    DeleteCluster { cluster: String },
    ListAssociations { cluster: String },
    CreateAssociation { cluster: String },
    DescribeAssociation { cluster: String, id: String },
    UpdateAssociation { cluster: String, id: String },
    DeleteAssociation { cluster: String, id: String },
    Unknown { method: String, path: String },
}

impl Route {
    /// Splits the path before it decodes the names: an encoded slash is part of a name.
    pub(crate) fn parse(method: &str, path: &str) -> Self {
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let segments: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (method, segments.as_slice()) {
            ("GET", ["clusters"]) => Self::ListClusters,
            ("POST", ["clusters"]) => Self::CreateCluster,
            ("GET", ["clusters", cluster]) => Self::DescribeCluster {
                cluster: (*cluster).to_owned(),
            },
            ("DELETE", ["clusters", cluster]) => Self::DeleteCluster {
                cluster: (*cluster).to_owned(),
            },
            ("GET", ["clusters", cluster, "pod-identity-associations"]) => Self::ListAssociations {
                cluster: (*cluster).to_owned(),
            },
            ("POST", ["clusters", cluster, "pod-identity-associations"]) => {
                Self::CreateAssociation {
                    cluster: (*cluster).to_owned(),
                }
            }
            (_, ["clusters", cluster, "pod-identity-associations", id]) => {
                let (cluster, id) = ((*cluster).to_owned(), (*id).to_owned());
                match method {
                    "GET" => Self::DescribeAssociation { cluster, id },
                    "POST" => Self::UpdateAssociation { cluster, id },
                    "DELETE" => Self::DeleteAssociation { cluster, id },
                    _ => Self::unknown(method, path),
                }
            }
            _ => Self::unknown(method, path),
        }
    }

    /// The operation's name in the EKS API.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::ListClusters => "ListClusters",
            Self::CreateCluster => "CreateCluster",
            Self::DescribeCluster { .. } => "DescribeCluster",
            Self::DeleteCluster { .. } => "DeleteCluster",
            Self::ListAssociations { .. } => "ListPodIdentityAssociations",
            Self::CreateAssociation { .. } => "CreatePodIdentityAssociation",
            Self::DescribeAssociation { .. } => "DescribePodIdentityAssociation",
            Self::UpdateAssociation { .. } => "UpdatePodIdentityAssociation",
            Self::DeleteAssociation { .. } => "DeletePodIdentityAssociation",
            Self::Unknown { .. } => "Unknown",
        }
    }

    /// Whether the operation changes resources.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::CreateCluster
            | Self::DeleteCluster { .. }
            | Self::CreateAssociation { .. }
            | Self::UpdateAssociation { .. }
            | Self::DeleteAssociation { .. } => true,
            Self::ListClusters
            | Self::DescribeCluster { .. }
            | Self::ListAssociations { .. }
            | Self::DescribeAssociation { .. }
            | Self::Unknown { .. } => false,
        }
    }

    /// The cluster in the path. `CreateCluster` has it in the body; `ListClusters` has none.
    pub(crate) fn cluster(&self) -> Option<&str> {
        match self {
            Self::ListClusters | Self::CreateCluster | Self::Unknown { .. } => None,
            Self::DescribeCluster { cluster }
            | Self::DeleteCluster { cluster }
            | Self::ListAssociations { cluster }
            | Self::CreateAssociation { cluster }
            | Self::DescribeAssociation { cluster, .. }
            | Self::UpdateAssociation { cluster, .. }
            | Self::DeleteAssociation { cluster, .. } => Some(cluster),
        }
    }

    /// `<cluster>/<associationId>`, the cluster, or nothing; the path of an unknown operation.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::DescribeAssociation { cluster, id }
            | Self::UpdateAssociation { cluster, id }
            | Self::DeleteAssociation { cluster, id } => format!("{cluster}/{id}"),
            Self::Unknown { path, .. } => path.clone(),
            other => other.cluster().unwrap_or_default().to_owned(),
        }
    }

    fn unknown(method: &str, path: &str) -> Self {
        Self::Unknown {
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn paths_become_operations_with_decoded_names() {
        let rows = [
            ("GET /clusters", "ListClusters", ""),
            ("POST /clusters", "CreateCluster", ""),
            ("GET /clusters/prod%20one", "DescribeCluster", "prod one"),
            ("DELETE /clusters/p", "DeleteCluster", "p"),
            (
                "GET /clusters/p/pod-identity-associations",
                "ListPodIdentityAssociations",
                "p",
            ),
            (
                "POST /clusters/p/pod-identity-associations",
                "CreatePodIdentityAssociation",
                "p",
            ),
            (
                "GET /clusters/p/pod-identity-associations/a-1",
                "DescribePodIdentityAssociation",
                "p/a-1",
            ),
            (
                "POST /clusters/p/pod-identity-associations/a%2F1",
                "UpdatePodIdentityAssociation",
                "p/a/1",
            ),
            (
                "DELETE /clusters/p/pod-identity-associations/a-1",
                "DeletePodIdentityAssociation",
                "p/a-1",
            ),
            ("PUT /clusters/p", "Unknown", "/clusters/p"),
        ];
        for (request, operation, subject) in rows {
            let (method, path) = request.split_once(' ').expect("a method and a path");
            let route = Route::parse(method, path);
            assert_eq!(
                (route.operation(), route.subject().as_str()),
                (operation, subject),
                "{request}"
            );
        }
    }
}
