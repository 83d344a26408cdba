"""What can go wrong on the way to a host, and what the user is told to type."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.ssh_host import keygen

pytestmark = pytest.mark.workflow


@pytest.fixture
def elsewhere(loop, tmp_path):
    """A folder with an ssh configuration of its own for the host, to break."""
    for name in ("user_key", "user_key.pub"):
        shutil.copy2(loop.folder / name, tmp_path)
    loop.configure(tmp_path)
    return tmp_path


def error_of(capsys, laptop, *arguments, **keywords):
    assert laptop.remote(*arguments, **keywords) == 1
    return capsys.readouterr().err


def test_a_key_that_the_host_does_not_know(laptop, elsewhere, capsys):
    for name in ("user_key", "user_key.pub"):
        (elsewhere / name).unlink()
    keygen(elsewhere / "user_key")
    error = error_of(capsys, laptop, "status", config=elsewhere / "ssh_config")
    assert error.startswith("giblet remote: loop: it refused your keys. `ssh loop` must work")
    assert "ssh-add" in error


def test_a_host_key_that_changed_is_never_accepted(laptop, loop, elsewhere, capsys):
    loop.configure(elsewhere, known=keygen(elsewhere / "another"))
    error = error_of(capsys, laptop, "status", config=elsewhere / "ssh_config")
    assert "its host key is not the one this machine knows" in error
    assert "ssh-keygen -R loop" in error


def test_a_host_never_seen_is_not_trusted_unasked(laptop, loop, elsewhere, capsys):
    (elsewhere / "known_hosts").write_text("")
    error = error_of(capsys, laptop, "status", config=elsewhere / "ssh_config")
    assert "its host key is not known here. Log in once by hand" in error
    assert (elsewhere / "known_hosts").read_text() == ""


def test_hosts_that_are_not_there(laptop, loop, elsewhere, capsys):
    config = elsewhere / "ssh_config"
    text = config.read_text()
    config.write_text(re.sub(r"Port \d+", "Port 9", text))
    assert "it cannot be reached" in error_of(capsys, laptop, "status", config=config)
    config.write_text(text.replace("127.0.0.1\n", "nowhere.invalid\n", 1))
    error = error_of(capsys, laptop, "status", config=config)
    assert "no machine of that name" in error
    assert "~/.ssh/config" in error
    config.write_text("Nonsense yes\n")
    assert "cannot read its configuration" in error_of(capsys, laptop, "status", config=config)


@pytest.mark.parametrize("host", ["-oProxyCommand=touch oops", "a b", "loop:", "$(id)", ""])
def test_host_names_that_mean_something_else_are_refused(laptop, host, capsys):
    assert laptop.remote("status", host=host) == 1 if not host.startswith("-") else True
    if not host.startswith("-"):
        assert "is no name for ssh and rsync" in capsys.readouterr().err
    else:
        from giblet.errors import RemoteError
        from giblet.remote.places import Host

        with pytest.raises(RemoteError, match="is no name for ssh and rsync"):
            Host(host)


def test_a_connection_that_breaks_off_in_fetch(laptop, loop, elsewhere, name, capsys):
    """The second attempt goes on with what had arrived."""
    results = loop.home / f"giblet/runs/{name}/code/results/quick/train"
    results.mkdir(parents=True)
    content = os.urandom(12_000_000)
    (results / "model.safetensors").write_bytes(content)
    relay = elsewhere / "relay.py"
    relay.write_text(RELAY.format(port=loop.port))
    config = elsewhere / "ssh_config"
    with config.open("a") as file:
        file.write(f"  ProxyCommand {sys.executable} {relay}\n")
    error = error_of(capsys, laptop, "fetch", "--name", name, config=config)
    assert "the connection was lost" in error
    assert "type the same command again" in error
    here = laptop.root / "remote/loop" / name / "results/quick/train"
    assert not (here / "model.safetensors").exists()
    assert (here / ".rsync-partial/model.safetensors").stat().st_size > 1_000_000
    assert laptop.remote("fetch", "--name", name) == 0
    assert (here / "model.safetensors").read_bytes() == content
    assert not (here / ".rsync-partial").exists()


# Passes on what ssh and sshd say to each other, and hangs up after 6 MB from the host.
RELAY = """
import os, socket, threading
server = socket.create_connection(("127.0.0.1", {port}))
def up():
    while data := os.read(0, 65536):
        server.sendall(data)
threading.Thread(target=up, daemon=True).start()
left = 6_000_000
while left > 0 and (data := server.recv(65536)):
    os.write(1, data)
    left -= len(data)
os._exit(0)
"""


def test_a_full_disk(laptop, loop, name, tmp_path, capsys):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        where = ("--folder", f"{small}/giblet", "--environment", sys.prefix)
        assert laptop.remote("setup", *where) == 1
        assert "disk: 0.0 GB free, at least 2 GB are needed" in capsys.readouterr().out
        # Full only after setup had looked.
        (small / "giblet/environment.sh").write_bytes(
            (loop.home / "giblet/environment.sh").read_bytes()
        )
        status = laptop.remote("train", "--folder", f"{small}/giblet", "--name", name, "--no-slurm")
        assert status == 1
        assert "its disk, or your quota on it, is full" in capsys.readouterr().err
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_python_that_is_too_old_stops_setup_before_anything_is_sent(
    laptop, loop, tmp_path, capsys
):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\ncase $2 in *print*) echo 3.9.2 ;; *) exit 1 ;; esac\n")
    old.chmod(0o755)
    assert laptop.remote("setup", "--python", str(old), "--folder", "other") == 1
    out, err = capsys.readouterr()
    assert "missing python 3.11 or newer with venv: the newest found is 3.9.2. Name one with" in out
    assert "1 of what giblet needs is missing" in err
    assert not (loop.home / "other/environment").exists()


def test_setup_finds_what_is_there_and_keeps_what_was_edited(laptop, loop, capsys):
    assert laptop.remote("setup") == 0
    out = capsys.readouterr().out
    for text in (
        "rsync: /",
        "disk: ",
        "tmux",
        f"environment: {sys.prefix}, as set up before",
        "torch",
    ):
        assert text in out, text
    note = loop.home / "giblet/environment.sh"
    before = note.read_text()
    note.write_text(before + "export EDITED=yes\n")
    assert laptop.remote("setup") == 0
    assert "EDITED" in note.read_text()
    note.write_text(before)


def test_an_environment_that_lacks_packages_is_refused(laptop, tmp_path, capsys):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True
    )
    where = ("--folder", "bare", "--environment", str(tmp_path / "bare"))
    assert laptop.remote("setup", *where) == 1
    out, err = capsys.readouterr()
    assert "lacks what giblet needs" in out
    assert "the environment lacks something" in err
    assert laptop.remote("setup", "--folder", "bare", "--environment", str(tmp_path / "none")) == 1
    assert "no bin/python runs there" in capsys.readouterr().out


def test_train_without_setup(laptop, name, capsys):
    error = error_of(capsys, laptop, "train", "--name", name, "--folder", "not-set-up")
    assert "is not set up in this folder: giblet remote setup --host loop" in error


def test_a_dry_run_prints_and_does_nothing(laptop, loop, name, tmp_path, capsys):
    """With a configuration that reaches nobody and programs that would leave a trace."""
    trace = tmp_path / "trace"
    for program in ("ssh", "rsync"):
        stand_in = tmp_path / program
        stand_in.write_text(f"#!/bin/sh\ntouch {trace}\n")
        stand_in.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}:{path}"
    try:
        for verb, *more in (
            ("setup", "--environment", "/envs/a b"),
            ("train", "--name", "it's; mine", "--gpus", "4", "--", "--config", "a=$b"),
            ("status", "--name", name),
            ("fetch", "--name", name),
            ("cancel", "--name", name),
        ):
            assert laptop.remote(verb, "--dry-run", *more) == 0
            out = capsys.readouterr().out
            assert "-o BatchMode=yes" in out
            assert "StrictHostKeyChecking" not in out
            # What is printed is what a shell would take.
            assert subprocess.run(["bash", "-n"], input=out, text=True).returncode == 0
    finally:
        os.environ["PATH"] = path
    assert not trace.exists()
    assert not (laptop.root / "remote/loop/its-mine").exists()


def test_the_printed_commands_do_the_same(laptop, loop, capsys):
    assert laptop.remote("status", "--dry-run") == 0
    printed = capsys.readouterr().out
    by_hand = subprocess.run(["bash"], input=printed, text=True, capture_output=True)
    assert by_hand.stdout.endswith("@done \n")
