"""What checks with official clients have in common: counting, the Node.js client, the log at the end, the command line."""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from server import PATIENCE_SECONDS, Failed

HERE = pathlib.Path(__file__).resolve().parent


class Checks:
    """Counts checks; the first that fails ends the run."""

    def __init__(self):
        self.passed = 0

    def equal(self, name, expected, got):
        if got != expected:
            raise Failed(f"{name}\n  expected {expected!r}\n  got      {got!r}")
        self.ok(name)

    def ok(self, name):
        self.passed += 1
        print(f"ok {name}", flush=True)


def node(script, modules, told):
    """Runs a script with the Node.js client installed in a folder, and gives what it printed."""
    asked = json.dumps({**told, "modules": os.path.abspath(modules)})
    done = subprocess.run(
        ["node", HERE / script], input=asked, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    if done.returncode != 0:
        raise Failed(f"{script} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_replay(checks, server):
    compared = json.loads(server.command("replay", "--compare", "--json"))
    checks.equal(
        "a replay gives what the running server shows",
        ("the running server", []),
        (compared["live"], compared["differences"]),
    )
    check_verified(checks, server, "while the server runs")


def check_verified(checks, server, when):
    verified = json.loads(server.command("verify", "--json"))
    checks.equal(f"verify finds nothing {when}", 0, verified["findings_total"])


def check_stopped(checks, server):
    checks.equal("SIGTERM ends the server in order", 0, server.stop())
    check_verified(checks, server, "after the end")


def run(description, check):
    """The command line of a check: `check(binary, modules)` gives how many passed. Gives the exit code."""
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("binary", help="the token-ledger program")
    parser.add_argument("--node-modules", help="folder in which package.json was installed")
    arguments = parser.parse_args()
    # The server is on this machine: no proxy of the environment may stand between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    try:
        passed = check(arguments.binary, arguments.node_modules)
    except Failed as failure:
        print(f"FAILED {failure}", file=sys.stderr)
        return 1
    print(f"{passed} passed, 0 failed")
    return 0
