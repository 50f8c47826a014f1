"""How the dashboard is started."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dashboards.serve import APP, PortError, command
from simulator.reports.report import RunFolderError


def test_it_listens_to_this_machine_only_and_reports_to_nobody(tmp_path):
    words = command(tmp_path, None)
    assert words[:4] == [sys.executable, "-m", "dashboards", "run"]
    assert "--server.address=127.0.0.1" in words
    assert "--browser.gatherUsageStats=false" in words
    assert not any("port" in word for word in words[5:-1])


def test_runs_and_port_are_handed_on(tmp_path):
    words = command(tmp_path, 9000)
    assert "--server.port=9000" in words
    assert words[-2:] == ["--", str(tmp_path)]
    assert words[4] == str(APP)
    assert APP.is_file()


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(RunFolderError, match="nowhere: no such folder; give a run folder"):
        command(Path("nowhere"), None)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_that_cannot_be_is_refused(tmp_path, port):
    with pytest.raises(PortError, match=f"port {port} given, want 1 to 65535"):
        command(tmp_path, port)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_frees_its_port(tmp_path, number):
    port = free_port()
    words = [sys.executable, "-m", "simulator", "dashboard", str(tmp_path), "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not listening(port) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert listening(port)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert not listening(port)
    assert "Traceback" not in error
