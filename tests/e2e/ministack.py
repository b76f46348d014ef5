"""Starts MiniStack, a local AWS emulator, on a free loopback port, and always stops it.

MiniStack runs the binary of a function as a process of its own, so this works only on Linux.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from expect import ExpectationFailed, eventually, holds

LOOPBACK = "127.0.0.1"
# How long MiniStack may run. This holds even if this process is killed. The scenarios take half of it
# on a slow machine; it only bounds a check that hangs.
LIFE_SECONDS = 1200
STOP_SECONDS = 10
# The state of a listening socket in /proc/net/tcp.
LISTENING = "0A"


class MiniStack:
    """MiniStack and its child processes, while the `with` block runs. Its files are in `home`."""

    def __init__(self, home):
        self.home = home
        self.log = home / "ministack.log"
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"

    def environment(self):
        """The complete environment.

        The functions inherit it, so it must not contain a variable that the template has to set.
        """
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "STATE_DIR": str(self.home / "state"),
            "S3_DATA_DIR": str(self.home / "s3"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            # Listeners that this check does not need.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Evaluate policies, and give the functions the credentials of their roles.
            "AUTH": "true",
            "CLOUDTRAIL_RECORDING": "1",
            # More than a run makes. The oldest would be dropped.
            "CLOUDTRAIL_MAX_EVENTS": "100000",
            # The pause before a retry of a failed invocation. In Lambda, it is one and two minutes.
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            # Waits and retry intervals of state machines take a tenth of their time.
            "SFN_WAIT_SCALE": "0.1",
        }

    def __enter__(self):
        ministack = str(Path(sys.executable).with_name("ministack"))
        command = ["timeout", f"--kill-after={STOP_SECONDS}", str(LIFE_SECONDS), ministack]
        with self.log.open("wb") as log:
            # A session of its own makes a process group of its own, which includes the children.
            self.process = subprocess.Popen(
                command,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            health = eventually("MiniStack is ready", self.health)
            holds("MiniStack evaluates IAM policies", health.get("auth") == "enabled", health)
            self.check_loopback()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(timeout=STOP_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def health(self):
        if self.process.poll() is not None:
            found = f"it ended with exit code {self.process.returncode}"
            raise ExpectationFailed(f"MiniStack keeps running\n  found: {found}")
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5) as response:
                return json.load(response)
        except OSError:
            return None

    def check_loopback(self):
        """No other machine may be able to reach MiniStack or a function."""
        found = sorted({address for pid in self.pids() for address in listening_addresses(pid)})
        is_local = found and all(address.startswith("127.") for address in found)
        holds(f"MiniStack and its children listen only on {', '.join(found)}", is_local, found)

    def pids(self):
        """The processes of its process group."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(entry.name)) == self.process.pid:
                    yield entry.name
            except ProcessLookupError:
                continue

    def log_lines(self):
        return self.log.read_text(errors="replace").splitlines()


def listening_addresses(pid):
    """The addresses and ports on which a process listens."""
    sockets = set(open_files(pid))
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            if state == LISTENING and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                yield f"{parse_address(address, family)}:{int(port, 16)}"


def open_files(pid):
    """The open files of a process. It may end meanwhile, or close some of them."""
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            yield os.readlink(descriptor)
    except (FileNotFoundError, ProcessLookupError):
        return


def parse_address(hexadecimal, family):
    """Parses an address of /proc/net: 32-bit words in the byte order of the machine."""
    words = [bytes.fromhex(hexadecimal[at : at + 8]) for at in range(0, len(hexadecimal), 8)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return socket.inet_ntop(family, b"".join(words))
