"""What schemathesis has to be told beside the document: values of formats, what to leave alone, and the refusals of requests
that are as the document says, which only what is in the ledger explains."""

import json
import os
import re

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

OWN_TOKEN = os.environ["LEDGER_OWN_TOKEN"]

# Names that are there, and names that are not, in the forms that people write.
NAMES = st.sampled_from(["example.com", "Example.COM.", "bücher.example", "_acme.example.com", "*.example.net"])
LABELS = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)
schemathesis.openapi.format("idn-hostname", NAMES | st.lists(LABELS, min_size=1, max_size=4).map(".".join))
schemathesis.openapi.format("idn-email", st.builds("{}@{}.example".format, LABELS, LABELS))
# Versions; without a format of its own schemathesis takes any text for this header, whatever the pattern says.
schemathesis.openapi.format("etag", st.sampled_from(["*", '"1"', '"2"']))
# In the future: a token's end must be.
TIMES = st.from_regex(r"20[3-9][0-9]-0[1-9]-[01][1-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z", fullmatch=True)
schemathesis.openapi.format("date-time", TIMES)
# The loopback is in some of them: tokens go on working.
RANGES = ["127.0.0.0/8", "127.0.0.1", "192.0.2.0/24", "2001:db8::/32", "::1", "::ffff:192.0.2.0/120", "0.0.0.0/0"]
schemathesis.openapi.format("ip-range", st.sampled_from(RANGES))
# Absolute and https, but for the person's own machine (RFC 8252 section 7).
REDIRECTS = ["https://app.example/callback", "https://app.example:8443/a?b=c", "http://127.0.0.1/cb", "http://localhost:3000/"]
schemathesis.openapi.format("redirect-uri", st.sampled_from(REDIRECTS) | st.builds("https://{}.example/{}".format, LABELS, LABELS))


@schemathesis.serializer("application/x-ndjson")
def one_line(context, value):
    """The document describes a line; a body of one line is sent."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_line(context, response):
    return json.loads(response.content.split(b"\n")[0])


@schemathesis.hook
def filter_case(context, case):
    return not deletes_own_token(case) and not follows_a_null(case) and not goes_on_for_ever(case)


def goes_on_for_ever(case):
    """A stream without an end never ends."""
    return case.operation.path == "/v1/events/stream" and "before" not in (case.query or {})


def deletes_own_token(case):
    """An operator may delete its own token, and all that follows would be 401."""
    is_deletion = case.method.upper() == "DELETE" and case.operation.path == "/v1/staff-tokens/{token}"
    return is_deletion and str((case.path_parameters or {}).get("token")) == OWN_TOKEN


def follows_a_null(case):
    """schemathesis makes links of its own from members of answers to paths, and follows one that is null to `/None`."""
    return any(str(value) == "None" for value in (case.path_parameters or {}).values())


# What no schema says of a body: it depends on the account's plan and features, on what was sent before, on the time.
REASONS = [
    re.compile(pattern)
    for pattern in (
        r"/problems/idempotency-key-reused",
        r"expires_at must be in the future",
        r"not_before must be before expires_at",
        r"expires_at must be after not_before",
        r"group (is given twice|needs the Domain Research feature)",
        r"level must be read_only for domain_research",
        r'resources must be "all" for \w+',
        r"type is not an event type",
        r"name is not a domain of this account",
        r"accounts \d+ is not an account",
        r"created_at .*future",
        r"group must be a known scope group",
        r"required_scope must be a scope",
        r"the old size \d+ is larger",
        r"/problems/as-of-out-of-range",
        r"give as_of or as_of_position, and once",
        r"table is for format=csv",
        r"limit and order are for pages",
        r"say of what: token, account, or both",
        r"token or account, user, or account and user, must be given",
        r"access must be full, or an object with grants",
        r"must be given, and not both",
        r"table must be one of",
        r"as_of must be a position",
        r"hashed_token must be the SHA-256",
        r"review must be a number from 1 on",
        r"scope names no scope group",
        r"the log has no position",
        r"(since|as_of) must be a (position|time)",
        r"to is (before|not after) from",
        r"token is the service's",
        r"token or account must be given, with what would change of it",
        # Parameters of questions that go together, or do not.
        r"(goes|does not go) with",
        r"token is a user's: ask of the memberships",
        r"access is of tokens of accounts",
        r"access must be full: the account's plan has no grants",
        r"scope (says another verb than verb|must be \w+:\*|names .*, which)",
        r"there was no token \d+ then",
    )
]


def is_explained(response):
    if response.status_code == 412:
        return True  # A version that `If-Match` named is gone, or the plan has no grants, or the feature is off.
    if response.status_code not in (400, 422):
        return False
    problem = response.json()
    if "error" in problem and response.status_code == 400:
        return True  # RFC 6749 5.2: what goes with the grant and its client, which no schema says.
    if problem.get("data", {}).get("errors"):
        return True  # A researched name that no registry has, which is an answer and a recorded use.
    faults = [f"{field} {fault}" for field, texts in problem.get("errors", {}).items() for fault in texts]
    faults = faults or [f"{problem.get('type')} {problem.get('detail')}"]
    return all(any(reason.search(fault) for reason in REASONS) for fault in faults)


@schemathesis.check
def valid_requests_are_accepted(context, response, case):
    """`positive_data_acceptance`, but for refusals that the state explains."""
    if is_explained(response):
        return None
    return positive_data_acceptance(context, response, case)
