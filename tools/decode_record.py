#!/usr/bin/env python3
"""Reads ledger records without the ledger's code, so that the written format can be trusted and not one program.

Written by hand from schema/codec.md; standard library only (Python 3.11 or later). A table below must say what
that page says: where they differ, one of the two is wrong, and neither is to be corrected from the Rust sources.

    decode_record.py HEX...                  records given as hexadecimal digits
    decode_record.py < records.txt           one record a line
    decode_record.py --db ledger.db --from 1 --to 100
    decode_record.py --types | --enums       what this program knows
    decode_record.py --check records.json    hold the golden records against this program

Prints one JSON object a record. Numbers are as stored: times in microseconds since 1970-01-01T00:00:00Z, texts by
their number, byte strings in hexadecimal. A bad record is named on standard error; the exit code is then 1.
"""

import argparse
import json
import pathlib
import sqlite3
import sys

# From here to the other mark this stands, letter by letter, in tools/verify_bundle.py too: that one is a file by itself.
# ---- records: begin ----

FORMAT = 1
RECORD_BYTES_MAX = 65_535
ENVELOPE_BYTES = 4
VARINT_BOUNDARIES = (250, 251, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1)


class BadRecord(Exception):
    """Why the bytes are not a record of this format."""


class Reader:
    """Bytes with a place in them, and what was met on the way: the golden records must meet everything once."""

    def __init__(self, data, seen):
        self.data = data
        self.at = 0
        self.seen = seen
        # Numbers of the texts that are mentioned.
        self.texts = []

    def take(self, count):
        if count > len(self.data) - self.at:
            raise BadRecord(f"ends at byte {len(self.data)}, {count} more are needed from byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "little")

    def varint(self, bytes_max):
        """A number up to `bytes_max` bytes wide, in the shortest form that holds it and in no other."""
        start = self.at
        first = self.number(1)
        width = {251: 2, 252: 4, 253: 8}.get(first, 0)
        if first <= 250:
            value = first
        elif width == 0 or width > bytes_max:
            raise BadRecord(f"marker {first} at byte {start} does not fit a {bytes_max * 8}-bit number")
        else:
            value = self.number(width)
            if value <= {2: 250, 4: 65_535, 8: 2**32 - 1}[width]:
                raise BadRecord(f"number {value} at byte {start} is not in its shortest form")
        if value in VARINT_BOUNDARIES:
            self.seen.add(f"u{bytes_max * 8} varint {value}")
        return value


# Types are functions from a reader to a value that JSON can say.


def u8(reader):
    return reader.number(1)


def u16(reader):
    return reader.varint(2)


def u32(reader):
    return reader.varint(4)


def u64(reader):
    return reader.varint(8)


def boolean(reader):
    start = reader.at
    value = reader.number(1)
    if value > 1:
        raise BadRecord(f"{value} at byte {start} is neither false (0) nor true (1)")
    reader.seen.add(f"bool {value}")
    return value == 1


def string(reader):
    start = reader.at
    try:
        return reader.take(u64(reader)).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRecord(f"the string at byte {start} is not UTF-8") from None


def raw(count):
    return lambda reader: reader.take(count).hex()


def option(inner):
    def read(reader):
        start = reader.at
        tag = reader.number(1)
        if tag > 1:
            raise BadRecord(f"{tag} at byte {start} is neither none (0) nor some (1)")
        reader.seen.add(f"option {tag}")
        return inner(reader) if tag else None

    return read


def sequence(inner):
    def read(reader):
        count = u64(reader)
        reader.seen.add("list, empty" if count == 0 else "list, filled")
        # Every element takes at least one byte, so a false count ends with the bytes and not with the memory.
        values = []
        while len(values) < count:
            values.append(inner(reader))
        return values

    return read


def pair(first, second):
    return lambda reader: [first(reader), second(reader)]


def struct(*fields):
    return lambda reader: {name: kind(reader) for name, kind in fields}


ENUMS = {}


def enum(name, *variants):
    """Variants by number from 0: a bare name, or a name with the type of what it carries."""
    table = [variant if isinstance(variant, tuple) else (variant, None) for variant in variants]
    ENUMS[name] = [variant for variant, _ in table]

    def read(reader):
        start = reader.at
        index = u32(reader)
        if index >= len(table):
            raise BadRecord(f"{name} at byte {start} has no variant {index}")
        variant, inner = table[index]
        reader.seen.add(f"{name}::{variant}")
        return variant if inner is None else {variant: inner(reader)}

    return read


def text(reader):
    number = u64(reader)
    if number:
        reader.texts.append(number)
    return number


# Numbers that name things. All are u64, as those of texts; 0 is none.
timestamp = account = user = token = resource = version = application = authorization = u64
group = u16

principal = enum(
    "Principal", "Service", ("Account", account), ("User", user), ("Staff", token), ("Local", u32), ("Application", application)
)
authority = enum(
    "Authority",
    "Init",
    "Local",
    ("Operator", version),
    ("Membership", version),
    ("Gateway", version),
    ("Auditor", version),
    ("SignInLink", u64),
    "Own",
    ("Application", version),
)
owner = enum("Owner", "Service", ("Account", account), ("User", user))
subject = enum("Subject", "Service", ("Account", account), ("User", user))
token_kind = enum("TokenKind", "Account", "User", "OAuth", "Gateway", "Operator", "Auditor", "Session")
text_kind = enum(
    "TextKind",
    "AccountName",
    "UserName",
    "Email",
    "TokenName",
    "ResourceName",
    "Address",
    "Agent",
    "ApplicationName",
    "SigningRequest",
    "Note",
    "RedirectUri",
)
plan = enum("Plan", "Solo", "Teams", "Enterprise")
level = enum("Level", "ReadOnly", "FullAccess")
verb = enum("Verb", "Read", "Write")
coverage = enum("Coverage", "All", ("Named", sequence(text)))
grant = struct(("group", group), ("level", level), ("coverage", coverage))
access = enum("Access", "Full", ("Granted", sequence(grant)))
target = enum("Target", "List", ("Name", text), ("Number", u64), "All")
scope = struct(("group", group), ("verb", verb), ("target", target))
access_source = enum(
    "AccessSource",
    ("Token", version),
    ("Membership", version),
    ("Identity", version),
    ("Authorization", pair(version, version)),
)
mapped_route = struct(("map", u32), ("line", u32))
route = enum(
    "Route",
    "Whoami",
    "Accounts",
    "Domains",
    "Domain",
    "Zones",
    "Zone",
    "Certificates",
    "Certificate",
    "ResearchStatus",
    ("Mapped", mapped_route),
    ("Asked", struct(("gateway", token), ("secret", u32), ("mapped", option(mapped_route)))),
)
answer_subject = enum(
    "AnswerSubject",
    "Service",
    ("Account", account),
    ("User", user),
    ("Member", pair(account, user)),
    ("Resource", resource),
    ("Token", token),
    ("Tokens", pair(token, u64)),
    ("Review", u64),
    ("SignInLink", u64),
    ("Application", application),
)
outcome = enum("Outcome", "Ok", "NotFound", "Invalid", "UnknownUpstream")
cause = enum(
    "Cause",
    "TokenDeleted",
    "TokenExpired",
    "SecretEnded",
    "WrongKind",
    "ForeignAccount",
    "MissingScope",
    "MissingFeature",
    "QuotaExceeded",
    "MonthlyCapReached",
    "NoAccount",
    "NotYetValid",
    "AddressNotAllowed",
    "MissingRight",
)
operation = enum(
    "ManagementOperation",
    "CreateAccount",
    "UpdateAccount",
    "ReadAccounts",
    "CreateUser",
    "ReadUsers",
    "ChangeMembers",
    "ChangeFeatures",
    "ChangeResources",
    "ReadResources",
    "CreateToken",
    "UpdateToken",
    "RotateToken",
    "DeleteToken",
    "ReadTokens",
    "ReadUsage",
    "ReadEvents",
    "ChangeStaffTokens",
    "ReadStaffTokens",
    "AcceptClock",
    "ErasePersonalTexts",
    "Authorize",
    "Introspect",
    "ReportUses",
    "ChangeReviews",
    "ImportTokens",
    "CreateSignInLink",
    "SignIn",
    "ReadSessions",
    "EndSession",
    "ChangeApplications",
    "ReadApplications",
    "AuthorizeApplication",
    "RevokeAuthorizations",
    "ReadAuthorizations",
)
report_flag = enum("ReportFlag", "AfterDeletion", "AfterExpiry", "AfterRotation")
outage_cause = enum("OutageCause", "DiskFull", "WriteFailed", "ClockBehind")
review_row = enum("ReviewRow", ("Token", token), ("Member", user))
review_verdict = enum("ReviewVerdict", "Keep", "Narrow", "Delete")
sign_in_cause = enum("SignInCause", "LinkUsed", "StaffTokenEnded", "TooManySessions")
review_counts = struct(("kept", u64), ("narrowed", u64), ("deleted", u64), ("undecided", u64))
reviewed = (("review", u64), ("position", u64), ("root", raw(32)))
stream_end = enum("StreamEnd", "ReaderLeft", "TokenEnded", "ServiceStopped", "TooSlow", "LogUnreadable", "Complete")
read_shape = struct(
    ("question", string), ("account", account), ("token", token), ("user", user), ("resource", resource)
)
history_query = struct(
    ("shape", read_shape),
    ("from", option(timestamp)),
    ("to", option(timestamp)),
    ("after", u64),
    ("through", u64),
)
counted_reads = struct(("reads", u64), ("first", timestamp), ("last", timestamp))
map_rejection = enum("MapRejection", "Unreadable", "Faulty", "NotTaken")
secret = struct(("number", u32), ("digest", raw(32)), ("hint", raw(4)), ("not_after", option(timestamp)))
client_kind = enum("ClientKind", "Confidential", "Public")
end_reason = enum(
    "EndReason",
    "Asked",
    "MemberRemoved",
    "ApplicationDeleted",
    "AllRevoked",
    "AuthorizationRevoked",
    "CodeReused",
    "Replaced",
    "StaffTokenDeleted",
)
exchange_fault = enum(
    "ExchangeFault",
    "Reused",
    "Expired",
    "OtherClient",
    "RedirectUri",
    "State",
    "Verifier",
    "AuthorizationEnded",
    "PlanWithoutGrants",
)
authorized = struct(
    ("authorization", authorization),
    ("application", application),
    ("user", user),
    ("membership", version),
    ("code", raw(32)),
)
bindings = struct(
    ("redirect_uri", raw(32)),
    ("redirect_uri_sent", boolean),
    ("state", raw(32)),
    ("challenge", option(raw(32))),
)
gateway_right = enum("GatewayRight", "Introspect", "Authorize", "Report", "Revoke")
gateway_reach = struct(("rights", sequence(gateway_right)), ("accounts", sequence(account)))
address_range = enum(
    "AddressRange",
    ("V4", struct(("network", raw(4)), ("prefix", u8))),
    ("V6", struct(("network", raw(16)), ("prefix", u8))),
)
conditions = struct(("not_before", option(timestamp)), ("allowed_addresses", sequence(address_range)))
domain_state = enum("DomainState", "Hosted", "Registered", "Expired")
domain_facts = struct(
    ("registrant_id", option(u64)),
    ("state", domain_state),
    ("auto_renew", boolean),
    ("private_whois", boolean),
    ("trustee", boolean),
    ("expires_at", option(timestamp)),
)
zone_facts = struct(
    ("reverse", boolean),
    ("secondary", boolean),
    ("active", boolean),
    ("last_transferred_at", option(timestamp)),
)
certificate_facts = struct(
    ("common_name", text),
    ("alternate_names", sequence(text)),
    ("contact_id", option(u64)),
    ("years", u8),
    ("signing_request", text),
    ("issued", boolean),
    ("auto_renew", boolean),
    ("lets_encrypt", boolean),
    ("expires_at", option(timestamp)),
)
facts = enum("ResourceFacts", ("Domain", domain_facts), ("Zone", zone_facts), ("Certificate", certificate_facts))

header = struct(
    ("recorded_at", timestamp),
    ("account", account),
    ("account_number", u64),
    ("token", token),
    ("token_number", u64),
    ("principal", principal),
    ("credential", token),
    ("request", raw(16)),
)

shown = (("secret", u32), ("source", access_source), ("scope", option(scope)), ("route", route))
client = (("address", text), ("agent", text))
by = ("by", struct(("authority", authority), ("secret", u32), *client))

# (type number, schema version): name and payload.
TYPES = {
    (1, 1): ("LedgerInitialized", struct(("origin", string), ("log_vkey", string))),
    (2, 1): (
        "ScopeGroupDefined",
        struct(
            ("group", group),
            ("name", string),
            ("restrictable", boolean),
            ("has_write", boolean),
            ("needs_research", boolean),
        ),
    ),
    (3, 1): (
        "TextSeen",
        struct(("number", text), ("subject", subject), ("kind", text_kind), ("commitment", raw(32))),
    ),
    (4, 1): ("RecordingStarted", struct(("after_clean_stop", boolean))),
    (5, 1): ("RecordingStopped", struct(("appended", u64))),
    (6, 1): (
        "RecordingResumed",
        struct(("since", timestamp), ("cause", outage_cause), ("turned_away", u64)),
    ),
    (7, 1): (
        "ClockStepped",
        struct(
            ("seen_at", timestamp),
            ("kept", timestamp),
            ("wall", timestamp),
            ("followed", boolean),
            ("by", option(by[1])),
        ),
    ),
    (8, 1): (
        "LogContinued",
        struct(
            ("old_origin", string),
            ("old_vkey", string),
            ("last_checkpoint", string),
            ("lost_through", u64),
            ("origin", string),
            ("log_vkey", string),
        ),
    ),
    (59, 1): (
        "LogKeyRotated",
        struct(("old_vkey", string), ("log_vkey", string), ("signs_until", timestamp), by),
    ),
    (9, 1): (
        "PersonalDataErased",
        struct(("subject", subject), ("texts", sequence(pair(text, text))), by),
    ),
    (10, 1): (
        "UserCreated",
        struct(("user", user), ("email", text), ("name", text), ("hourly_limit", u64), by),
    ),
    (11, 1): (
        "AccountCreated",
        struct(("name", text), ("email", text), ("plan", plan), ("hourly_limit", u64), by),
    ),
    (12, 1): ("AccountRenamed", struct(("name", text), ("email", text), by)),
    (13, 1): ("PlanChanged", struct(("from", plan), ("to", plan), by)),
    (14, 1): ("HourlyLimitChanged", struct(("from", u64), ("to", u64), by)),
    (15, 1): ("ResearchActivated", struct(("monthly_cap", option(u64)), by)),
    (16, 1): ("ResearchDeactivated", struct(by)),
    (17, 1): ("MemberAdded", struct(("user", user), ("access", access), by)),
    (18, 1): ("MemberAccessChanged", struct(("user", user), ("access", access), by)),
    (19, 1): ("MemberRemoved", struct(("user", user), by)),
    (20, 1): ("ResourceAdded", struct(("resource", resource), ("name", text), ("facts", facts), by)),
    (21, 1): ("ResourceRemoved", struct(("resource", resource), by)),
    (30, 1): (
        "TokenCreated",
        struct(
            ("kind", token_kind),
            ("owner", owner),
            ("name", text),
            ("access", access),
            ("gateway", option(gateway_reach)),
            ("authorized", option(authorized)),
            ("secret", secret),
            ("expires_at", option(timestamp)),
            by,
        ),
    ),
    (31, 1): ("TokenRenamed", struct(("name", text), by)),
    (32, 1): ("TokenAccessChanged", struct(("access", access), by)),
    (33, 1): ("TokenExpiryChanged", struct(("expires_at", option(timestamp)), by)),
    (34, 1): (
        "TokenRotated",
        struct(("secret", secret), ("ends", u32), ("ends_at", timestamp), by),
    ),
    (35, 1): ("TokenDeleted", struct(("reason", end_reason), by)),
    (36, 1): (
        "TokenImported",
        struct(
            ("kind", token_kind),
            ("owner", owner),
            ("name", text),
            ("access", access),
            ("secret", secret),
            ("created_at", option(timestamp)),
            ("expires_at", option(timestamp)),
            by,
        ),
    ),
    (37, 1): ("GatewayRightsChanged", struct(("gateway", gateway_reach), by)),
    (38, 1): ("TokenConditionsChanged", struct(("conditions", conditions), by)),
    (40, 1): (
        "TokenUsed",
        struct(*shown, ("resource", resource), *client, ("general", u8), ("research", u8), ("outcome", outcome)),
    ),
    (41, 1): ("TokenUseRefused", struct(*shown, ("asked_account", account), *client, ("cause", cause))),
    (42, 1): (
        "RefusalsSummed",
        struct(
            ("counts", sequence(pair(cause, u64))),
            ("first", timestamp),
            ("last", timestamp),
            ("addresses", sequence(text)),
        ),
    ),
    (43, 1): (
        "QuotaRefusalsTotalled",
        struct(("user", user), ("window_opened_at", u64), ("counts", sequence(pair(token, u64)))),
    ),
    (44, 1): (
        "ManagementRefused",
        struct(("operation", operation), ("secret", u32), *client, ("cause", cause)),
    ),
    (45, 1): (
        "IdempotencyKeyKept",
        struct(("key", raw(16)), ("request", raw(16)), ("status", u16), ("subject", answer_subject)),
    ),
    (46, 1): ("ScopeMapDefined", struct(("map", u32), ("name", string), ("hash", raw(32)), ("routes", u32))),
    (48, 1): (
        "UseReported",
        struct(
            ("key", raw(16)),
            ("content", raw(16)),
            ("occurred_at", timestamp),
            ("known_position", u64),
            ("secret", u32),
            ("scope", option(scope)),
            ("mapped", option(mapped_route)),
            ("status", u16),
            ("address", text),
            ("flags", sequence(report_flag)),
            by,
        ),
    ),
    (50, 1): (
        "ScopeMapRejected",
        struct(("hash", option(raw(32))), ("cause", map_rejection), ("faults", u32), ("line", u32), ("kept", u32)),
    ),
    (51, 1): ("HistoryRead", struct(("asked", history_query), ("counted", option(counted_reads)), by)),
    (52, 1): ("HistoryStreamOpened", struct(("asked", history_query), by)),
    (53, 1): (
        "HistoryStreamClosed",
        struct(("opened", u64), ("through", u64), ("sent", u64), ("end", stream_end)),
    ),
    (58, 1): (
        "StateSealed",
        struct(("at_position", u64), ("seal_version", u8), ("streams_root", raw(32)), ("state_root", raw(32))),
    ),
    (54, 1): ("AccessReviewOpened", struct(*reviewed, ("at", timestamp), ("rows", u64), by)),
    (55, 1): (
        "AccessReviewDecided",
        struct(*reviewed, ("row", review_row), ("verdict", review_verdict), ("note", text), by),
    ),
    (56, 1): ("AccessReviewClosed", struct(*reviewed, ("counts", review_counts), by)),
    (60, 1): (
        "SignInLinkCreated",
        struct(("link", u64), ("who", principal), ("digest", raw(32)), ("expires_at", timestamp), by),
    ),
    (61, 1): ("SignInLinkUsed", struct(("link", u64), by)),
    (62, 1): ("SignInRefused", struct(("link", u64), *client, ("cause", sign_in_cause))),
    (64, 1): (
        "ApplicationRegistered",
        struct(
            ("application", application),
            ("client", raw(8)),
            ("name", text),
            ("redirect_uris", sequence(text)),
            ("kind", client_kind),
            ("secret", option(secret)),
            by,
        ),
    ),
    (65, 1): (
        "ApplicationChanged",
        struct(("application", application), ("name", text), ("redirect_uris", sequence(text)), by),
    ),
    (66, 1): (
        "ApplicationSecretRotated",
        struct(("application", application), ("secret", secret), ("ends", u32), ("ends_at", timestamp), by),
    ),
    (67, 1): ("ApplicationDeleted", struct(("application", application), by)),
    (68, 1): (
        "AuthorizationGranted",
        struct(
            ("authorization", authorization),
            ("application", application),
            ("user", user),
            ("membership", version),
            ("access", access),
            by,
        ),
    ),
    (69, 1): (
        "AuthorizationCodeIssued",
        struct(
            ("authorization", authorization),
            ("code", raw(32)),
            ("expires_at", timestamp),
            ("redirect_uri", text),
            ("bindings", bindings),
            by,
        ),
    ),
    (70, 1): (
        "CodeExchangeRefused",
        struct(("authorization", authorization), ("code", raw(32)), ("cause", exchange_fault), by),
    ),
    (71, 1): (
        "AuthorizationRevoked",
        struct(
            ("authorization", authorization),
            ("application", application),
            ("user", user),
            ("reason", end_reason),
            by,
        ),
    ),
}


def read_record(record, seen):
    """One record, every byte of it, and the numbers of the texts that it mentions."""
    if len(record) > RECORD_BYTES_MAX:
        raise BadRecord(f"has {len(record)} bytes, more than {RECORD_BYTES_MAX}")
    if len(record) < ENVELOPE_BYTES:
        raise BadRecord(f"has {len(record)} bytes, too few for an envelope")
    format_byte, type_number, schema_version = record[0], int.from_bytes(record[1:3], "little"), record[3]
    if format_byte != FORMAT:
        raise BadRecord(f"has the unknown format {format_byte}")
    reader = Reader(record, seen)
    reader.at = ENVELOPE_BYTES
    head = header(reader)
    if (type_number, schema_version) not in TYPES:
        raise BadRecord(f"is of the unknown type {type_number} version {schema_version}")
    type_name, payload = TYPES[type_number, schema_version]
    body = payload(reader)
    if reader.at < len(record):
        raise BadRecord(f"goes on for {len(record) - reader.at} bytes after its payload")
    decoded = {
        "type": type_number,
        "type_name": type_name,
        "version": schema_version,
        "header": head,
        "payload": body,
    }
    return decoded, reader.texts


# ---- records: end ----


def decode(record, seen):
    return read_record(record, seen)[0]


def from_hex(digits):
    """`bytes.fromhex` skips white space inside; a record has none."""
    try:
        if any(digit.isspace() for digit in digits):
            raise ValueError
        return bytes.fromhex(digits)
    except ValueError:
        raise BadRecord("is not a row of hexadecimal digit pairs") from None


def hex_records(lines):
    """Records with their numbers, from 1 in the order given."""
    for number, line in enumerate(lines, start=1):
        yield number, lambda digits=line.strip(): from_hex(digits)


def stored_records(path, first, end):
    """Records with their positions. A missing position is a bad record: the log has no gaps."""
    name = pathlib.Path(path).resolve().as_uri() + "?mode=ro"
    connection = sqlite3.connect(name, uri=True)
    expected = first
    # In short transactions, because a reader that stays open keeps the write-ahead log from being reused.
    while rows := connection.execute(
        "SELECT position, record FROM events WHERE position >= ? AND position < ? ORDER BY position LIMIT 4096",
        (expected, end),
    ).fetchall():
        for position, record in rows:
            for missing in range(expected, position):
                yield missing, missing_record
            yield position, lambda stored=record: stored
            expected = position + 1


def missing_record():
    raise BadRecord("is missing")


def print_records(records, with_position):
    """Prints each good record, names each bad one; whether all were good."""
    good = True
    for number, read in records:
        try:
            decoded = decode(read(), set())
        except BadRecord as reason:
            print(f"record {number}: {reason}", file=sys.stderr)
            good = False
            continue
        print(json.dumps(({"position": number} if with_position else {}) | decoded))
    return good


def golden_faults(entries):
    """What is wrong with golden records, or missing from them, by name."""
    seen, types = set(), set()
    for entry in entries:
        try:
            decoded = decode(from_hex(entry["hex"]), seen)
        except BadRecord as reason:
            yield f"{entry['name']}: {reason}"
            continue
        types.add((decoded["type"], decoded["version"]))
        for field, value in decoded.items():
            if entry.get(field) != value:
                yield f"{entry['name']}: {field} is {json.dumps(value)}, the file says {json.dumps(entry.get(field))}"
    for key in sorted(TYPES.keys() - types):
        yield f"{TYPES[key][0]} version {key[1]} has no golden record"
    for wanted in sorted(everything_to_be_met() - seen):
        yield f"{wanted} is met in no golden record"


def everything_to_be_met():
    wanted = {f"{name}::{variant}" for name, variants in ENUMS.items() for variant in variants}
    wanted |= {f"u64 varint {value}" for value in VARINT_BOUNDARIES}
    wanted |= {f"u32 varint {value}" for value in VARINT_BOUNDARIES if value < 2**32}
    wanted |= {f"u16 varint {value}" for value in VARINT_BOUNDARIES if value < 2**16}
    return wanted | {"bool 0", "bool 1", "option 0", "option 1", "list, empty", "list, filled"}


def check_golden(path):
    entries = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    faults = list(golden_faults(entries))
    for fault in faults:
        print(fault, file=sys.stderr)
    return not faults


def print_types():
    for (number, schema_version), (name, _) in sorted(TYPES.items()):
        print(number, schema_version, name)
    return True


def print_enums():
    print(json.dumps(ENUMS))
    return True


def arguments():
    parser = argparse.ArgumentParser(description="Decodes ledger records (schema/codec.md).")
    parser.add_argument("hex", nargs="*", help="records in hexadecimal; none: one a line from standard input")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--db", metavar="LEDGER.DB", help="read records from this ledger file, read-only")
    what.add_argument("--types", action="store_true", help="list type number, schema version and name")
    what.add_argument("--enums", action="store_true", help="print every enumeration with its variants in order")
    what.add_argument("--check", metavar="RECORDS.JSON", help="check golden records")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="P", help="first position of --db")
    parser.add_argument("--to", dest="end", type=int, default=2**63 - 1, metavar="P", help="position to stop before")
    return parser.parse_args()


def run(asked):
    if asked.types:
        return print_types()
    if asked.enums:
        return print_enums()
    if asked.check:
        return check_golden(asked.check)
    if asked.db:
        return print_records(stored_records(asked.db, asked.first, asked.end), with_position=True)
    return print_records(hex_records(asked.hex or sys.stdin), with_position=False)


if __name__ == "__main__":
    sys.exit(0 if run(arguments()) else 1)
