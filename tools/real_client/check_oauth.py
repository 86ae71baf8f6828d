#!/usr/bin/env python3
"""OAuth with the official, unmodified clients: from an application's registration to a recorded use to its revocation.

    check_oauth.py PATH_TO_TOKEN_LEDGER [--node-modules DIRECTORY]

It needs what check.py needs: requirements.txt and, with --node-modules, package.json. A person's browser is played here,
by links and forms; the exchange of the code, and every call with the token, is the client's. Prints one line a check and
a closing count; ends with 1 at the first check that fails.
"""

import html
import http.client
import json
import re
import sys
import urllib.parse

import dnsimple

from checks import Checks, check_replay, check_stopped, node, run
from server import PATIENCE_SECONDS, Failed, Server

CALLBACK = "https://app.example/callback"
STATE = "a state & more"


class Browser:
    """Keeps one cookie, follows nothing by itself, and sends the forms of pages."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc
        self.cookie = None

    def ask(self, method, path, fields=None):
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_SECONDS)
        headers = {"Accept": "text/html"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers.update({"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}"})
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        cookie = answer.getheader("Set-Cookie")
        if cookie:
            self.cookie = cookie.split(";")[0]
        connection.close()
        return answer.status, answer.getheader("Location"), text

    def sign_in(self, link):
        """Opens the link, and presses the button of its page."""
        _, _, page = self.ask("GET", urllib.parse.urlsplit(link).path)
        action = re.search(r'<form[^>]* method="post" action="([^"]+)"', page).group(1)
        status, _, text = self.ask("POST", html.unescape(action), hidden(page))
        if status != 303 or not self.cookie:
            raise Failed(f"signing in answered {status}\n{text}")

    def authorize(self, target, account):
        """Looks at the page that asks, allows it, and gives the code that it leads back with."""
        status, _, page = self.ask("GET", target)
        if status != 200 or "Check &amp; Co" not in page and "Check &#38; Co" not in page:
            raise Failed(f"{target} answered {status}\n{page}")
        action = re.search(r'<form[^>]* method="post" action="(/oauth/authorize[^"]*)"', page).group(1)
        fields = {**hidden(page[page.index(action) :]), "account": account, "decision": "allow"}
        status, location, text = self.ask("POST", html.unescape(action), fields)
        if status != 303 or not location.startswith(CALLBACK + "?"):
            raise Failed(f"allowing answered {status} {location}\n{text}")
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
        if back["state"] != [STATE]:
            raise Failed(f"the state came back as {back['state']}")
        return back["code"][0]


def hidden(page):
    """The hidden fields of a page's form."""
    form = page[: page.index("</form>")]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


def target_of(url):
    """Path and query of the address that a client makes for a person."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path.removeprefix('/v2')}?{parts.query}"


class Scene:
    """An account with a zone, a member who is signed in, and an application of another account."""

    def __init__(self, server):
        make = lambda path, **body: server.manage("POST", path, body)
        self.server = server
        self.user = make("/v1/users", email="ada@example.com", name="Ada")["data"]["id"]
        self.account = make("/v1/accounts", name="Example", email="ops@example.com", plan="teams")["data"]["id"]
        developer = make("/v1/accounts", name="Developer", email="dev@example.com", plan="teams")["data"]["id"]
        server.manage("PUT", f"/v1/accounts/{self.account}/members/{self.user}", {"access": "full"})
        make(f"/v1/accounts/{self.account}/resources", kind="zone", name="example.com")
        body = {"name": "Check & Co", "redirect_uris": [CALLBACK], "kind": "confidential"}
        made = make(f"/v1/accounts/{developer}/oauth-applications", **body)
        self.client_id, self.secret = made["data"]["client_id"], made["client_secret"]
        self.application = made["data"]["id"]
        self.browser = Browser(server.url)
        self.browser.sign_in(server.manage("POST", f"/v1/users/{self.user}/sign-in-links")["url"])


def look_for(checks, scene, name, position):
    event = scene.server.manage("GET", f"/v1/events/{position}")["data"]
    checks.equal(
        f"{name}: the use is in the log, by the application",
        ("TokenUsed", {"kind": "application", "id": scene.application}, scene.account),
        (event["type"], event["principal"], event["account_id"]),
    )
    return event["token_id"]


def check_python(checks, scene):
    client = dnsimple.Client(base_url=scene.server.url, access_token="no-token-yet")
    url = client.oauth.authorize_url(scene.client_id, redirect_uri=CALLBACK, state=STATE)
    code = scene.browser.authorize(target_of(url), scene.account)
    exchange = lambda: client.oauth.exchange_authorization_for_token(
        code, scene.client_id, scene.secret, STATE, CALLBACK
    )
    token = exchange().data
    checks.equal("python client: the exchange gives a token of the account", scene.account, token.account_id)
    own = dnsimple.Client(base_url=scene.server.url, access_token=token.access_token)
    who = own.identity.whoami()
    checks.equal("python client: whoami is the account", (scene.account, None), (who.data.account.id, who.data.user))
    zones = own.zones.list_zones(scene.account)
    checks.equal("python client: zones", ["example.com"], [zone.name for zone in zones.data])
    look_for(checks, scene, "python client", int(zones.headers["X-Ledger-Position"]))
    try:
        exchange()
        raise Failed("a code is exchanged twice")
    except dnsimple.DNSimpleException as error:
        checks.equal("python client: a code works once", 400, error.status)
    try:
        own.identity.whoami()
        raise Failed("a token outlives the second use of its code")
    except dnsimple.DNSimpleException as error:
        checks.equal("python client: and a second time ends what it gave", 401, error.status)


def check_node(checks, scene, modules):
    told = {"url": scene.server.url, "clientId": scene.client_id, "clientSecret": scene.secret}
    told.update({"redirectUri": CALLBACK, "state": STATE, "account": scene.account})
    ask = lambda **more: json.loads(node("check_oauth.mjs", modules, {**told, **more}))
    code = scene.browser.authorize(target_of(ask()["authorize"]), scene.account)
    got = ask(code=code)
    checks.equal(
        "node client: exchange, whoami, zones",
        (scene.account, scene.account, ["example.com"]),
        (got["token_account"], got["whoami_account"], got["zones"]),
    )
    uses = scene.server.manage("GET", "/v1/events?type=TokenUsed&order=desc&limit=1")["data"]
    return look_for(checks, scene, "node client", uses[0]["position"]), got["token"]


def check_revocation(checks, scene, token):
    listed = scene.server.manage("GET", f"/v1/accounts/{scene.account}/oauth-authorizations")["data"]
    checks.equal("one authorization, by the member", [scene.user], [each["user_id"] for each in listed])
    scene.server.manage("DELETE", f"/v1/accounts/{scene.account}/oauth-authorizations/{listed[0]['id']}")
    try:
        dnsimple.Client(base_url=scene.server.url, access_token=token).identity.whoami()
        raise Failed("a token outlives its authorization")
    except dnsimple.DNSimpleException as error:
        checks.equal("revoked, the token is refused", 401, error.status)


def check(binary, modules):
    checks = Checks()
    with Server(binary) as server:
        scene = Scene(server)
        check_python(checks, scene)
        if modules is not None:
            _, token = check_node(checks, scene, modules)
            check_revocation(checks, scene, token)
        check_replay(checks, server)
        check_stopped(checks, server)
    return checks.passed


if __name__ == "__main__":
    sys.exit(run(__doc__, check))
