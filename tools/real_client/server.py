"""The real server as a child process, and its management surface, for checks that drive it with official clients."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

# A start, a command or a stop that takes longer than this has hung.
PATIENCE_SECONDS = 60
EVENTS_PAGE = 50


class Failed(Exception):
    """A check that found something else than it expected."""


class Server:
    """One ledger in a directory of its own, served on a free port of the loopback interface."""

    def __init__(self, binary, *options):
        self.binary, self.options = os.path.abspath(binary), options
        self.scratch = tempfile.TemporaryDirectory(prefix="token-ledger-check-")
        self.data = os.path.join(self.scratch.name, "ledger")
        os.mkdir(self.data, mode=0o700)
        self.operator = json.loads(self.command("init", "--json"))["operator_token"]
        self.url, self.process = None, None

    def __enter__(self):
        # Its log goes to a file: a pipe that nobody empties would stop the server once it is full.
        self.log = open(os.path.join(self.scratch.name, "server.log"), "w+b")
        serve = [self.binary, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *self.options]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:[1-9][0-9]*)\n", line)
        if not found:
            self.process.kill()
            raise Failed(f"serve said {line!r} instead of where it listens\n{self.logged()}")
        self.url = found.group(1)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.scratch.cleanup()

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def command(self, name, *arguments):
        """Runs a command on the data directory, server or not; gives what it printed."""
        command = [self.binary, name, "--data", self.data, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        if done.returncode != 0:
            raise Failed(f"`{name} {' '.join(arguments)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def stop(self):
        """Asks the server by its process id to end in order; gives its exit code."""
        os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def manage(self, method, path, body=None):
        """A management request with the operator token; gives the answer's whole body."""
        headers = {"Authorization": f"Bearer {self.operator}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path} answered {error.code}: {error.read().decode()}") from None
        except (urllib.error.URLError, http.client.HTTPException) as error:
            raise Failed(f"{method} {path}: {error}\n{self.logged()}") from None
        return json.loads(text) if text else None

    def head(self):
        return self.manage("GET", "/v1/events?limit=1")["head"]["position"]

    def events(self, after):
        """Every event after a position, page by page."""
        events = []
        while after is not None:
            page = self.manage("GET", f"/v1/events?after={after}&limit={EVENTS_PAGE}")
            events += page["data"]
            after = page["next"]
        return events
