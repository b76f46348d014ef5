"""A stack deployed with `sam deploy`, and clients for everything in it.

The clients only connect to loopback: proxies, profiles, and endpoints are first removed from the
environment.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

for name in list(os.environ):
    if name.startswith(("AWS_", "SAM_")) or name.lower().endswith("_proxy"):
        del os.environ[name]

# Imported only now, because botocore reads the environment while it is imported.
import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402

from expect import ExpectationFailed  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "111122223333"
REGION = "us-east-1"
OTHER_REGION = "eu-west-1"
DEPLOY_SECONDS = 120
OUTPUT_TAIL_LINES = 30


class Cloud:
    """The local AWS, with the permissions of its root user.

    `home` is the folder for files, and `tools` are the folders of `aws` and `sam`.
    """

    def __init__(self, url, home, tools):
        self.url, self.home = url, home
        self.environment = {
            "PATH": f"{':'.join(str(folder) for folder in tools)}:/usr/bin:/bin",
            "HOME": str(home),
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": REGION,
            # In MiniStack, an access key of twelve digits is the root user of that account.
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
        root = {"AccessKeyId": ACCOUNT, "SecretAccessKey": "test"}
        return self.client_of(root, service, region)

    def client_of(self, credentials, service, region=REGION):
        """A client with credentials in the form of STS."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(
                retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, proxies={}
            ),
        )

    def table(self, name):
        """A DynamoDB table whose items have Python values."""
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
        """Runs `sam`, and appends its output to the file sam.log."""
        # It runs in `home`, because it leaves files where it runs.
        config = ["--config-file", str(ROOT / "samconfig.toml")]
        command = ["sam", *words, *config, "--region", REGION]
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
            found = f"exit code {done.returncode}\n{tail}"
            raise ExpectationFailed(f"`sam {words[0]}` succeeds\n  found: {found}")


class Function:
    """A function of a stack, with its configuration."""

    def __init__(self, cloud, arn):
        self.arn, self.name = arn, arn.rpartition(":")[2]
        client = cloud.client("lambda")
        self.configuration = client.get_function_configuration(FunctionName=self.name)
        self.variables = self.configuration["Environment"]["Variables"]
        self.role_arn = self.configuration["Role"]
        self.role_name = self.role_arn.rpartition("/")[2]
        self.log_group = self.configuration["LoggingConfig"]["LogGroup"]


class Stack:
    """A deployed stack: its outputs, and the resources that they name."""

    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        (described,) = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        self.status = described["StackStatus"]
        self.outputs = {
            output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]
        }
        # The keys are also the names of the policies of their roles.
        self.functions = {
            "rotate": Function(cloud, self.outputs["RotateFunctionArn"]),
            "indexer": Function(cloud, self.outputs["IndexerFunctionArn"]),
            "publisher": Function(cloud, self.outputs["PublisherFunctionArn"]),
        }
        self.rotate, self.indexer, self.publisher = self.functions.values()

    def stream_arn(self):
        """The stream of the ledger."""
        table = {"TableName": self.outputs["RotationLedgerTableName"]}
        described = self.cloud.client("dynamodb").describe_table(**table)
        return described["Table"]["LatestStreamArn"]

    def rules(self):
        """Each EventBridge rule of this stack, with its targets, on both buses that it uses."""
        events = self.cloud.client("events")
        for name in ("default", self.outputs["RotationEventBusName"]):
            bus = {"EventBusName": name}
            for rule in events.list_rules(NamePrefix=f"{self.name}-", **bus)["Rules"]:
                targets = events.list_targets_by_rule(Rule=rule["Name"], **bus)["Targets"]
                yield {**rule, **bus, "Targets": targets}

    def rule_of(self, source):
        """The rule for events of this source."""
        (rule,) = (rule for rule in self.rules() if source in rule.get("EventPattern", ""))
        return rule

    def schedule_of(self, word):
        """The target of the schedule whose input has this word."""
        rules = (rule for rule in self.rules() if rule.get("ScheduleExpression"))
        targets = (target for rule in rules for target in rule["Targets"])
        (target,) = (target for target in targets if word in target["Input"])
        return target

    def queue(self, name):
        """All attributes of the queue with this logical ID."""
        request = {"QueueUrl": self.outputs[f"{name}Url"], "AttributeNames": ["All"]}
        return self.cloud.client("sqs").get_queue_attributes(**request)["Attributes"]

    def alarms(self):
        """This stack's alarms, by namespace, metric, and dimensions."""
        client = self.cloud.client("cloudwatch")
        alarms = client.describe_alarms(AlarmNamePrefix=f"{self.name}-")["MetricAlarms"]
        return {
            (alarm["Namespace"], alarm["MetricName"], dimensions(alarm)): alarm for alarm in alarms
        }


def dimensions(alarm):
    return tuple((dimension["Name"], dimension["Value"]) for dimension in alarm["Dimensions"])


def deploy(cloud, template, name=None, **parameters):
    """Deploys the built template. The default name is the one in samconfig.toml."""
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    named = ["--stack-name", name] if name else []
    fixed = ["--template-file", str(template), "--no-confirm-changeset", "--no-progressbar"]
    cloud.sam("deploy", *named, *fixed, "--parameter-overrides", *overrides)
    return Stack(cloud, name or "rerole")
