"""MiniStack, a local AWS: started on a free port of the loopback interface, and always stopped again.

It runs the function's binary itself, as a process of its own, so that this works on Linux only.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from expect import Unmet, eventually, holds

LOOPBACK = "127.0.0.1"
# A bound on its life that holds even where this process is killed.
LIFE_SECONDS = 600
STOP_SECONDS = 10
# The state of a listening socket in /proc/net/tcp.
LISTENING = "0A"


class MiniStack:
    """One process and its children, for as long as the `with` block runs. Everything it writes is below `home`."""

    def __init__(self, home):
        self.home = home
        self.log = home / "ministack.log"
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"

    def environment(self):
        """All of it: the function inherits it, so that a variable that the template forgets must not be in it."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "STATE_DIR": str(self.home / "state"),
            "S3_DATA_DIR": str(self.home / "s3"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            # Listeners that nobody here needs.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Policies are evaluated, and the function has its role's credentials.
            "AUTH": "true",
            "CLOUDTRAIL_RECORDING": "1",
            # Between a failed invocation and its retries, where Lambda takes one minute and two.
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            # Waits of state machines, and pauses between their tries, take a tenth of their time.
            "SFN_WAIT_SCALE": "0.1",
        }

    def __enter__(self):
        ministack = str(Path(sys.executable).with_name("ministack"))
        command = ["timeout", f"--kill-after={STOP_SECONDS}", str(LIFE_SECONDS), ministack]
        with self.log.open("wb") as log:
            # A session of its own is a process group of its own, which its children belong to.
            self.process = subprocess.Popen(
                command, env=self.environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            health = eventually("MiniStack is up", self.health)
            holds("MiniStack evaluates IAM policies", health.get("auth") == "enabled", health)
            self.check_loopback()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for what in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, what)
                self.process.wait(timeout=STOP_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def health(self):
        if self.process.poll() is not None:
            raise Unmet(f"MiniStack ended with {self.process.returncode}")
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def check_loopback(self):
        """Nothing of it may be reached from elsewhere."""
        listening = [address for pid in self.pids() for address in listening_addresses(pid)]
        is_local = listening and all(address.startswith("127.") for address in listening)
        holds(f"MiniStack and its children listen on {', '.join(sorted(set(listening)))} only", is_local, listening)

    def pids(self):
        """Those of its process group."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(entry.name)) == self.process.pid:
                    yield entry.name
            except ProcessLookupError:
                continue

    def log_lines(self):
        return self.log.read_text(errors="replace").splitlines()


def listening_addresses(pid):
    """Where a process listens, as address and port."""
    sockets = set(open_files(pid))
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            if state == LISTENING and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                yield f"{readable(address, family)}:{int(port, 16)}"


def open_files(pid):
    """What a process has open. It may end meanwhile, or close some of it."""
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            yield os.readlink(descriptor)
    except (FileNotFoundError, ProcessLookupError):
        return


def readable(hexadecimal, family):
    """The kernel writes addresses as 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(hexadecimal[at : at + 8]) for at in range(0, len(hexadecimal), 8)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return socket.inet_ntop(family, b"".join(words))
