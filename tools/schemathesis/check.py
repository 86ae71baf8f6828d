"""Asks the real server everything that `schema/openapi.yaml` describes, by schemathesis, as an operator, an auditor, a
consumer and a gateway, and holds every answer against the document.

    python tools/schemathesis/check.py target/debug/token-ledger [--max-examples N] [--role ROLE]

Needs the packages of `requirements.txt`. Exits with 1 when a check failed, a token stopped working or the log does not
verify. Every run asks the same: the seed stands in `schemathesis.toml`, and schemathesis prints it.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "real_client"))

from server import Failed, Server  # noqa: E402

# A run that takes longer than this has hung.
PATIENCE_SECONDS = 300


def furnish(server):
    """A small ledger with one of everything; gives token text and number by role."""
    account = server.manage(
        "POST",
        "/v1/accounts",
        {"name": "Example", "email": "ops@example.com", "plan": "teams", "hourly_limit": 1_000_000_000},
    )["data"]["id"]
    user = server.manage("POST", "/v1/users", {"name": "Ada Example", "email": "ada@example.com"})["data"]["id"]
    server.manage("PUT", f"/v1/accounts/{account}/members/{user}", {"access": "full"})
    server.manage("PUT", f"/v1/accounts/{account}/features/domain_research", {})
    for kind in ("domain", "zone", "certificate"):
        server.manage("POST", f"/v1/accounts/{account}/resources", {"kind": kind, "name": "example.com"})
    server.manage("POST", f"/v1/users/{user}/tokens", {"name": "laptop"})
    staff = {
        role: server.manage("POST", "/v1/staff-tokens", {"role": role, "name": role})
        for role in ("operator", "auditor")
    }
    consumer = server.manage("POST", f"/v1/accounts/{account}/tokens", {"name": "consumer", "access": "full"})
    rights = ["introspect", "authorize", "report", "revoke"]
    gateway = server.manage("POST", "/v1/gateway-tokens", {"name": "gateway", "rights": rights, "accounts": [account]})
    # The operator comes last: it changes and removes what the others look at.
    tokens = {"auditor": staff["auditor"], "consumer": consumer, "gateway": gateway, "operator": staff["operator"]}
    return {role: (made["token"], made["data"]["id"]) for role, made in tokens.items()}


def run(server, role, token, number, max_examples):
    """One run of schemathesis; whether nothing failed."""
    print(f"\n== schemathesis as {role}", flush=True)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    command += [str(ROOT / "schema/openapi.yaml"), "--url", server.url, "--no-color"]
    command += ["--max-examples", str(max_examples)]
    environment = os.environ | {"LEDGER_TOKEN": token, "LEDGER_OWN_TOKEN": str(number)}
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, timeout=PATIENCE_SECONDS)
    print(f"-- {role}: {time.monotonic() - started:.0f} s, exit code {done.returncode}", flush=True)
    return done.returncode == 0


def still_works(server, role, token):
    """A run whose token stopped working on the way has tested nothing but 401."""
    own, server.operator = server.operator, token
    try:
        return server.manage("GET", "/v1/self")["data"]["kind"] == {"consumer": "account"}.get(role, role)
    finally:
        server.operator = own


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--max-examples", type=int, default=10, help="fuzzed cases of an operation")
    parser.add_argument("--role", action="append", choices=["auditor", "consumer", "gateway", "operator"])
    asked = parser.parse_args()
    good = True
    # Failed authentications are what many requests are about; the limit on them has tests of its own.
    with Server(asked.binary, "--auth-failures-per-hour", "0") as server:
        for role, (token, number) in furnish(server).items():
            if asked.role and role not in asked.role:
                continue
            good &= run(server, role, token, number, asked.max_examples)
            if not still_works(server, role, token):
                raise Failed(f"the {role} token does not work any more")
        if (code := server.stop()) != 0:
            raise Failed(f"the server ended with {code}\n{server.logged()}")
        server.command("verify")
    return good


if __name__ == "__main__":
    try:
        sys.exit(0 if main() else 1)
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
