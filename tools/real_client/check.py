#!/usr/bin/env python3
"""Drives the real server with the official, unmodified clients, then asks the log whether it noticed everything.

    check.py PATH_TO_TOKEN_LEDGER [--node-modules DIRECTORY]

The Python client must be installed (requirements.txt). With --node-modules, the folder in which package.json was
installed, the Node.js client asks too. Prints one line a check and a closing count; ends with 1 at the first check
that fails.
"""

import sys
import time

import dnsimple

from checks import Checks, check_replay, check_stopped, node, run
from server import Failed, Server

HOURLY_LIMIT = 2400
NAMED = ["example.com", "example.net", "example.org"]
ZONES = NAMED + ["shop.test", "xn--bcher-kva.example"]
# Enough for a second page of the default size, 30.
DOMAINS = sorted(ZONES + [f"site-{number:02}.test" for number in range(30)])
# Of the form that DNSimple itself gives out: it is looked up, and nobody knows it.
UNKNOWN_TOKEN = "dnsimple_a_" + "x" * 32


class Furnished:
    """Accounts, a user, resources and tokens, made through the management surface."""

    def __init__(self, server):
        self.server = server
        make = self.make
        self.user = make("/v1/users", email="ada@example.com", name="Ada")["id"]
        self.account = make("/v1/accounts", name="Example", email="ops@example.com", plan="teams")["id"]
        self.other = make("/v1/accounts", name="Other", email="other@example.com", plan="solo")["id"]
        for account in (self.account, self.other):
            server.manage("PUT", f"/v1/accounts/{account}/members/{self.user}", {"access": "full"})
        self.ids = {name: self.domain(name, number)["id"] for number, name in enumerate(DOMAINS)}
        for name in ZONES:
            make(f"/v1/accounts/{self.account}/resources", kind="zone", name=name)
        make(
            f"/v1/accounts/{self.account}/resources",
            kind="certificate",
            name="example.com",
            common_name="www.example.com",
        )
        only_one = [{"group": "zones", "level": "read_only", "resources": ["example.com"]}]
        tokens = f"/v1/accounts/{self.account}/tokens"
        self.full = self.token(tokens, "full", access="full")
        self.scoped = self.token(tokens, "one zone", access={"grants": only_one})
        self.doomed = self.token(tokens, "to be deleted", access="full")
        self.users = self.token(f"/v1/users/{self.user}/tokens", "Ada's laptop")

    def make(self, path, **body):
        return self.server.manage("POST", path, body)["data"]

    def domain(self, name, number):
        expires_at = f"2031-{number % 12 + 1:02}-01T00:00:00Z"
        path = f"/v1/accounts/{self.account}/resources"
        return self.make(path, kind="domain", name=name, state="registered", expires_at=expires_at, registrant_id=7)

    def token(self, path, name, **body):
        made = self.server.manage("POST", path, {"name": name, **body})
        return {"id": made["data"]["id"], "text": made["token"]}


class Calls:
    """Calls of the Python client: each is checked for its rate limit, and kept to be looked for in the log."""

    def __init__(self, checks, server):
        self.checks = checks
        self.url = server.url
        self.drawn = {}
        self.made = []

    def client(self, token):
        return dnsimple.Client(access_token=token["text"], base_url=self.url)

    def allowed(self, name, token, pool, route, call, outcome="ok"):
        """A call that succeeds. The client keeps its last answer's limits on the class: read at once."""
        answer = call(self.client(token))
        self.drawn[pool] = self.drawn.get(pool, 0) + 1
        limits = (answer.rate_limit, answer.rate_limit_remaining, answer.rate_limit_reset)
        self.limits_are(name, pool, limits)
        self.keep("TokenUsed", route, outcome, token, answer.headers)
        return answer

    def missing(self, name, token, pool, route, call, message):
        """A call for what is not there: allowed, recorded and drawn, and answered 404."""
        error = self.error(name, call, token)
        self.drawn[pool] = self.drawn.get(pool, 0) + 1
        self.checks.equal(name, (404, message), (error.status, error.message))
        self.limits_are(name, pool, header_limits(error.response))
        self.keep("TokenUsed", route, "not_found", token, error.response.headers)

    def refused(self, name, token, pool, route, cause, call, status, message):
        """A call that is refused and recorded; it draws nothing."""
        error = self.error(name, call, token)
        self.checks.equal(name, (status, message), (error.status, error.message))
        if pool is not None:
            self.limits_are(name, pool, header_limits(error.response))
        self.keep("TokenUseRefused", route, cause, token, error.response.headers)
        return error

    def error(self, name, call, token):
        try:
            call(self.client(token))
        except dnsimple.DNSimpleException as error:
            return error
        raise Failed(f"{name}\n  expected a DNSimpleException\n  got      an answer")

    def limits_are(self, name, pool, limits):
        limit, remaining, reset = limits
        self.checks.equal(
            f"{name}: limit and remaining", (HOURLY_LIMIT, HOURLY_LIMIT - self.drawn.get(pool, 0)), (limit, remaining)
        )
        ahead = reset - time.time()
        if not 3500 < ahead <= 3601:
            raise Failed(f"{name}: reset\n  expected within the hour from now\n  got      {ahead} seconds from now")

    def keep(self, kind, route, word, token, headers):
        receipt = headers.get("X-Ledger-Position")
        self.made.append((kind, route, word, token["id"], None if receipt is None else int(receipt)))


def header_limits(response):
    return tuple(int(response.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


def names(answer):
    return [each.name for each in answer.data]


def check_identity(checks, calls, made):
    call = lambda client: client.identity.whoami()
    who = calls.allowed("whoami with an account token", made.full, "account", "/v2/whoami", call).data
    checks.equal(
        "whoami with an account token: account",
        (made.account, "teams", None),
        (who.account.id, who.account.plan_identifier, who.user),
    )
    who = calls.allowed("whoami with a user token", made.users, "user", "/v2/whoami", call).data
    checks.equal(
        "whoami with a user token: user",
        (made.user, "ada@example.com", None),
        (who.user.id, who.user.email, who.account),
    )

    call = lambda client: client.accounts.list_accounts()
    answer = calls.allowed("accounts with an account token", made.full, "account", "/v2/accounts", call)
    checks.equal("accounts with an account token: its one account", [made.account], [each.id for each in answer.data])
    answer = calls.allowed("accounts with a user token", made.users, "user", "/v2/accounts", call)
    checks.equal("accounts with a user token: both", [made.account, made.other], [each.id for each in answer.data])


def check_domains(checks, calls, made):
    route = "/v2/{account}/domains"

    def listed(name, **query):
        return calls.allowed(
            name, made.full, "account", route, lambda client: client.domains.list_domains(made.account, **query)
        )

    answer = listed("domains, first page")
    page = answer.pagination
    checks.equal("domains, first page: by name, thirty", DOMAINS[:30], names(answer))
    got = (page.current_page, page.per_page, page.total_entries, page.total_pages)
    checks.equal("domains, first page: pagination", (1, 30, len(DOMAINS), 2), got)
    checks.equal("domains, second page", DOMAINS[30:], names(listed("domains, second page", page=2)))
    answer = listed("domains, pages of seven", page=3, per_page=7)
    checks.equal("domains, pages of seven: third", (DOMAINS[14:21], 5), (names(answer), answer.pagination.total_pages))
    checks.equal("domains past the last page", [], names(listed("domains past the last page", page=9)))
    answer = listed("domains, falling", sort="name:desc", per_page=100)
    checks.equal("domains, falling: order", DOMAINS[::-1], names(answer))
    answer = listed("domains by expiry, then falling id", sort="expiration:asc,id:desc", per_page=100)
    by_expiry = sorted(answer.data, key=lambda each: (each.expires_at, -each.id))
    checks.equal("domains by expiry: order", [each.id for each in by_expiry], [each.id for each in answer.data])
    checks.equal(
        "domains like example",
        ZONES[:3] + ZONES[4:],
        names(listed("domains like example", filter={"name_like": "example"})),
    )

    route = "/v2/{account}/domains/{domain}"
    for label, which in (("by name", "example.com"), ("by number", made.ids["example.com"])):
        call = lambda client, which=which: client.domains.get_domain(made.account, which)
        domain = calls.allowed(f"a domain {label}", made.full, "account", route, call).data
        got = (domain.id, domain.name, domain.account_id, domain.state, domain.registrant_id)
        checks.equal(
            f"a domain {label}: its fields",
            (made.ids["example.com"], "example.com", made.account, "registered", 7),
            got,
        )
    call = lambda client: client.domains.get_domain(made.account, "xn--bcher-kva.example")
    domain = calls.allowed("a domain with an accent", made.full, "account", route, call).data
    checks.equal("a domain with an accent: its name in Unicode", "bücher.example", domain.unicode_name)

    call = lambda client: client.certificates.list_certificates(made.account, "example.com")
    answer = calls.allowed("certificates", made.full, "account", "/v2/{account}/domains/{domain}/certificates", call)
    checks.equal("certificates: common names", ["www.example.com"], [each.common_name for each in answer.data])


def check_zones(checks, calls, made):
    route = "/v2/{account}/zones"

    def listed(name, token=made.full, **query):
        return calls.allowed(
            name, token, "account", route, lambda client: client.zones.list_zones(made.account, **query)
        )

    checks.equal("zones", ZONES, names(listed("zones")))
    checks.equal(
        "zones, second page of two", ZONES[2:4], names(listed("zones, second page of two", page=2, per_page=2))
    )
    checks.equal("zones, falling", ZONES[::-1], names(listed("zones, falling", sort="name:desc")))
    checks.equal("zones like shop", ["shop.test"], names(listed("zones like shop", filter={"name_like": "shop"})))
    checks.equal("zones of the user's membership", ZONES, names(listed("zones of the user's membership", made.users)))

    answer = listed("zones of a token for one", made.scoped)
    checks.equal(
        "zones of a token for one: only that", (["example.com"], 1), (names(answer), answer.pagination.total_entries)
    )
    call = lambda client: client.zones.get_zone(made.account, "example.com")
    zone = calls.allowed("a zone inside the grant", made.scoped, "account", "/v2/{account}/zones/{zone}", call).data
    checks.equal(
        "a zone inside the grant: its fields",
        ("example.com", made.account, True),
        (zone.name, zone.account_id, zone.active),
    )


def check_refusals(checks, calls, made):
    zone = lambda account, name: lambda client: client.zones.get_zone(account, name)
    domains = lambda client: client.domains.list_domains(made.account)
    at_domains, at_zone = "/v2/{account}/domains", "/v2/{account}/zones/{zone}"
    # What is asked, for what scope the answer says, by the token of one zone.
    for name, route, call, scope in (
        ("a zone outside the grant", at_zone, zone(made.account, "example.org"), "zones:example.org:read"),
        ("an unknown zone outside the grant", at_zone, zone(made.account, "missing.test"), "zones:missing.test:read"),
        ("a list without any grant in its group", at_domains, domains, "domains:*:read"),
    ):
        message = f"Permission Denied. Required Scope: {scope}"
        calls.refused(name, made.scoped, "account", route, "missing_scope", call, 403, message)
    for name, account in (("another account's path", made.other), ("an account that is not there", 999_999)):
        call = zone(account, "example.com")
        calls.refused(name, made.full, "account", at_zone, "foreign_account", call, 404, "Not Found")

    call = zone(made.account, "missing.test")
    calls.missing("a missing zone", made.full, "account", at_zone, call, "Zone `missing.test` not found")
    call = lambda client: client.domains.get_domain(made.account, "missing.test")
    at_domain = "/v2/{account}/domains/{domain}"
    calls.missing("a missing domain", made.full, "account", at_domain, call, "Domain `missing.test` not found")


def check_closed(checks, calls, made):
    """Tokens that open nothing: a deleted one's attempt is recorded, an unknown one's leaves nothing."""
    whoami = lambda client: client.identity.whoami()
    calls.allowed("a token before its deletion", made.doomed, "account", "/v2/whoami", whoami)
    made.server.manage("DELETE", f"/v1/accounts/{made.account}/tokens/{made.doomed['id']}")
    name = "a deleted token"
    error = calls.refused(name, made.doomed, None, "/v2/whoami", "token_deleted", whoami, 401, "Authentication failed")
    checks.equal("a deleted token: no receipt", None, error.response.headers.get("X-Ledger-Position"))
    error = calls.error("an unknown token", whoami, {"text": UNKNOWN_TOKEN})
    checks.equal("an unknown token", (401, "Authentication failed"), (error.status, error.message))


def check_node(checks, calls, made, modules):
    """The Node.js client; what it asks is in check.mjs."""
    told = {"url": calls.url, "account": made.account, "full": made.full["text"], "scoped": made.scoped["text"]}
    for line in node("check.mjs", modules, told).splitlines():
        checks.ok(line.removeprefix("ok "))
    zones, zone = "/v2/{account}/zones", "/v2/{account}/zones/{zone}"
    used = lambda route, outcome: ("TokenUsed", route, outcome, made.full["id"], None)
    # Its iterator asks for three pages of two.
    calls.made += [used("/v2/whoami", "ok")] + [used(zones, "ok")] * 4
    calls.made += [("TokenUseRefused", zone, "missing_scope", made.scoped["id"], None), used(zone, "not_found")]
    calls.drawn["account"] += 6


def check_quota(checks, calls, made):
    """Last of all: the account's limit is lowered to what is used already."""
    used = calls.drawn["account"]
    made.server.manage("PATCH", f"/v1/accounts/{made.account}", {"hourly_limit": used})
    zone = lambda client: client.zones.get_zone(made.account, "example.com")
    error = calls.error("past the hourly limit", zone, made.full)
    checks.equal("past the hourly limit", (429, "quota exceeded"), (error.status, error.message))
    checks.equal("past the hourly limit: limit and remaining", (used, 0), header_limits(error.response)[:2])
    retry_after = int(error.response.headers["Retry-After"])
    checks.equal("past the hourly limit: Retry-After within the hour", True, 0 < retry_after <= 3600)
    calls.keep("TokenUseRefused", "/v2/{account}/zones/{zone}", "quota_exceeded", made.full, error.response.headers)
    error = calls.error("past the limit again", zone, made.full)
    # Only the first of a window is an event; the others are totalled when the window ends.
    got = (error.status, error.response.headers.get("X-Ledger-Position"))
    checks.equal("past the limit again: no receipt", (429, None), got)


def check_log(checks, server, calls, furnished_at):
    """The log holds each of those calls, in order, and no other."""
    events = server.events(furnished_at)
    kinds = ("TokenUsed", "TokenUseRefused")
    got = [
        (
            event["type"],
            event["data"]["route"],
            event["data"].get("outcome") or event["data"]["cause"],
            event["token_id"],
        )
        for event in events
        if event["type"] in kinds
    ]
    expected = [made[:4] for made in calls.made]
    for at, (want, have) in enumerate(zip(expected, got)):
        if want != have:
            raise Failed(f"call {at + 1} in the log\n  expected {want!r}\n  got      {have!r}")
    checks.equal("the log has as many uses and refusals as there were calls", len(expected), len(got))
    checks.ok(f"the log has each of the {len(got)} calls, in order")
    positions = [event["position"] for event in events if event["type"] in kinds]
    receipts = [(made[4], position) for made, position in zip(calls.made, positions) if made[4] is not None]
    checks.equal(
        "every receipt is its call's position",
        [position for _, position in receipts],
        [receipt for receipt, _ in receipts],
    )
    others = {event["type"] for event in events if event["type"] not in kinds}
    # Where the log's head stood was asked of it: a look is recorded too, after what it was shown.
    checks.equal(
        "beside them only the two changes, texts seen, and the look at the log",
        {"TokenDeleted", "HourlyLimitChanged", "TextSeen", "HistoryRead"},
        others,
    )
    looks = [event["credential"] for event in events if event["type"] == "HistoryRead"]
    checks.equal("the look is the operator's own", [server.manage("GET", "/v1/self")["data"]["id"]], looks)


def check(binary, modules):
    checks = Checks()
    with Server(binary) as server:
        made = Furnished(server)
        furnished_at = server.head()
        calls = Calls(checks, server)
        for part in (check_identity, check_domains, check_zones, check_refusals, check_closed):
            part(checks, calls, made)
        if modules is not None:
            check_node(checks, calls, made, modules)
        check_quota(checks, calls, made)
        check_log(checks, server, calls, furnished_at)
        check_replay(checks, server)
        check_stopped(checks, server)
    return checks.passed


if __name__ == "__main__":
    sys.exit(run(__doc__, check))
