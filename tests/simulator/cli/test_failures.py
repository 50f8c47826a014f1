"""How commands end that do not finish: which line, which exit code."""

import os
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest

from simulator.cli import app
from simulator.cli.failures import Interruption

START = """
import sys, time
from importlib import import_module
from simulator.cli import main

def begin(*_):
    print("at work", flush=True)
    {work}

import_module("simulator.run").run_with = begin
sys.argv = ["askew", *sys.argv[1:]]
main()
"""
BUSY = """
    import threading
    threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(60)
"""


def end_by(number, work, words):
    """Start a command whose work is replaced, send it a signal there, and wait for its end: code, lines on stderr."""
    code = START.format(work=work)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "at work\n"
    process.send_signal(number)
    try:
        _, error = process.communicate(timeout=50)
    finally:
        process.kill()
    return process.returncode, [line for line in error.splitlines() if line.startswith("askew: ")]


@pytest.mark.parametrize(
    ("number", "work"),
    [(signal.SIGINT, "time.sleep(60)"), (signal.SIGTERM, "time.sleep(60)"), (signal.SIGTERM, BUSY)],
    ids=["ctrl-c", "sigterm", "sigterm, with a thread that goes on"],
)
def test_a_run_that_is_interrupted_says_how_to_go_on(number, work, tmp_path):
    code, lines = end_by(number, work, ["run", "demo", "--out", str(tmp_path / "run")])
    assert code == 128 + number
    assert lines == ["askew: interrupted; what was finished is kept; go on with --resume"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run"], "interrupted; what was finished is kept; go on with --resume"),
        (["audit"], "interrupted; what was finished is kept; go on with --resume"),
        (["power"], "interrupted; what was finished is kept; go on with --resume"),
        (["offline"], "interrupted; what was finished is kept; the same command goes on from there"),
        (["evaluate"], "interrupted; what was finished is kept; the same command goes on from there"),
        (["data", "download"], "interrupted; what was finished is kept; the same command goes on from there"),
        (["regimes"], "interrupted; begin anew"),
        ([], "interrupted; begin anew"),
    ],
)
def test_each_command_says_what_it_keeps_once(words, line, capsys):
    interruption = Interruption(words)
    interruption.say()
    interruption.say()
    assert capsys.readouterr().err == f"askew: {line}\n"


def test_only_commands_that_have_it_advise_resume():
    """The words are those of the commands: a --resume that is taken away or given has to be told."""
    having = {
        name
        for name in app.app
        if not name.startswith("-")
        for argument in (app.app[name].assemble_argument_collection() if app.app[name].default_command else ())
        if argument.name == "--resume"
    }
    assert having == {name for name in app.app if "--resume" in Interruption([name])._line}


def test_a_keyboard_interrupt_in_process_is_told_too(monkeypatch, tmp_path, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("policies.registry.known_policies", interrupted)
    with pytest.raises(SystemExit) as end:
        app.main(["policies"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "askew: interrupted; begin anew\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/x/y"), "/x/y: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(36, "File name too long", "y" * 9), "yyyyyyyyy: File name too long"),
        (FileExistsError(17, "File exists", "a", None, "b"), "a to b: File exists"),
        (OSError("odd\nwords"), "odd words"),
    ],
)
def test_errors_of_the_system_end_in_one_line(error, line, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.setattr("policies.registry.known_policies", fail)
    with pytest.raises(SystemExit) as end:
        app.main(["policies"])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"askew: {line}\n"


def test_other_errors_still_show_where_they_come_from(monkeypatch):
    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr("policies.registry.known_policies", fail)
    with pytest.raises(ZeroDivisionError):
        app.main(["policies"])


@pytest.mark.parametrize("word", ["a\0b", "\udcff", "", "--out=", "--out=\udc80"])
def test_words_that_are_no_text_are_refused(word, capsys):
    with pytest.raises(SystemExit) as end:
        app.main(["run", "demo", word])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"askew: argument {word!r} given, want ")


def test_a_name_of_many_lines_is_refused_in_one(tmp_path, capsys):
    with pytest.raises(SystemExit):
        app.main(["run", "a\nb", "--out", str(tmp_path / "out")])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_name_that_is_too_long_for_the_disk_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        app.main(["report", str(tmp_path / ("x" * 300))])
    assert end.value.code == 2
    assert "File name too long" in capsys.readouterr().err


def test_the_version_is_the_installed_one(capsys):
    app.main(["--version"])
    assert capsys.readouterr().out.strip() == version("askew")


def test_a_reader_that_has_read_enough_is_no_error():
    """As of `askew policies | head -1`."""
    code = "import sys; sys.argv = ['askew', 'policies']; from simulator.cli import main; main()"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
