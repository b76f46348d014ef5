//! What CloudFormation gives the resources of a stack: names, ARNs, and what `Ref` and `GetAtt`
//! return.

use serde_json::Value;

use crate::template::rendered::{Rendered, StackIdentity};

/// CloudFormation draws it for each resource. Here all resources have the same.
const SUFFIX: &str = "1A2B3C";
/// When the stream of a table was enabled.
const STREAM_LABEL: &str = "2026-11-23T21:00:00.000";

impl Rendered {
    /// The name of a resource: the one that the template gives it, or one that is made from the
    /// names of the stack and of the resource.
    pub fn name(&self, resource: &str) -> String {
        match self.property(resource, "Name") {
            Some(Value::String(name)) => name,
            _ => format!("{}-{resource}-{SUFFIX}", self.stack().name),
        }
    }

    /// The ARN of a resource of the stack, or of a rule that SAM makes for an event of a function.
    ///
    /// # Panics
    /// If the form of the ARN of such a resource is not known here.
    pub fn arn(&self, resource: &str) -> String {
        let StackIdentity {
            account, region, ..
        } = self.stack();
        let resource_type = self.type_of(resource);
        // SAM names a rule after its function and event, so the template does not have it.
        let Some(resource_type) = resource_type else {
            let (stack, bus) = (&self.stack().name, self.bus_of_event(resource));
            let name = format!("{stack}-{resource}-{SUFFIX}");
            return format!("arn:aws:events:{region}:{account}:rule/{bus}{name}");
        };
        let name = self.name(resource);
        match resource_type {
            "AWS::IAM::Role" => {
                let path = self.property(resource, "Path");
                let path = path.as_ref().and_then(Value::as_str).unwrap_or("/");
                format!("arn:aws:iam::{account}:role{path}{name}")
            }
            "AWS::SQS::Queue" => format!("arn:aws:sqs:{region}:{account}:{name}"),
            "AWS::SNS::Topic" => format!("arn:aws:sns:{region}:{account}:{name}"),
            "AWS::DynamoDB::Table" => format!("arn:aws:dynamodb:{region}:{account}:table/{name}"),
            "AWS::Events::Rule" => format!("arn:aws:events:{region}:{account}:rule/{name}"),
            "AWS::Events::EventBus" => {
                format!("arn:aws:events:{region}:{account}:event-bus/{name}")
            }
            "AWS::Serverless::Function" => {
                format!("arn:aws:lambda:{region}:{account}:function:{name}")
            }
            "AWS::Serverless::StateMachine" => {
                format!("arn:aws:states:{region}:{account}:stateMachine:{name}")
            }
            "AWS::CloudWatch::Alarm" => {
                format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}")
            }
            "AWS::Logs::LogGroup" => format!("arn:aws:logs:{region}:{account}:log-group:{name}:*"),
            other => panic!("{resource} is a {other}, whose ARN has no known form"),
        }
    }

    /// The physical ID of a resource, which is what `Ref` returns.
    pub fn physical_id(&self, resource: &str) -> String {
        match self.type_of(resource) {
            Some("AWS::SQS::Queue") => self.queue_url(resource),
            Some("AWS::Serverless::StateMachine" | "AWS::SNS::Topic") => self.arn(resource),
            _ => self.name(resource),
        }
    }

    /// What `GetAtt` returns for `<resource>.<attribute>`.
    pub(super) fn attribute(&self, text: &str) -> String {
        match text.split_once('.') {
            Some((resource, "Arn")) => self.arn(resource),
            Some((resource, "StreamArn")) => {
                format!("{}/stream/{STREAM_LABEL}", self.arn(resource))
            }
            Some((resource, "QueueName")) => self.name(resource),
            _ => panic!("the template has the unknown attribute {text}"),
        }
    }

    /// The bus of a rule that SAM makes for an event of a function, with a slash; nothing for the
    /// default bus.
    fn bus_of_event(&self, rule: &str) -> String {
        let functions = self.of_type("AWS::Serverless::Function").into_iter();
        let mut buses = functions.filter_map(|function| {
            let event = rule.strip_prefix(function.as_str())?;
            let events = self.property(&function, "Events")?;
            let bus = events[event]["Properties"]["EventBusName"].as_str()?;
            Some(format!("{bus}/"))
        });
        buses.next().unwrap_or_default()
    }

    /// The URL of a queue.
    pub fn queue_url(&self, queue: &str) -> String {
        let StackIdentity {
            account, region, ..
        } = self.stack();
        let name = self.name(queue);
        format!("https://sqs.{region}.amazonaws.com/{account}/{name}")
    }
}
