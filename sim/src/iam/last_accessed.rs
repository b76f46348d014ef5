//! Which services a role has used: jobs that a caller starts and then reads until they are
//! completed.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::rfc3339_secs;
use crate::iam::wire::{no_such_entity, page};
use crate::protocol::{ApiError, ApiRequest};

/// A job is in progress for so many reads.
const READS_IN_PROGRESS: u32 = 2;

/// The jobs that were started, by their IDs.
#[derive(Default)]
pub(super) struct Jobs(BTreeMap<String, Job>);

struct Job {
    created_at: SystemTime,
    reads: u32,
    /// The entries of the result.
    services: Vec<Value>,
}

impl Jobs {
    pub(super) fn start(&mut self, created_at: SystemTime, id: &str, services: Vec<Value>) {
        let job = Job {
            created_at,
            reads: 0,
            services,
        };
        self.0.insert(id.to_owned(), job);
    }

    /// `GetServiceLastAccessedDetails`.
    pub(super) fn read(&mut self, request: &ApiRequest) -> Result<Value, ApiError> {
        let id = request.required("JobId")?;
        let job = self.0.get_mut(id);
        let job = job.ok_or_else(|| no_such_entity(format!("Job {id} does not exist.")))?;
        job.reads += 1;
        let is_completed = job.reads > READS_IN_PROGRESS;
        let created_at = rfc3339_secs(job.created_at);
        let services = if is_completed {
            job.services.clone()
        } else {
            Vec::new()
        };
        let mut body = page(request, "ServicesLastAccessed", services)?;
        body["JobStatus"] = json!(if is_completed {
            "COMPLETED"
        } else {
            "IN_PROGRESS"
        });
        body["JobType"] = json!("SERVICE_LEVEL");
        body["JobCompletionDate"] = json!(is_completed.then_some(&created_at));
        body["JobCreationDate"] = json!(created_at);
        Ok(body)
    }
}
