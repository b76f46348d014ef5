"""A stack deployed with `sam deploy`, and clients for everything in it.

Clients here talk to loopback only: what the environment says about proxies, profiles and endpoints is dropped first.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

for name in list(os.environ):
    if name.startswith(("AWS_", "SAM_")) or name.lower().endswith("_proxy"):
        del os.environ[name]

# After the environment is clean: botocore reads some of it while it is imported.
import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402

from expect import Unmet  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "111122223333"
REGION = "us-east-1"
OTHER_REGION = "eu-west-1"
DEPLOY_SECONDS = 120
OUTPUT_TAIL_LINES = 30


class Cloud:
    """The local AWS as somebody sees it who may do everything there, and where such a one keeps files."""

    def __init__(self, url, home, tools):
        self.url, self.home = url, home
        self.environment = {
            "PATH": f"{':'.join(str(folder) for folder in tools)}:/usr/bin:/bin",
            "HOME": str(home),
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": REGION,
            # MiniStack takes twelve digits for the root user of that account.
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        }

    @cache
    def client(self, service, region=REGION):
        return self.client_of({"AccessKeyId": ACCOUNT, "SecretAccessKey": "test"}, service, region)

    def client_of(self, credentials, service, region=REGION):
        """A client with credentials as STS writes them."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, proxies={}),
        )

    def table(self, name):
        """A DynamoDB table with plain values."""
        resource = boto3.resource(
            "dynamodb",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="test",
            config=Config(proxies={}),
        )
        return resource.Table(name)

    def sam(self, *words):
        """Runs `sam`; its output is kept beside MiniStack's."""
        # Where it runs it leaves files, and its own configuration is the project's.
        command = ["sam", *words, "--config-file", str(ROOT / "samconfig.toml"), "--region", REGION]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEPLOY_SECONDS,
            check=False,
        )
        with (self.home / "sam.log").open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}\n")
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-OUTPUT_TAIL_LINES:])
            raise Unmet(f"`sam {words[0]}` succeeds\n  found: exit code {done.returncode}\n{tail}")


class Function:
    """A function of a stack, and what its configuration leads to."""

    def __init__(self, cloud, arn):
        self.arn, self.name = arn, arn.rpartition(":")[2]
        self.configuration = cloud.client("lambda").get_function_configuration(FunctionName=self.name)
        self.variables = self.configuration["Environment"]["Variables"]
        self.role_arn = self.configuration["Role"]
        self.role_name = self.role_arn.rpartition("/")[2]
        self.log_group = self.configuration["LoggingConfig"]["LogGroup"]


class Stack:
    """What was deployed: by output, and what the outputs lead to."""

    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        described = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        self.status = described["StackStatus"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        # By the names that their policies have, too.
        self.functions = {
            "rotate": Function(cloud, self.outputs["RotateFunctionArn"]),
            "index": Function(cloud, self.outputs["IndexFunctionArn"]),
        }
        self.rotate, self.index = self.functions.values()

    def rules(self):
        """Each EventBridge rule of this stack, with its targets."""
        events = self.cloud.client("events")
        for rule in events.list_rules(NamePrefix=f"{self.name}-")["Rules"]:
            yield {**rule, "Targets": events.list_targets_by_rule(Rule=rule["Name"])["Targets"]}

    def rule_of(self, source):
        """The rule for events of this source."""
        (rule,) = (rule for rule in self.rules() if source in rule.get("EventPattern", ""))
        return rule

    def schedule_of(self, word):
        """The target of the schedule whose payload has this word."""
        targets = (target for rule in self.rules() if rule.get("ScheduleExpression") for target in rule["Targets"])
        (target,) = (target for target in targets if word in target["Input"])
        return target

    def queue(self, name):
        """All attributes of the queue that the output of this name leads to."""
        asked = {"QueueUrl": self.outputs[f"{name}Url"], "AttributeNames": ["All"]}
        return self.cloud.client("sqs").get_queue_attributes(**asked)["Attributes"]

    def alarms(self):
        """This stack's alarms, by what they watch."""
        alarms = self.cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{self.name}-")["MetricAlarms"]
        return {(alarm["Namespace"], alarm["MetricName"], dimensions(alarm)): alarm for alarm in alarms}


def dimensions(alarm):
    return tuple((dimension["Name"], dimension["Value"]) for dimension in alarm["Dimensions"])


def deploy(cloud, template, name=None, **parameters):
    """Deploys the built template; without a name under the one that samconfig.toml gives."""
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    named = ["--stack-name", name] if name else []
    fixed = ["--template-file", str(template), "--no-confirm-changeset", "--no-progressbar"]
    cloud.sam("deploy", *named, *fixed, "--parameter-overrides", *overrides)
    return Stack(cloud, name or "rerole")
