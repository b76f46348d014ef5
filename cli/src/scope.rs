//! The flags that choose associations, and what follows from them: the scope of a request, and the
//! part of EKS that a look covers.

use clap::Args;
use rerole_core::request::{
    ClusterGlob, Glob, NamespaceGlob, RegionGlob, Scope, ServiceAccountGlob,
};
use serde_json::{Map, Value, json};

use crate::invalid_flag::InvalidFlag;

/// Each flag takes names or globs, and may be repeated. An entry with `!` in front excludes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Scope")]
pub struct ScopeFlags {
    /// Only clusters with this name; `*` matches any characters, `!` in front excludes; repeatable
    #[arg(long = "cluster", value_name = "GLOB")]
    pub clusters: Vec<String>,
    /// Only namespaces with this name; as --cluster
    #[arg(long = "namespace", value_name = "GLOB")]
    pub namespaces: Vec<String>,
    /// Only service accounts with this name; as --cluster
    #[arg(long = "service-account", value_name = "GLOB")]
    pub service_accounts: Vec<String>,
    /// Only regions with this name; as --cluster
    #[arg(long = "region", value_name = "GLOB")]
    pub regions: Vec<String>,
}

impl ScopeFlags {
    /// Returns the scope.
    ///
    /// # Errors
    /// If a glob is invalid.
    pub fn scope(&self) -> Result<Scope, InvalidFlag> {
        Ok(Scope {
            cluster_names: globs("--cluster", &self.clusters, ClusterGlob::new)?,
            namespaces: globs("--namespace", &self.namespaces, NamespaceGlob::new)?,
            service_accounts: globs(
                "--service-account",
                &self.service_accounts,
                ServiceAccountGlob::new,
            )?,
            regions: globs("--region", &self.regions, RegionGlob::new)?,
        })
    }

    /// Returns the members of a request that are about the scope.
    pub fn members(&self) -> Map<String, Value> {
        let lists = [
            ("clusterNames", &self.clusters),
            ("namespaces", &self.namespaces),
            ("serviceAccounts", &self.service_accounts),
            ("regions", &self.regions),
        ];
        let given = lists.into_iter().filter(|(_, list)| !list.is_empty());
        given
            .map(|(name, list)| (name.to_owned(), json!(list)))
            .collect()
    }

    /// Returns the flags as they were typed, for commands to paste.
    pub fn text(&self) -> String {
        let lists = [
            ("--cluster", &self.clusters),
            ("--namespace", &self.namespaces),
            ("--service-account", &self.service_accounts),
            ("--region", &self.regions),
        ];
        let flags = lists.into_iter().flat_map(|(flag, list)| {
            // A shell must not interpret `*` and `!`.
            list.iter().map(move |glob| format!(" {flag} '{glob}'"))
        });
        flags.collect()
    }
}

/// Parses the values of a flag. Without any, there is no list.
///
/// # Errors
/// If one is invalid.
pub fn globs<const LEN_MAX: usize, const ALSO: char>(
    flag: &'static str,
    texts: &[String],
    parse: impl Fn(&str) -> Option<Glob<LEN_MAX, ALSO>>,
) -> Result<Option<Vec<Glob<LEN_MAX, ALSO>>>, InvalidFlag> {
    if texts.is_empty() {
        return Ok(None);
    }
    let glob = |text: &String| {
        let form = Glob::<LEN_MAX, ALSO>::form();
        parse(text).ok_or_else(|| InvalidFlag::new(flag, text, form))
    };
    texts
        .iter()
        .map(glob)
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}
