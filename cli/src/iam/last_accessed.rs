//! When the services were last used that a role's policies allow, as IAM has tracked it. A job
//! of IAM finds it out, which takes seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_iam::types::{JobStatusType, ServiceLastAccessed};
use rerole::aws::call_error::call_error;
use rerole::aws::page::{Page, PageLimit};
use rerole_core::call::CallError;
use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;
use tokio::time::{Instant, sleep};

use crate::iam::client::{Action, Iam, all};
use crate::iam::{Reading, Unreadable};

/// The services of a role by their namespace, such as `s3`. `None` if IAM tracked the service, and
/// saw no use. A service that is absent was not tracked, so nothing is known of it.
pub type ServiceUse = BTreeMap<String, Option<Timestamp>>;

/// An operator waits for the answer, which usually comes within seconds.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(500);
/// A role may be allowed all services of AWS, some 400. IAM returns up to 100 on a page, and may
/// return fewer.
const PAGES: PageLimit = PageLimit {
    list: "the services of a role",
    pages_max: 100,
};

impl Iam {
    /// Reads when the services were last used that the role may use.
    pub async fn service_use(&self, role: &RoleArn) -> Reading<ServiceUse> {
        let action = Action("iam:GenerateServiceLastAccessedDetails");
        let generate = self.client.generate_service_last_accessed_details();
        let generated = generate.arn(role.as_str()).send().await;
        let generated = generated.map_err(|error| call_error(action.on(&role), &error));
        let generated = generated.map_err(|error| action.unreadable(&error))?;
        let job = generated.job_id;
        let job = job.ok_or_else(|| Unreadable::new("IAM returned no job of last use"))?;
        self.await_job(&job).await?;
        let action = Action("iam:GetServiceLastAccessedDetails");
        let services = all(PAGES, async |marker| self.services(&job, marker).await);
        let services = services.await.map_err(|error| action.unreadable(&error))?;
        let services = services.into_iter().map(|service| {
            let at = service.last_authenticated;
            let at = at
                .and_then(|at| at.to_millis().ok())
                .map(Timestamp::from_millis);
            (service.service_namespace, at)
        });
        Ok(services.collect())
    }

    async fn await_job(&self, job: &str) -> Reading<()> {
        let action = Action("iam:GetServiceLastAccessedDetails");
        let until = Instant::now() + PATIENCE;
        loop {
            let get = self.client.get_service_last_accessed_details().job_id(job);
            let got = get.send().await;
            let got = got.map_err(|error| call_error(action.on(&job), &error));
            let got = got.map_err(|error| action.unreadable(&error))?;
            match got.job_status {
                JobStatusType::Completed => return Ok(()),
                JobStatusType::Failed => {
                    let message = got.error.map(|it| it.message).unwrap_or_default();
                    return Err(Unreadable::new(format!("not readable: {message}")));
                }
                _ if Instant::now() >= until => {
                    let secs = PATIENCE.as_secs();
                    let why = format!("not readable: IAM has found out nothing in {secs} s");
                    return Err(Unreadable::new(why));
                }
                _ => sleep(POLL).await,
            }
        }
    }

    async fn services(
        &self,
        job: &str,
        marker: Option<String>,
    ) -> Result<Page<ServiceLastAccessed, String>, CallError> {
        let action = Action("iam:GetServiceLastAccessedDetails");
        let get = self.client.get_service_last_accessed_details().job_id(job);
        let got = get.set_marker(marker).send().await;
        let got = got.map_err(|error| call_error(action.on(&job), &error))?;
        Ok(Page {
            items: got.services_last_accessed,
            next: got.marker.filter(|_| got.is_truncated),
        })
    }
}
