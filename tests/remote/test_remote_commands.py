"""What is sent to a host, and how it is quoted, without a host."""

import shlex
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import RemoteError
from giblet.remote import checks, commands
from giblet.remote.places import Host, Run, slug
from giblet.remote.record import Launch, arguments_file
from giblet.remote.runner import Answer, Runner
from giblet.remote.secrets import looks_secret
from tests.support.checkout import ROOT

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=30)


@given(st.lists(TEXT, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_shell_reads_back_exactly_what_was_meant(values):
    text = commands.assignment("values", tuple(values)) + "\n"
    text += "".join(commands.assignment(f"v{i}", v) + "\n" for i, v in enumerate(values))
    text += 'printf "%s\\0" "${values[@]}"\n' if values else ""
    text += "".join(f'printf "%s\\0" "$v{i}"\n' for i in range(len(values)))
    read = subprocess.run(["bash"], input=text.encode(), capture_output=True, check=True).stdout
    assert read.decode().split("\0")[:-1] == values * 2


@given(TEXT.filter(lambda t: t.isprintable() and t.strip()))
def test_names_become_plain_and_stay_apart(name):
    plain = slug(name)
    assert shlex.quote(plain) == plain
    assert not plain.startswith((".", "-"))
    assert (plain == name) == (slug(name) == name)
    assert slug(plain) == plain
    assert slug(name + " ") != plain
    assert not set(Run(Host("h"), name).session) & set(".: ")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0b"])
def test_names_that_do_not_print_are_refused(name):
    with pytest.raises(RemoteError, match="--name NAME"):
        slug(name)


@pytest.mark.parametrize("folder", ["", "/", "~", "~you/x", "-x", "a\nb"])
def test_folders_that_cannot_hold_runs_are_refused(folder):
    with pytest.raises(RemoteError, match="folder"):
        Host("h", folder)


def test_a_tilde_means_the_home_folder_there():
    assert Run(Host("h", "~/my runs/"), "a").folder == "my runs/runs/a"


def test_no_command_weakens_ssh(tmp_path):
    host = Host("me@h", "a b", "/my config")
    for command in (
        commands.script(host, "probe", python="", before="", environment="", rewrite=False),
        commands.send_tree(host, tmp_path, ["x"], "a b"),
        commands.send_data(host, tmp_path, ["x"], "a b"),
        commands.send_folder(host, tmp_path, "a b"),
        commands.fetch_record(host, "a b", tmp_path),
        commands.fetch_results(host, "a b", [], tmp_path),
    ):
        line = shlex.join(command.argv)
        assert "BatchMode=yes" in line
        assert "/my config" in line
        assert "HostKey" not in line


def test_rsync_understands_the_quotes_of_its_remote_shell(tmp_path):
    """rsync splits ``-e`` itself; a stand-in for ssh writes down what it was called with."""
    stand_in = tmp_path / "it's ssh"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/called"\nexit 255\n')
    stand_in.chmod(0o755)
    odd = """/a 'b' "c" d\\e"""
    option = commands.remote_shell(Host("h", ssh_config=odd))[1]
    assert option.startswith("ssh ")
    option = "'" + str(stand_in).replace("'", "''") + "'" + option.removeprefix("ssh")
    subprocess.run(["rsync", "-e", option, "h:x", str(tmp_path)], capture_output=True)
    called = (tmp_path / "called").read_text().splitlines()
    assert called[called.index("-F") + 1] == odd


@pytest.mark.parametrize(
    "path",
    [".env", "a/.env.local", "prod.env", ".ssh/config", "keys/id_ed25519", "cert.PEM", ".netrc",
     "secrets.yaml", "kaggle.json", "hf_token", "a/.aws/x", "my_credentials.json", "x.p12"],
)  # fmt: skip
def test_names_of_secrets(tmp_path, path):
    assert looks_secret(tmp_path, path)


@pytest.mark.parametrize(
    "path",
    [".env.example", "id_rsa.pub", "giblet/remote/secrets.py", "tokens.tsv", "data/keys.csv",
     "environment.yml", "passwords.md", "config/monkey.yaml"],
)  # fmt: skip
def test_names_that_only_sound_like_secrets(tmp_path, path):
    assert not looks_secret(tmp_path, path)


def test_private_keys_of_any_name(tmp_path):
    (tmp_path / "notes").write_text("-----BEGIN RSA PRIVATE KEY-----\nabc")
    (tmp_path / "public").write_text("-----BEGIN PUBLIC KEY-----\nabc")
    assert looks_secret(tmp_path, "notes")
    assert not looks_secret(tmp_path, "public")


def test_nothing_of_this_checkout_looks_like_a_secret():
    tracked = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    assert [f for f in tracked.stdout.split("\0") if f and looks_secret(ROOT, f)] == []


def test_gpus_and_nodes_become_resources():
    launch = Launch("train", ("a.yaml", "b.yaml"), 4, 2, "auto", ("--keep-going",))
    assert launch.on_machine() == shlex.split(
        "train --cores all --resources gpu=4 --set-resources train_network:gpu=4 "
        "--set-threads train_network=8 --configfile a.yaml b.yaml --keep-going"
    )
    assert launch.on_slurm() == shlex.split(
        "train --profile profiles/slurm --configfile a.yaml b.yaml --keep-going"
    )
    told = arguments_file(launch).splitlines()
    # Several machines are Slurm's business even where nobody said so.
    assert {"scheduler=slurm", "gpus=4", "nodes=2"} <= set(told)
    told = arguments_file(Launch()).splitlines()
    assert {"scheduler=auto", "gpus=", "nodes=", "on_machine=(train --cores all)"} <= set(told)


@pytest.mark.parametrize(
    ("launch", "told"),
    [
        ({"gpus": 0}, "--gpus 0: at least 1"),
        ({"nodes": -1}, "--nodes -1: at least 1"),
        ({"nodes": 2, "scheduler": "none"}, "--nodes 2 with --no-slurm"),
    ],
)
def test_launches_that_contradict_themselves_are_refused(launch, told):
    with pytest.raises(RemoteError, match=told):
        Launch(**launch)


def answer(*lines):
    found = Answer()
    for line in lines:
        found.add(line)
    return found


def test_checks_say_what_is_missing_and_how_to_get_it():
    bare = answer("@machine m", "@free_kb 3000000", "@gpus", "@done")
    found = {check.text.split(":")[0].split(" ")[0]: check for check in checks.checks(bare, None)}
    assert {name for name, check in found.items() if check.state == checks.MISSING} == {
        "python", "make", "rsync", "tmux", "disk",
    }  # fmt: skip
    assert "none was found" in found["python"].text
    assert "3.0 GB free, at least 10 GB" in found["disk"].text
    full = answer(
        "@rsync /r", "@make /m", "@tmux /t", "@sbatch /s", "@python /p", "@python_version 3.11.2",
        "@free_kb 90000000", "@gpus", " NVIDIA X, 81559 MiB", " NVIDIA X, 81559 MiB", "@done",
    )  # fmt: skip
    lines = [str(check) for check in checks.checks(full, None)]
    assert not any(checks.MISSING in line for line in lines)
    assert any("2 × NVIDIA X, 81559 MiB" in line for line in lines)
    old = checks.checks(answer("@environment 3.10.1", "@free_kb 9000000"), "/envs/g")
    assert "/envs/g: Python 3.10.1, giblet needs 3.11 or newer" in old[0].text


@pytest.mark.parametrize(
    ("errors", "status", "told"),
    [
        (
            "bash: line 1: rsync: command not found\nrsync error: remote command not found",
            127,
            "rsync",
        ),
        ("rsync: [receiver] write failed: No space left on device (28)", 11, "is full"),
        ("mkdir: cannot create directory: Disk quota exceeded", 1, "is full"),
        ("kex_exchange_identification: Connection closed by remote host", 255, "cannot be reached"),
        ("Connection to 10.0.0.1 closed by remote host.", 255, "the connection was lost"),
        ("Timeout, server 10.0.0.1 not responding.", 255, "the connection was lost"),
        ("client_loop: send disconnect: Broken pipe", 255, "the connection was lost"),
        (
            "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20)",
            20,
            "the connection was lost",
        ),
        ("something else", 9, "something else (exit status 9)"),
    ],
)
def test_troubles_are_told_in_words(errors, status, told):
    assert told in str(Runner(Host("h")).trouble(errors, status))


def test_this_environment_has_what_is_needed(monkeypatch):
    from giblet.remote import environment
    from tests.support.checkout import ROOT

    monkeypatch.chdir(ROOT)
    assert environment.main([]) == 0
    assert environment.unmet(["numpy>=999"])[0].startswith("numpy>=999 (installed is ")
    assert environment.unmet(["no-such-package"]) == ["no-such-package (missing)"]
    assert environment.other_than_locked("no-such-package==1.0") == [
        "no-such-package missing (tested: 1.0)"
    ]
    assert sys.version_info >= (3, 11)
