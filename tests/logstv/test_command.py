"""How any command ends, whatever happens to it: with its exit code and one sentence, never with a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cassandra import AuthenticationFailed, OperationTimedOut
from cassandra.cluster import NoHostAvailable
from support import lines

from store.session import unreachable
from store.settings import StoreSettings

LOGSTV = [sys.executable, "-m", "logstv"]


@pytest.fixture
def away(environment: dict[str, str], unused_port: int) -> dict[str, str]:
    """The environment of a command whose cluster is not there."""
    return environment | {"LOGSTV_CQL_PORT": str(unused_port)}


def is_one_sentence(said: str) -> bool:
    return said.startswith("logstv: ") and said.count("\n") == 1 and "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "more", "sentence"),
    [
        (("channels", "list"), {}, "no Cassandra answers at 127.0.0.1 port"),
        (("replay", "{folder}"), {}, "{folder} cannot be read: it is a folder"),
        (("workers",), {"LOGSTV_TLS": "true", "LOGSTV_TLS_CA": "{folder}/ca.pem"}, "needs readable PEM files"),
        (("node", "start"), {"LOGSTV_DATA_DIR": "{folder}/file"}, "cannot be written (Not a directory)"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(away, tmp_path, arguments, more, sentence):
    (tmp_path / "file").touch()
    filled = [word.replace("{folder}", str(tmp_path)) for word in arguments]
    settings = {name: value.replace("{folder}", str(tmp_path)) for name, value in more.items()}
    told = subprocess.run([*LOGSTV, *filled], env=away | settings, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert is_one_sentence(told.stderr), told.stderr
    assert sentence.replace("{folder}", str(tmp_path)) in told.stderr


def test_a_mistyped_keyspace_is_named_and_not_made(logstv, cluster_settings):
    keyspace = f"typo_{time.time_ns()}"
    for arguments in (("workers",), ("channels", "add", "demo")):
        told = logstv(*arguments, LOGSTV_KEYSPACE=keyspace)
        assert told.returncode == 1
        assert is_one_sentence(told.stderr)
        assert f"name their keyspace with LOGSTV_KEYSPACE (keyspace {keyspace} does not exist)" in told.stderr


def test_output_that_nobody_takes_ends_the_command_quietly(away):
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run([*LOGSTV, "--help"], env=away, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (told.returncode, told.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_output_that_cannot_be_written_is_a_sentence(away):
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [*LOGSTV, "status"], env=away, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (told.returncode, told.stderr) == (1, "logstv: no space left on device: make room\n")


def _interrupted(command: subprocess.Popen[str]) -> tuple[int, str]:
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    return command.returncode, said


def test_a_command_that_waits_for_cassandra_ends_with_ctrl_c(away):
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = away | {"LOGSTV_CQL_PORT": str(server.getsockname()[1])}
        command = subprocess.Popen([*LOGSTV, "channels", "list"], env=where, stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()  # it has begun to connect, and is not answered
        with connection:
            assert _interrupted(command) == (130, "")


def test_a_replay_that_ctrl_c_ends_says_how_far_it_came_and_that_it_is_not_done(store, environment, tmp_path):
    path = tmp_path / "chat.irc"
    path.write_text(
        "\n".join(lines.privmsg(f"line {n}", number=n, sent_ms=time.time_ns() // 10**6) for n in range(500))
    )
    command = subprocess.Popen([*LOGSTV, "replay", "--rate", "5", str(path)], env=environment,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    settings = store.session.settings
    query = f"SELECT login FROM {settings.keyspace}.channel_messages LIMIT 1"
    deadline = time.monotonic() + 60
    while not store.session.driver_session.execute(query).all():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    code, said = _interrupted(command)
    assert code == 130
    assert "lines written." in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (AuthenticationFailed('Failed: Error from server: code=0100 message="password are incorrect"'),
         "refuses the login (password are incorrect): see LOGSTV_USERNAME and LOGSTV_PASSWORD"),
        (OperationTimedOut("Timed out creating connection (5 seconds)"),
         "no Cassandra answers at 10.0.0.1 port 9042: Timed out creating connection (5 seconds)"),
    ],
)  # fmt: skip
def test_why_a_cluster_does_not_let_us_in_is_said(reason, sentence):
    error = NoHostAvailable("unable to connect", {"10.0.0.1": reason})
    assert str(unreachable(StoreSettings(contact_points=("10.0.0.1",), cql_port=9042), error)).endswith(sentence)


_COMPLETE = """
eval "$(logstv completion bash)"
COMP_WORDS=(logstv channels ''); COMP_CWORD=2
_logstv_completion logstv
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands(away, tmp_path):
    program = tmp_path / "logstv"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m logstv "$@"\n')
    program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    told = subprocess.run(["bash", "-c", _COMPLETE], env=away | path, capture_output=True, text=True, check=False)
    assert told.stdout.split() == ["add", "remove", "list"], told.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_of_their_own(away, shell):
    told = subprocess.run([*LOGSTV, "completion", shell], env=away, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"complete_{shell}" in told.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=told.stdout, text=True, check=True)
