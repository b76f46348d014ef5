"""Starts `rerole-sim`, gives out boto3 clients for it that look at every raw answer, and stops it again.

Clients here talk to 127.0.0.1 only: what the environment says about proxies, certificates, profiles and endpoints is
dropped first.
"""

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections import defaultdict
from pathlib import Path

for name in list(os.environ):
    if name.startswith("AWS_") or name.lower().endswith("_proxy"):
        del os.environ[name]
CLEAN = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_PAGER": "",
    "NO_PROXY": "127.0.0.1",
}
os.environ.update(CLEAN)

# After the environment is clean: botocore reads some of it while it is imported.
import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from model_walk import walk_error, walk_success  # noqa: E402

REGION = "eu-west-1"
# AWS sends these without modelling them: the throttle and the protocol layer in EKS, validation in DynamoDB.
UNMODELLED = {
    "eks": {"TooManyRequestsException": 429, "AccessDeniedException": 403, "SerializationException": 400},
    "dynamodb": {"ValidationException": 400, "SerializationException": 400},
    "stepfunctions": {},
}


class Simulator:
    """One process, for as long as the `with` block runs."""

    def __init__(self, binary, *arguments):
        # Its own bound on its life holds even when this process is killed.
        self.command = [str(binary), "--seconds", "300", *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().strip()
        prefix = "listening on "
        if not line.startswith(prefix + "http://127.0.0.1:"):
            self.__exit__()
            raise SystemExit(f"{self.command}: said {line!r} instead of where it listens")
        self.url = line[len(prefix):]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


class Report:
    """What was seen of each operation, and everything that was wrong with it."""

    def __init__(self):
        self.answers = defaultdict(int)
        self.problems = defaultdict(list)
        self.seen = defaultdict(set)

    def answer(self, service, operation, code, problems):
        self.answers[service, operation] += 1
        self.seen[service, operation].add(code)
        self.problems[service, operation] += problems

    def check(self, service, operation, is_right, what):
        """A claim about behaviour, beyond the form of one answer."""
        if not is_right:
            self.problems[service, operation].append(what)

    def print(self):
        """One line for each operation; returns how many failed."""
        failed = 0
        for key in sorted(self.answers.keys() | self.problems.keys()):
            problems = self.problems[key]
            failed += bool(problems)
            codes = ", ".join(sorted(self.seen[key] - {None}))
            print(f"{'FAIL' if problems else 'ok  '} {key[0]} {key[1]}: {self.answers[key]} answers; {codes or 'no errors'}")
            for problem in dict.fromkeys(problems):
                print(f"       {problem}")
        print(f"{len(self.answers) - failed} passed, {failed} failed")
        return failed


class Client:
    """A boto3 client that walks each raw answer before boto3 makes its own of it."""

    def __init__(self, report, simulator, service, region=REGION, access_key="AKIDEXAMPLE"):
        # No parameter checks: errors are the service's business. No retries: each answer counts once.
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1}, proxies={})
        session = boto3.Session(aws_access_key_id=access_key, aws_secret_access_key="secret", region_name=region)
        self.client = session.client(service, endpoint_url=simulator.url, config=config)
        self.report, self.service, self.region = report, service, region
        self.raw = None
        events = self.client.meta.service_model.service_id.hyphenize()
        self.client.meta.events.register(f"before-parse.{events}", self.look)

    def look(self, operation_model, response_dict, **_):
        headers, status = response_dict["headers"], response_dict["status_code"]
        text = response_dict["body"]
        self.raw = body = json.loads(text)
        problems = []
        if not headers.get("x-amzn-requestid"):
            problems.append("no x-amzn-requestid")
        if self.service == "dynamodb" and headers.get("x-amz-crc32") != str(zlib.crc32(text)):
            problems.append(f"x-amz-crc32 {headers.get('x-amz-crc32')} does not fit the body")
        if self.service == "eks":
            code = headers.get("x-amzn-errortype")
        else:
            code = body.pop("__type", "").rpartition("#")[2] or None
        if status < 300:
            problems += walk_success(operation_model, body, status)
        else:
            problems += walk_error(operation_model, code, body, status, UNMODELLED[self.service])
        self.report.answer(self.service, operation_model.name, code, problems)
        self.last = operation_model.name

    def call(self, method, error=None, says="", **parameters):
        """Calls; the answer must be a success, or have this error code and these words in its message."""
        self.last = method
        try:
            result, code, message = getattr(self.client, method)(**parameters), None, ""
        except ClientError as refused:
            answer = refused.response["Error"]
            result, code, message = None, answer["Code"], answer.get("Message", "")
        is_right = code == error and says in message
        wanted = f"{error or 'success'} {says!r}"
        self.report.check(self.service, self.last, is_right, f"{code} {message!r} instead of {wanted} to {parameters}")
        return result


def binary_path(argument):
    """The simulator to drive: as given, or where cargo leaves it."""
    root = Path(__file__).resolve().parents[2]
    path = Path(argument) if argument else root / "target" / "debug" / "rerole-sim"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; `cargo build -p rerole-sim` makes it")
    return path


def aws_cli():
    """The AWS CLI of this virtual environment, if it has one."""
    beside = Path(sys.executable).parent / "aws"
    return str(beside) if beside.is_file() else shutil.which("aws", path=str(Path(sys.executable).parent))


def run_cli(command, simulator, *words):
    """One CLI command; returns its parsed output, or its error text where it failed."""
    environment = dict(os.environ, **CLEAN, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
    arguments = [command, "--endpoint-url", simulator.url, "--region", REGION, "--output", "json", *words]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=120, check=False)
    if done.returncode != 0:
        return done.stderr.strip()
    return json.loads(done.stdout) if done.stdout.strip() else {}
