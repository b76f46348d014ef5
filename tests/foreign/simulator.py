"""Runs `rerole-sim`, and calls it through boto3 and the AWS CLI. Every raw response is checked.

The clients talk to 127.0.0.1 only: proxies, certificates, profiles and endpoints from the
environment are removed first.
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

# After the environment is clean: botocore reads some of it on import.
import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from model_walk import from_xml, walk_error, walk_success  # noqa: E402

REGION = "eu-west-1"
CREDENTIALS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
# Errors of AWS that its models do not have: the throttle, IAM and the protocol layer in EKS, and
# validation in other services.
UNMODELLED = {
    "eks": {
        "TooManyRequestsException": 429,
        "AccessDeniedException": 403,
        "SerializationException": 400,
    },
    "dynamodb": {"ValidationException": 400, "SerializationException": 400},
    "cloudformation": {"ValidationError": 400},
}


class Simulator:
    """One process, which runs as long as the `with` block."""

    def __init__(self, binary, *flags):
        # The process ends by itself, even if this one is killed.
        self.command = [str(binary), "--seconds", "300", *flags]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().strip()
        prefix = "listening on "
        if not line.startswith(prefix + "http://127.0.0.1:"):
            self.__exit__()
            raise SystemExit(f"{self.command} printed {line!r} instead of where it listens")
        self.url = line[len(prefix):]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


class Report:
    """The responses, error codes and problems of each operation."""

    def __init__(self):
        self.responses = defaultdict(int)
        self.problems = defaultdict(list)
        self.codes = defaultdict(set)

    def add_response(self, service, operation, code, problems):
        self.responses[service, operation] += 1
        self.codes[service, operation].add(code)
        self.problems[service, operation] += problems

    def check(self, service, operation, is_right, problem):
        """A claim about behavior, beyond the form of one response."""
        if not is_right:
            self.problems[service, operation].append(problem)

    def print(self):
        """Prints a line for each operation; returns how many failed."""
        failed = 0
        for key in sorted(self.responses.keys() | self.problems.keys()):
            service, operation = key
            problems = self.problems[key]
            failed += bool(problems)
            status = "FAIL" if problems else "ok  "
            codes = ", ".join(sorted(self.codes[key] - {None})) or "no errors"
            print(f"{status} {service} {operation}: {self.responses[key]} responses; {codes}")
            for problem in dict.fromkeys(problems):
                print(f"       {problem}")
        print(f"{len(self.responses) - failed} passed, {failed} failed")
        return failed


class Client:
    """A boto3 client that checks each raw response before boto3 parses it."""

    def __init__(self, report, simulator, service, region=REGION, access_key=None):
        # Without parameter checks, errors are up to the service. Without retries, each response
        # counts once.
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1}, proxies={})
        key = access_key or CREDENTIALS["aws_access_key_id"]
        session = boto3.Session(region_name=region, **{**CREDENTIALS, "aws_access_key_id": key})
        self.client = session.client(service, endpoint_url=simulator.url, config=config)
        self.report, self.service, self.region = report, service, region
        self.raw = None
        events = self.client.meta.service_model.service_id.hyphenize()
        self.client.meta.events.register(f"before-parse.{events}", self.check_response)

    def check_response(self, operation_model, response_dict, **_):
        headers, status = response_dict["headers"], response_dict["status_code"]
        text = response_dict["body"]
        problems = []
        if not headers.get("x-amzn-requestid"):
            problems.append("no x-amzn-requestid")
        if self.service == "dynamodb" and headers.get("x-amz-crc32") != str(zlib.crc32(text)):
            problems.append(f"x-amz-crc32 {headers.get('x-amz-crc32')} is not that of the body")
        if headers["content-type"].startswith("text/xml"):
            code, body = from_xml(operation_model, text)
        elif operation_model.name == "Invoke" and status < 300 or not text:
            # The body is the payload of a function, or there is none.
            code, body = None, {}
        else:
            body = json.loads(text)
            code = headers.get("x-amzn-errortype")
            code = code or body.pop("__type", "").rpartition("#")[2] or None
        self.raw = body
        if status < 300:
            # Of a function's invocation, the steps check the status.
            shown = 200 if operation_model.name == "Invoke" else status
            problems += walk_success(operation_model, body, shown)
        else:
            unmodelled = UNMODELLED.get(self.service, {})
            problems += walk_error(operation_model, code, body, status, unmodelled)
        self.report.add_response(self.service, operation_model.name, code, problems)
        self.last = operation_model.name

    def call(self, method, error=None, text="", **parameters):
        """Calls a method. It must succeed, or fail with this code and this text in its message."""
        self.last = method
        try:
            result, code, message = getattr(self.client, method)(**parameters), None, ""
        except ClientError as failure:
            details = failure.response["Error"]
            result, code, message = None, details["Code"], details.get("Message", "")
        is_right = code == error and text in message
        problem = f"{code} {message!r} instead of {error or 'success'} {text!r} to {parameters}"
        self.check(self.last, is_right, problem)
        return result

    def check(self, operation, is_right, problem):
        self.report.check(self.service, operation, is_right, problem)

    def pages(self, method, member, **parameters):
        """Follows nextToken; returns the length of each page, and all entries."""
        lens, entries, token = [], [], {}
        while True:
            page = self.call(method, **parameters, **token)
            lens.append(len(page[member]))
            entries += page[member]
            if "nextToken" not in page:
                return lens, entries
            token = {"nextToken": page["nextToken"]}


def binary_path(argument):
    """The binary to run: the given one, or the one that cargo builds."""
    root = Path(__file__).resolve().parents[2]
    path = Path(argument) if argument else root / "target" / "debug" / "rerole-sim"
    if not path.is_file():
        raise SystemExit(f"{path} does not exist; `cargo build -p rerole-sim` builds it")
    return path


def aws_cli():
    """The AWS CLI of this virtual environment; none if it has none."""
    folder = Path(sys.executable).parent
    beside = folder / "aws"
    return str(beside) if beside.is_file() else shutil.which("aws", path=str(folder))


def run_cli(command, simulator, *words):
    """Runs one CLI command; returns its parsed output, or its error text if it failed."""
    credentials = {name.upper(): value for name, value in CREDENTIALS.items()}
    flags = ["--endpoint-url", simulator.url, "--region", REGION, "--output", "json"]
    done = subprocess.run(
        [command, *flags, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **CLEAN, **credentials},
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        return done.stderr.strip()
    return json.loads(done.stdout) if done.stdout.strip() else {}
