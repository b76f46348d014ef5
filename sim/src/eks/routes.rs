//! From method, path and query to an EKS operation with its names decoded.

use super::errors::EksError;
use percent_encoding::percent_decode_str;

/// EKS lists at most 100 entries a page, and 100 where the caller does not say.
const PAGE_LEN_MAX: usize = 100;

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
    /// Splits before decoding, so that an encoded slash stays part of a name.
    pub(crate) fn parse(method: &str, path: &str) -> Self {
        let segments: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let name = |name: &str| name.to_owned();
        match (method, segments.as_slice()) {
            ("GET", ["clusters"]) => Self::ListClusters,
            ("POST", ["clusters"]) => Self::CreateCluster,
            ("GET", ["clusters", cluster]) => Self::DescribeCluster { cluster: name(cluster) },
            ("DELETE", ["clusters", cluster]) => Self::DeleteCluster { cluster: name(cluster) },
            ("GET", ["clusters", cluster, "pod-identity-associations"]) => {
                Self::ListAssociations { cluster: name(cluster) }
            }
            ("POST", ["clusters", cluster, "pod-identity-associations"]) => {
                Self::CreateAssociation { cluster: name(cluster) }
            }
            ("GET", ["clusters", cluster, "pod-identity-associations", id]) => {
                Self::DescribeAssociation { cluster: name(cluster), id: name(id) }
            }
            ("POST", ["clusters", cluster, "pod-identity-associations", id]) => {
                Self::UpdateAssociation { cluster: name(cluster), id: name(id) }
            }
            ("DELETE", ["clusters", cluster, "pod-identity-associations", id]) => {
                Self::DeleteAssociation { cluster: name(cluster), id: name(id) }
            }
            _ => Self::Unknown { method: name(method), path: name(path) },
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

    /// Whether the operation is there to change something, as opposed to reading it.
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

    /// The cluster in the path; `CreateCluster` has its name in the body, `ListClusters` has none.
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

    /// `<cluster>/<associationId>`, the cluster, or nothing.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::DescribeAssociation { cluster, id }
            | Self::UpdateAssociation { cluster, id }
            | Self::DeleteAssociation { cluster, id } => format!("{cluster}/{id}"),
            Self::Unknown { path, .. } => path.clone(),
            other => other.cluster().unwrap_or_default().to_owned(),
        }
    }
}

/// The query of a list operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        // A plus sign is a space in a query, as forms write it; AWS signs spaces as %20, and a plus as %2B.
        let text = |text: &str| decoded(&text.replace('+', " "));
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (text(name), text(value))
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How many entries the caller wants on a page.
    pub(crate) fn page_len(&self) -> Result<usize, EksError> {
        let Some(asked) = self.get("maxResults") else { return Ok(PAGE_LEN_MAX) };
        match asked.parse() {
            Ok(len) if (1..=PAGE_LEN_MAX).contains(&len) => Ok(len),
            _ => Err(EksError::invalid_parameter(format!("maxResults must be between 1 and 100, not {asked}"))),
        }
    }

    /// The key after which the page starts. Tokens are opaque to clients: the last key of the page before, in hex.
    pub(crate) fn start_after(&self) -> Result<Option<String>, EksError> {
        let Some(token) = self.get("nextToken") else { return Ok(None) };
        let bytes: Option<Vec<u8>> = if token.is_ascii() && token.len().is_multiple_of(2) {
            (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok()).collect()
        } else {
            None
        };
        match bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|key| !key.is_empty()) {
            Some(key) => Ok(Some(key)),
            None => Err(EksError::invalid_parameter("nextToken is not one that this API gave out")),
        }
    }
}

/// The token for the page after the one that ends with `key`.
pub(crate) fn next_token(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len() * 2), |token, byte| token + &format!("{byte:02x}"))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_operations_with_decoded_names() {
        let rows = [
            ("GET", "/clusters", "ListClusters", ""),
            ("POST", "/clusters", "CreateCluster", ""),
            ("GET", "/clusters/prod%20one", "DescribeCluster", "prod one"),
            ("DELETE", "/clusters/p", "DeleteCluster", "p"),
            ("GET", "/clusters/p/pod-identity-associations", "ListPodIdentityAssociations", "p"),
            ("POST", "/clusters/p/pod-identity-associations", "CreatePodIdentityAssociation", "p"),
            ("GET", "/clusters/p/pod-identity-associations/a-1", "DescribePodIdentityAssociation", "p/a-1"),
            ("POST", "/clusters/p/pod-identity-associations/a%2F1", "UpdatePodIdentityAssociation", "p/a/1"),
            ("DELETE", "/clusters/p/pod-identity-associations/a-1", "DeletePodIdentityAssociation", "p/a-1"),
            ("PUT", "/clusters/p", "Unknown", "/clusters/p"),
        ];
        for (method, path, operation, subject) in rows {
            let route = Route::parse(method, path);
            assert_eq!((route.operation(), route.subject().as_str()), (operation, subject), "{method} {path}");
        }
    }

    #[test]
    fn page_lengths_and_tokens_are_checked() {
        let rows = [("", Some(100)), ("maxResults=1", Some(1)), ("maxResults=101", None), ("maxResults=x", None)];
        for (query, len) in rows {
            assert_eq!(Query::parse(query).page_len().ok(), len, "{query}");
        }
        let token = next_token("arn:ä");
        assert_eq!(Query::parse(&format!("nextToken={token}")).start_after(), Ok(Some("arn:ä".to_owned())));
        for bad in ["nextToken=zz", "nextToken=abc", "nextToken=", "nextToken=%C3%A4"] {
            assert!(Query::parse(bad).start_after().is_err(), "{bad}");
        }
    }
}
