"""A host to log in to: sshd on the loopback address, with keys and a home of its own.

Nothing of the user's own ssh is read or written.
"""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from giblet.cli.main import main
from tests.support.checkout import ROOT, Checkout

TOOLS = ("sshd", "ssh", "ssh-keygen", "rsync", "tmux", "git", "bash")
WHERE = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"))
MISSING = [tool for tool in TOOLS if shutil.which(tool, path=WHERE) is None]

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
SetEnv HOME={home} TMUX_TMPDIR={folder}/tmux OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
ForceCommand cd "$HOME" && eval "$SSH_ORIGINAL_COMMAND"
"""
SSH = """\
Host loop
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
"""


def keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text()


class Loopback:
    """The running sshd and the ssh configuration that reaches it as ``loop``."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        for each in (self.home, folder / "tmux"):
            each.mkdir()
        # What a login prints must not be taken for an answer.
        (self.home / ".bash_profile").write_text("echo '@state Welcome to loop'; echo ' hello'\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.host_key = keygen(folder / "host_key")
        (folder / "authorized_keys").write_text(keygen(folder / "user_key"))
        self.config = self.configure(folder)

    def configure(self, folder, known=None):
        """An ssh configuration in a folder; `known`: its line of known host keys."""
        name = f"[127.0.0.1]:{self.port}"
        (folder / "known_hosts").write_text(f"{name} {known or self.host_key}")
        config = folder / "ssh_config"
        config.write_text(SSH.format(port=self.port, user=getpass.getuser(), folder=folder))
        return config

    def start(self):
        text = SSHD.format(port=self.port, folder=self.folder, home=self.home)
        (self.folder / "sshd_config").write_text(text)
        if os.getuid() == 0:  # sshd's own wish, which its service fulfils elsewhere
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        sshd = shutil.which("sshd", path=WHERE)
        self.process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(self.folder / "sshd_config")],
            stderr=(self.folder / "sshd.log").open("w"),
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "sshd.log").read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def tmux(self, *arguments):
        environment = {**os.environ, "TMUX_TMPDIR": str(self.folder / "tmux")}
        return subprocess.run(["tmux", *arguments], env=environment, capture_output=True, text=True)


class Laptop:
    """A checkout with a remote to push to, and ``giblet remote`` run in it."""

    def __init__(self, folder, host):
        self.host = host
        self.checkout = Checkout.make(folder / "giblet")
        self.root = self.checkout.folder
        for part in ("Makefile", "requirements.lock", ".gitignore"):
            shutil.copy2(ROOT / part, self.root / part)
        shutil.copytree(ROOT / "tests" / "remote" / "quick", self.root / "quick")
        subprocess.run(["git", "init", "-q", "--bare", str(folder / "origin")], check=True)
        self.git("init", "-q", "-b", "work")
        self.git("remote", "add", "origin", str(folder / "origin"))
        self.commit()

    def git(self, *arguments):
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", "-C", str(self.root), *who, *arguments],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "as it is")
        self.git("push", "-q", "origin", "work")

    def remote(self, verb, *arguments, host="loop", config=None):
        """Exit status of ``giblet remote``."""
        config = str(config or self.host.config)
        before = Path.cwd()
        os.chdir(self.root)
        try:
            return main(["remote", verb, "--host", host, "--ssh-config", config, *arguments])
        finally:
            os.chdir(before)


def loopback(folder):
    """A running host for a fixture; skipped where a program is missing."""
    if MISSING:
        pytest.skip(
            f"not on this machine: {', '.join(MISSING)} (apt install openssh-server rsync tmux)"
        )
    host = Loopback(folder)
    host.start()
    yield host
    host.tmux("kill-server")
    host.stop()


def status_of(laptop, capsys, *arguments):
    """What ``giblet remote status --json`` says."""
    capsys.readouterr()
    laptop.remote("status", *arguments, "--json")
    return json.loads(capsys.readouterr().out)


def processes_of(loop, name):
    """Processes on the host that belong to the run."""
    mark = f"GIBLET_REMOTE_RUN={loop.home}/giblet/runs/{name}"
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (each / "environ").read_text(errors="replace").split("\0"):
                found.append(each.name)
        except OSError:
            continue
    return found
