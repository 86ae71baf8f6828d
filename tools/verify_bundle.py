#!/usr/bin/env python3
"""Checks an evidence bundle of a token ledger offline, and says in sentences what it proves and what it does not.

It shares no code with the service: written from schema/bundle.md, schema/seals.md and schema/codec.md, from RFC 6962
and from C2SP signed-note and tlog-checkpoint. One file; it needs Python's standard library and `cryptography`.

    tools/verify_bundle.py --vkey VKEY evidence.jsonl
    tools/verify_bundle.py --checkpoint kept [--consistency proof] evidence.jsonl

What is trusted is given by whoever checks: a verifier key of the log, a checkpoint that was kept, or both. A
consistency proof (the service's /proof/consistency, or `token-ledger proof consistency`) joins a kept checkpoint of
another size to the bundle's. Every fault is a line that says where and what; if there is any, nothing of the file is
to be relied on.

Exit codes: 0 all of it verifies, 1 something is wrong, 2 wrong usage, 74 a file could not be read.
"""

import argparse
import base64
import datetime
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KIND = "token-ledger-evidence"
BUNDLE_VERSION = 1
SEAL_VERSION = 1
WIDTH = 256
HASH_BYTES = 32
LINE_BYTES_MAX = 1 << 20
NOTE_BYTES_MAX = 64 * 1024
SIGNATURE_LINES_MAX = 32
PROOF_BYTES_MAX = 2 * NOTE_BYTES_MAX
PROOF_HASHES_MAX = 63
SIZE_MAX = 2**63 - 1
NUMBERS_TOLD = 20
UNREADABLE = 74
ED25519 = 1

# The part between the marks stands, letter by letter, in tools/decode_record.py too, where golden records hold it.
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


class Fault(Exception):
    """Something that is not what it must be, as a sentence."""


class Broken(Exception):
    """The file cannot be gone through any further: why is among the findings."""


def leaf_hash(record):
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def empty_root():
    return hashlib.sha256(b"").digest()


# ---- Signed notes and checkpoints ----


def from_base64(text):
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise Fault("it is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise Fault("it is not the one spelling of its bytes in base64")
    return decoded


def hash_from(text):
    hashed = from_base64(text)
    if len(hashed) != HASH_BYTES:
        raise Fault("it is no hash")
    return hashed


class VerifierKey:
    """`name+hex(id)+base64(type || key)`, of an Ed25519 key (signed-note)."""

    def __init__(self, text):
        parts = text.split("+", 2)
        if len(parts) != 3 or not is_key_name(parts[0]):
            raise Fault("a verifier key is name+id+key")
        self.text = text
        self.name, id_digits, typed = parts[0], parts[1], from_base64(parts[2])
        if len(typed) != 1 + HASH_BYTES or typed[0] != ED25519:
            raise Fault("the verifier key is not of an Ed25519 key")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:4]
        if self.id.hex() != id_digits:
            raise Fault("the id of the verifier key is not the one of its name and key")
        self.key = Ed25519PublicKey.from_public_bytes(typed[1:])

    def named(self):
        return f"{self.name} ({self.id.hex()})"


def is_key_name(name):
    return name != "" and not any(letter == "+" or letter.isspace() or letter < " " for letter in name)


def vkey(text):
    try:
        return VerifierKey(text)
    except Fault as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def signature_lines(note):
    """The text of a note, and its signatures as (name, id, signature)."""
    if len(note.encode()) > NOTE_BYTES_MAX or any(letter < " " and letter != "\n" for letter in note):
        raise Fault("it is no signed note")
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Fault("it is no signed note")
    found = []
    for line in lines[:-1].split("\n"):
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = from_base64(encoded)
        if mark != "\u2014" or not is_key_name(name) or len(signature) < 5:
            raise Fault("a signature line is malformed")
        found.append((name, signature[:4], signature[4:]))
    if len(found) > SIGNATURE_LINES_MAX:
        raise Fault("it has too many signatures")
    return text + "\n", found


class Checkpoint:
    """Origin, size and root, as the three lines before the first empty one say them. Nothing is verified."""

    def __init__(self, note):
        body, gap, _ = note.partition("\n\n")
        lines = body.split("\n")
        if not gap or len(lines) != 3:
            raise Fault("it is no checkpoint")
        self.origin = lines[0]
        if not self.origin or any(letter < " " for letter in self.origin):
            raise Fault("it is no checkpoint")
        self.size = decimal(lines[1])
        self.root = hash_from(lines[2])
        if self.size == 0 and self.root != empty_root():
            raise Fault("it is no checkpoint")
        self.body = body + "\n"

    def is_same(self, other):
        return (self.origin, self.size, self.root) == (other.origin, other.size, other.root)


def decimal(text):
    if not re.fullmatch("0|[1-9][0-9]{0,19}", text) or int(text) >= 2**64:
        raise Fault("it is no number")
    return int(text)


def checkpoint_of(note):
    try:
        return Checkpoint(note)
    except Fault:
        return None


class Proof:
    """A consistency proof as a tlog-witness takes it: the older size, hashes, the newer checkpoint."""

    def __init__(self, text):
        head, gap, note = text.partition("\n\n")
        lines = head.split("\n")
        if len(text.encode()) > PROOF_BYTES_MAX or not gap or not lines[0].startswith("old "):
            raise Fault("it is no consistency proof")
        if len(lines) > 1 + PROOF_HASHES_MAX:
            raise Fault("it is no consistency proof")
        self.old = decimal(lines[0].removeprefix("old "))
        self.hashes = [hash_from(line) for line in lines[1:]]
        self.checkpoint = checkpoint_of(note)


def grew(old, new, hashes):
    """Whether the tree of one checkpoint begins with that of the other (RFC 9162 2.1.4.2)."""
    if old.size == new.size:
        return not hashes and old.root == new.root
    if old.size == 0:
        return not hashes
    if old.size > new.size or not (hashes or old.size & (old.size - 1) == 0):
        return False
    hashes = list(hashes)
    if old.size & (old.size - 1) == 0:
        hashes.insert(0, old.root)
    node, last = old.size - 1, new.size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_hash = new_hash = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_hash, new_hash = node_hash(sibling, old_hash), node_hash(sibling, new_hash)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new_hash = node_hash(new_hash, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and (old_hash, new_hash) == (old.root, new.root)


def included_root(leaf, index, size, proof):
    """The root that an inclusion proof leads to; none if it has the wrong length (RFC 9162 2.1.3.2)."""
    node, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            hashed = node_hash(sibling, hashed)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        node, last = node >> 1, last >> 1
    return hashed if last == 0 else None


# ---- Lines ----


def is_number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def is_text(value):
    return isinstance(value, str)


def is_texts(value):
    return isinstance(value, list) and all(is_text(item) for item in value)


def is_pair(value):
    return isinstance(value, list) and len(value) == 2 and all(is_number(item) for item in value)


def is_true(value):
    return value is True


SELECTION = {"token": is_number, "account": is_number, "from": is_text, "to": is_text}


def is_selection(value):
    return isinstance(value, dict) and all(name in SELECTION and SELECTION[name](value[name]) for name in value)


# By kind, every member with what it must be. A line has all of them and no other.
LINES = {
    "head": {"bundle": is_text, "version": is_number, "origin": is_text, "selection": is_selection},
    "checkpoint": {"checkpoint": is_text},
    "vkeys": {"vkeys": is_texts},
    "grown_from": {"grown_from": is_text, "hashes": is_texts},
    "node": {"covers": is_pair, "hash": is_text},
    "record": {"position": is_number, "leaf": is_text, "record": is_text},
    "text": {"text": is_number, "salt": is_text, "value": is_text},
    "erased": {"text": is_number, "erased": is_true},
    "withheld": {"text": is_number, "withheld": is_true},
    "seal": {"seal": is_number, "entries": is_number},
    "entry": {"entry": is_number, "key": is_text, "value": is_text, "proof": is_texts},
    "end": {"end": is_true, "records": is_number, "texts": is_number},
}


def once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member comes twice")
    return members


def no_constant(name):
    raise ValueError(f"{name} is no number")


def no_minus(digits):
    # -0 is a number less than no other, and no position.
    if digits.startswith("-"):
        raise ValueError(f"{digits} is no number of a bundle")
    return int(digits)


def parse_line(data):
    """The kind and members of a line; none if it is no line of a bundle."""
    try:
        members = json.loads(
            data.decode(), object_pairs_hook=once, parse_constant=no_constant, parse_int=no_minus
        )
        json.dumps(members, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if isinstance(members, dict):
        for kind, wanted in LINES.items():
            if members.keys() == wanted.keys() and all(test(members[name]) for name, test in wanted.items()):
                return kind, members
    return None


class Lines:
    """The lines of a file, one ahead."""

    def __init__(self, file):
        self.file = file
        self.number = 0
        self.ahead = None

    def next(self):
        """The next line; "end" behind the last, none where something else stands."""
        if self.ahead is not None:
            line, self.ahead = self.ahead, None
            return line
        data = self.file.readline(LINE_BYTES_MAX + 1)
        if not data:
            return "end"
        self.number += 1
        return parse_line(data[:-1]) if data.endswith(b"\n") else None


# ---- Selection ----


EPOCH = datetime.datetime(1970, 1, 1)


def time_text(micros):
    try:
        return (EPOCH + datetime.timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    except OverflowError:
        return f"{micros} microseconds after 1970"


def time_from(text):
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", text):
        raise Fault("it is no time")
    try:
        at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        raise Fault("it is no time") from None
    if at < EPOCH:
        raise Fault("it is no time")
    return (at - EPOCH) // datetime.timedelta(microseconds=1)


class Selection:
    """Which records the bundle is about. Streams are (token, account), those of accounts (0, account)."""

    def __init__(self, members):
        self.token = members.get("token")
        self.account = members.get("account")
        self.start = time_from(members["from"]) if "from" in members else None
        self.end = time_from(members["to"]) if "to" in members else None
        named = self.token if self.token is not None else self.account
        if not named:
            raise Fault("it names nothing")

    def place(self, header):
        """The stream that a record is in, and its number there; none if it is in none of these."""
        if self.token is not None:
            if header["token"] != self.token or self.account not in (None, header["account"]):
                return None
            return (self.token, header["account"]), header["token_number"]
        if header["account"] != self.account:
            return None
        return (0, self.account), header["account_number"]

    def is_before(self, at):
        return self.start is not None and at < self.start

    def is_after(self, at):
        return self.end is not None and at >= self.end

    def holds(self, at):
        return not self.is_before(at) and not self.is_after(at)

    def key_prefix(self):
        """How the keys of its streams begin in the map of a seal."""
        if self.token is None:
            return b"\x01" + self.account.to_bytes(8, "big")
        account = b"" if self.account is None else self.account.to_bytes(8, "big")
        return b"\x02" + self.token.to_bytes(8, "big") + account

    def stream_of_key(self, key):
        if self.token is None:
            return (0, self.account)
        return (self.token, int.from_bytes(key[9:], "big")) if len(key) == 17 else None

    def what(self):
        if self.token is not None and self.account is None:
            return f"token {self.token}"
        return stream_name((self.token or 0, self.account))

    def told(self):
        start = f" from {time_text(self.start)}" if self.start is not None else ""
        end = f" before {time_text(self.end)}" if self.end is not None else ""
        return f"{self.what()}{start}{end}"


def stream_name(stream):
    token, account = stream
    if token == 0:
        return f"account {account}"
    return f"token {token} in account {account}" if account else f"token {token} on no account"


def missing_positions(first, last):
    return f"position {first} is" if first == last else f"positions {first} to {last} are"


def missing_numbers(first, last):
    return f"its record {first} is" if first == last else f"its records {first} to {last} are"


# ---- The tree ----


class Node:
    """A hash over positions."""

    def __init__(self, first, last, hashed):
        self.first, self.last, self.hash = first, last, hashed
        self.width = last - first + 1

    def name(self):
        return f"positions {self.first} to {self.last}"

    def is_full(self):
        return self.width & (self.width - 1) == 0 and (self.first - 1) % self.width == 0

    def is_of_tiles(self, size):
        is_last = self.last == size and self.width < WIDTH and (self.first - 1) % WIDTH == 0
        return self.last <= size and (is_last or (self.is_full() and self.width >= WIDTH))


def node_from(members):
    """The node of a line; none if it is none."""
    first, last = members["covers"]
    try:
        hashed = hash_from(members["hash"])
    except Fault:
        return None
    return Node(first, last, hashed) if 0 < first <= last else None


class Row:
    """Hashes side by side from the left, joined wherever two of one width meet."""

    def __init__(self, following):
        self.next = following
        self.peaks = []

    def add(self, node):
        self.next = node.last + 1
        width, hashed = node.width, node.hash
        while self.peaks and self.peaks[-1][0] == width:
            hashed = node_hash(self.peaks.pop()[1], hashed)
            width *= 2
        self.peaks.append((width, hashed))

    def root(self):
        if not self.peaks:
            return empty_root()
        root = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


class Opened:
    """A tile whose records are being read."""

    def __init__(self, tile, is_whole):
        self.tile, self.is_whole = tile, is_whole
        self.row = Row(tile.first)


# ---- What the records say ----


class Shown:
    """A record of a selected stream."""

    def __init__(self, position, number, at, is_use):
        self.position, self.number, self.at, self.is_use = position, number, at, is_use


class Reading:
    """What is gathered from the records while they are read."""

    def __init__(self, selection):
        self.selection = selection
        self.records = 0
        self.last_at = 0
        self.shown = {}
        self.types = {}
        self.ends = None
        self.commitments = {}
        self.erased = []
        self.mentioned = {}
        # (position, origin, verifier key), oldest first.
        self.keys = []
        self.seals = {}
        self.listed = None

    def take(self, position, decoded, texts, add):
        header, payload, name = decoded["header"], decoded["payload"], decoded["type_name"]
        self.records += 1
        at = header["recorded_at"]
        if at < self.last_at:
            add(f"position {position}", "it was recorded before the record before it")
        self.last_at = at
        if name in ("LedgerInitialized", "LogContinued"):
            self.keys.append((position, payload["origin"], payload["log_vkey"]))
        elif name == "LogKeyRotated" and self.keys:
            self.keys.append((position, self.keys[-1][1], payload["log_vkey"]))
        elif name == "TextSeen":
            self.commitments[payload["number"]] = (bytes.fromhex(payload["commitment"]), position)
            texts = []
        elif name == "PersonalDataErased":
            self.erased.extend((first, last, position) for first, last in payload["texts"])
            texts = [number for number in (payload["by"]["address"], payload["by"]["agent"]) if number]
        elif name == "StateSealed":
            self.seals[position] = payload
        place = self.selection.place(header)
        if place is None:
            return
        stream, number = place
        self.shown.setdefault(stream, []).append(Shown(position, number, at, name == "TokenUsed"))
        if not self.selection.holds(at):
            return
        self.types[name] = self.types.get(name, 0) + 1
        self.ends = (self.ends[0] if self.ends else position, position)
        for mentioned in texts:
            self.mentioned.setdefault(mentioned, position)
        if self.listed is not None:
            self.listed({"position": position} | decoded)

    def fault_of_text(self, members):
        """Why a text with its salt is not what a record commits to; none if it is."""
        if members["text"] not in self.commitments:
            return "no record here commits to it"
        committed, position = self.commitments[members["text"]]
        try:
            salt = from_base64(members["salt"])
        except Fault:
            salt = b""
        if len(salt) != 32 or hashlib.sha256(salt + members["value"].encode()).digest() != committed:
            return f"text and salt are not what position {position} commits to"
        return None

    def erased_at(self, number):
        return next((position for first, last, position in self.erased if first <= number <= last), None)


class Judged:
    """What came of one stream."""

    def __init__(self, stream, within, before, after, whole, uses, last):
        self.stream, self.before, self.after, self.whole = stream, before, after, whole
        self.numbers = (within[0].number, within[-1].number) if within else None
        self.uses, self.last = uses, last


ASKED, SEALED, SHOWN = "asked", "sealed", "shown"


def judge_stream(stream, shown, selection, seal, sealed, add):
    """Whether the records of a stream are all of it, as far as anybody can tell."""
    name = stream_name(stream)
    before = [record for record in shown if selection.is_before(record.at)][-1:]
    after = [record for record in shown if selection.is_after(record.at)][:1]
    within = [record for record in shown if selection.holds(record.at)]
    row = before + within + after
    if row and row[0].number != 1 and not selection.is_before(row[0].at):
        add(name, f"{missing_numbers(1, row[0].number - 1)} missing before position {row[0].position}")
    for one, following in zip(row, row[1:]):
        if following.number <= one.number:
            add(name, f"position {following.position} has number {following.number} after {one.number}")
        elif following.number != one.number + 1:
            gap = missing_numbers(one.number + 1, following.number - 1)
            add(name, f"{gap} missing between positions {one.position} and {following.position}")
    if seal is not None:
        judge_by_seal(name, shown, row, bool(after), seal, sealed, add)
    if after:
        whole = ASKED
    elif seal is None:
        whole = SHOWN
    else:
        whole = ASKED if selection.end is not None and seal.time >= selection.end else SEALED
    uses = [record for record in within if record.is_use]
    until_seal = [record for record in uses if seal is not None and record.position <= seal.at]
    last = row[-1].position if row else 0
    return Judged(
        stream,
        within,
        before[0] if before else None,
        after[0] if after else None,
        whole,
        (len(uses), len(until_seal)),
        last,
    )


def judge_by_seal(name, shown, row, is_bounded, seal, sealed, add):
    """The seal and the records say the same, and nothing up to it is missing at the end."""
    last, position = sealed
    for record in shown:
        fits = (record.position <= seal.at) == (record.number <= last)
        if not fits or (record.number == last) != (record.position == position):
            add(
                name,
                f"position {record.position} is its record {record.number}, but the seal of position {seal.at} says "
                f"that {last} at position {position} was its last",
            )
            return
    number = row[-1].number if row else 0
    if not is_bounded and number < last:
        gap = missing_numbers(number + 1, last)
        add(name, f"{gap} missing: position {seal.at} was sealed with {last} records")


class Seal:
    """A seal whose map was looked into."""

    def __init__(self, record, at, time, streams):
        self.record, self.at, self.time, self.streams = record, at, time, streams


class Entry:
    """An entry of a map of streams."""

    def __init__(self, members):
        self.index = members["entry"]
        self.key, self.value = from_base64(members["key"]), from_base64(members["value"])
        self.proof = [hash_from(text) for text in members["proof"]]

    def is_in(self, count, root):
        if self.index >= count or len(self.key) > 65_535:
            return False
        leaf = leaf_hash(len(self.key).to_bytes(2, "big") + self.key + self.value)
        tree_root = included_root(leaf, self.index, count, self.proof)
        if tree_root is None:
            return False
        return hashlib.sha256(b"\x02" + count.to_bytes(8, "big") + tree_root).digest() == root

    def pair(self):
        if len(self.value) != 16:
            return None
        return int.from_bytes(self.value[:8], "big"), int.from_bytes(self.value[8:], "big")


def are_whole(entries, count, prefix):
    """Whether the entries that begin with a prefix are all of these in their map: no index between them and their
    neighbours, or the ends of the map, is left out."""
    first = next((at for at, entry in enumerate(entries) if entry.key >= prefix), len(entries))
    end = first
    while end < len(entries) and entries[end].key.startswith(prefix):
        end += 1
    around = entries[max(first - 1, 0) : end + 1]
    if not around:
        return count == 0
    for one, following in zip(around, around[1:]):
        if following.index != one.index + 1 or one.key >= following.key:
            return False
    begins = around[0].index == 0 or around[0].key < prefix
    last = around[-1]
    is_past = last.key > prefix and not last.key.startswith(prefix)
    return begins and (is_past or last.index + 1 == count)


# ---- The check ----


class Texts:
    """Texts of a bundle, by what is said of them."""

    def __init__(self):
        self.given, self.erased, self.withheld = [], [], []

    def all(self):
        return len(self.given) + len(self.erased) + len(self.withheld)

    def judge(self, reading, add):
        for number in self.erased:
            if reading.erased_at(number) is None:
                add(f"text {number}", "it is said to be erased, and no record here says so")
        for number in self.given:
            position = reading.erased_at(number)
            if position is not None:
                add(f"text {number}", f"it is here, though position {position} says it was erased")
        named = {*self.given, *self.erased, *self.withheld}
        for number, position in sorted(reading.mentioned.items()):
            if number not in named:
                add(f"text {number}", f"position {position} names it, and nothing is said of it here")


class Check:
    """One run: the file, what is trusted, and what was found wrong."""

    def __init__(self, file, keys, checkpoint, consistency, listed=None):
        self.lines = Lines(file)
        self.keys, self.given_note, self.consistency = keys, checkpoint, consistency
        self.listed = listed
        self.findings = []

    def add(self, place, what):
        self.findings.append((place, what))

    def here(self):
        return f"line {self.lines.number}"

    def broken(self, place, what):
        self.add(place, what)
        return Broken()

    def next(self):
        line = self.lines.next()
        if line == "end":
            raise self.broken(self.here(), "the file ends here, before its last line: it is cut off")
        if line is None:
            raise self.broken(self.here(), "it is no line of a bundle")
        return line

    def expect(self, kind, what):
        found, members = self.next()
        if found != kind:
            raise self.broken(self.here(), f"{what} was to come here")
        return members

    def run(self):
        """Everything; gives the sentences, or none if something is wrong."""
        try:
            self.head()
            tiles = self.tiles()
            self.reading = Reading(self.selection)
            self.reading.listed = self.listed
            self.records(tiles)
            self.texts = self.read_texts()
            said = self.read_seal()
            self.end()
            self.judge_keys()
            self.texts.judge(self.reading, self.add)
            self.judge_streams(said)
        except Broken:
            return None
        return None if self.findings else Told(self)

    # -- head --

    def head(self):
        said = self.expect("head", "the first line of a bundle")
        if (said["bundle"], said["version"]) != (KIND, BUNDLE_VERSION):
            raise self.broken("line 1", "it is no evidence bundle of version 1")
        try:
            self.selection = Selection(said["selection"])
        except Fault:
            raise self.broken("line 1", "the selection is none that a bundle can be about") from None
        note = self.expect("checkpoint", "the checkpoint")["checkpoint"]
        self.checkpoint = checkpoint_of(note)
        if self.checkpoint is None:
            raise self.broken("checkpoint", "it is no checkpoint (C2SP tlog-checkpoint)")
        if self.checkpoint.origin != said["origin"]:
            self.add("checkpoint", f"it is of {self.checkpoint.origin}, the bundle of {said['origin']}")
        self.signers = self.judge_signatures(note)
        self.vkeys = self.expect("vkeys", "the log's verifier keys")["vkeys"]
        own = self.grown_from()
        self.given = self.judge_given(own)

    def judge_signatures(self, note):
        signers = []
        for key in self.keys:
            try:
                text, found = signature_lines(note)
                Checkpoint(text + "\n")
                if text.count("\n") != 3:
                    raise Fault("it is more than the three lines of a checkpoint")
            except Fault:
                self.add("checkpoint", "it is no signed note (C2SP signed-note)")
                continue
            by_key = [signature for name, key_id, signature in found if (name, key_id) == (key.name, key.id)]
            try:
                for signature in by_key:
                    key.key.verify(signature, text.encode())
            except InvalidSignature:
                self.add("checkpoint", f"the signature by {key.named()} is wrong")
                continue
            if by_key and key.name != self.checkpoint.origin:
                self.add("checkpoint", f"{key.named()} signed it, which is not the key of {self.checkpoint.origin}")
            elif by_key:
                signers.append(key)
        if self.keys and not signers and not self.findings:
            self.add("checkpoint", "it is signed by none of the keys that were given")
        return signers

    def grown_from(self):
        """The older checkpoint that the bundle itself shows the log to have grown out of."""
        line = self.next()
        if line[0] != "grown_from":
            self.lines.ahead = line
            return None
        old = checkpoint_of(line[1]["grown_from"])
        try:
            hashes = [hash_from(text) for text in line[1]["hashes"]]
        except Fault:
            hashes = None
        if old is None or hashes is None:
            raise self.broken(self.here(), "it is no checkpoint with hashes")
        size = self.checkpoint.size
        if old.origin != self.checkpoint.origin or not grew(old, self.checkpoint, hashes):
            self.add(self.here(), f"the hashes do not show the log of size {size} to begin with that of {old.size}")
            return None
        return old

    def judge_given(self, own):
        """Holds the checkpoint that was given against the bundle's; its size if they belong together."""
        if self.given_note is None:
            return None
        given, now = checkpoint_of(self.given_note), self.checkpoint
        if given is None:
            self.add("the checkpoint given", "it is no checkpoint (C2SP tlog-checkpoint)")
            return None
        what = self.fault_of_given(given, now, own)
        if what is None:
            return given.size
        self.add("the checkpoint given", what)
        return None

    def fault_of_given(self, given, now, own):
        if given.origin != now.origin:
            return f"it is of another log, {given.origin}"
        if given.size == now.size:
            if given.root == now.root:
                return None
            return f"it has another root at size {now.size} than the bundle's: one of them is of a fork"
        if self.consistency is not None:
            try:
                proof = Proof(self.consistency)
            except Fault:
                return "the proof given with it is no consistency proof"
            old, new = (given, now) if given.size < now.size else (now, given)
            is_of_it = proof.old == old.size and proof.checkpoint is not None and proof.checkpoint.is_same(new)
            if is_of_it and grew(old, new, proof.hashes):
                return None
            return f"the proof given does not join its size {given.size} and the bundle's {now.size}"
        if own is not None and own.size == given.size:
            if own.root == given.root:
                return None
            return f"it has another root at size {given.size} than the bundle's own older checkpoint: a fork"
        return (
            f"nothing shows how its size {given.size} and the bundle's {now.size} belong together: "
            "a consistency proof is needed"
        )

    # -- tree --

    def tiles(self):
        """The hashes of all tiles or of wider parts, by their first positions: together they have the signed root."""
        size = self.checkpoint.size
        if size > SIZE_MAX:
            raise self.broken("checkpoint", f"no log is of size {size}")
        tiles, row = {}, Row(1)
        while row.next <= size:
            node = node_from(self.expect("node", f"a hash over positions from {row.next}"))
            if node is None:
                raise self.broken(self.here(), "it is no hash over positions")
            if node.first != row.next or not node.is_of_tiles(size):
                what = f"the hash is of {node.name()}, one from position {row.next} on was to come"
                raise self.broken(self.here(), what)
            row.add(node)
            tiles[node.first] = node
        if row.root() != self.checkpoint.root:
            what = f"the hashes do not lead to the root of the checkpoint, of size {size}"
            self.add(f"positions 1 to {size}", what)
        return tiles

    def records(self, tiles):
        opened, following, size = None, 1, self.checkpoint.size
        while True:
            line = self.next()
            kind, members = line
            if kind not in ("node", "record"):
                self.lines.ahead = line
                break
            first, last = members["covers"] if kind == "node" else (members["position"], members["position"])
            if first == 0 or first > last or last > size:
                what = f"there are no positions {first} to {last} in a tree of size {size}"
                raise self.broken(self.here(), what)
            if opened is not None and first > opened.tile.last:
                following = max(following, opened.tile.last + 1)
                self.close(opened)
                opened = None
            if opened is None:
                opened = self.open(tiles, first, following)
            self.item(opened, first, last, kind, members)
        if opened is not None:
            self.close(opened)

    def open(self, tiles, first, following):
        """The tile that a position is in: its hash is among those that lead to the root."""
        start = (first - 1) // WIDTH * WIDTH + 1
        tile = tiles.get(start)
        if tile is not None and tile.last - tile.first >= WIDTH:
            tile = None
        is_whole = tile is not None and start >= following
        tile = tile or Node(start, start + WIDTH - 1, b"")
        if start < following:
            self.add(self.here(), f"position {first} comes again, or too late")
        elif not is_whole:
            self.add(self.here(), f"the tree has no hash of its own for {tile.name()}")
        return Opened(tile, is_whole)

    def item(self, opened, first, last, kind, members):
        """One record or hash within a tile. Behind the first fault nothing of the tile is looked at."""
        if not opened.is_whole:
            return
        following = opened.row.next
        if first != following:
            opened.is_whole = False
            if first < following:
                what = f"position {first} comes again, or too late: position {following} was to come"
            else:
                what = f"{missing_positions(following, first - 1)} missing before it"
            self.add(self.here(), what)
            return
        if kind == "record":
            node = self.record(members)
        else:
            node = node_from(members)
            node = node if node is not None and node.is_full() and last <= opened.tile.last else None
        if node is None:
            opened.is_whole = False
            self.add(self.here(), "it is no record, nor a hash over positions")
            return
        opened.row.add(node)

    def record(self, members):
        position = members["position"]
        try:
            leaf, record = hash_from(members["leaf"]), from_base64(members["record"])
        except Fault:
            return None
        place = f"position {position} ({self.here()})"
        if leaf_hash(record) != leaf:
            self.add(place, "the record is not the one that its leaf hash is of")
            return Node(position, position, leaf)
        try:
            decoded, texts = read_record(record, set())
        except BadRecord:
            self.add(place, "the record cannot be read")
        else:
            self.reading.take(position, decoded, texts, self.add)
        return Node(position, position, leaf)

    def close(self, opened):
        if not opened.is_whole:
            return
        tile, following = opened.tile, opened.row.next
        if following <= tile.last:
            what = f"{missing_positions(following, tile.last)} missing: they are in the tree and not here"
            self.add(tile.name(), what)
        elif opened.row.root() != tile.hash:
            self.add(tile.name(), "the records and hashes here are not those of the tree")

    # -- behind the tree --

    def read_texts(self):
        texts, before = Texts(), None
        while True:
            line = self.next()
            kind, members = line
            if kind not in ("text", "erased", "withheld"):
                self.lines.ahead = line
                return texts
            number = members["text"]
            if before is not None and number <= before:
                self.add(self.here(), f"text {number} comes again, or too late")
            before = number
            if kind == "text":
                texts.given.append(number)
                what = self.reading.fault_of_text(members)
                if what is not None:
                    self.add(f"text {number} ({self.here()})", what)
            else:
                (texts.erased if kind == "erased" else texts.withheld).append(number)

    def read_seal(self):
        line = self.next()
        if line[0] != "seal":
            self.lines.ahead = line
            return None
        entries = []
        while True:
            entry = self.next()
            if entry[0] != "entry":
                self.lines.ahead = entry
                return line[1]["seal"], line[1]["entries"], entries
            try:
                entries.append(Entry(entry[1]))
            except Fault:
                raise self.broken(self.here(), "it is no entry of a seal") from None

    def end(self):
        said = self.expect("end", "the last line of a bundle")
        records, texts = self.reading.records, self.texts.all()
        if (said["records"], said["texts"]) != (records, texts):
            self.add(
                self.here(),
                f"it says {said['records']} records and {said['texts']} texts, "
                f"{records} records and {texts} texts are here",
            )
        if self.lines.next() != "end":
            raise self.broken(self.here(), "something follows the last line of the bundle")

    def judge_keys(self):
        """Holds the keys of the bundle, and those that have signed, against what the records say."""
        if [key for _, _, key in reversed(self.reading.keys)] != self.vkeys:
            self.add("the log's verifier keys", "they are not those that the records here name")
        for signer in self.signers:
            if self.named_at(signer.text) is None:
                self.add("checkpoint", f"it is signed by {signer.named()}, a key that the records here do not name")

    def named_at(self, text):
        return next((position for position, _, key in self.reading.keys if key == text), None)

    def judge_streams(self, said):
        self.seal = self.judge_seal(*said) if said is not None else None
        streams = dict.fromkeys(self.reading.shown, (0, 0))
        if self.seal is not None:
            streams.update(self.seal.streams)
        self.judged = [
            judge_stream(stream, self.reading.shown.get(stream, []), self.selection, self.seal, sealed, self.add)
            for stream, sealed in sorted(streams.items())
        ]

    def judge_seal(self, record, count, entries):
        """The seal, if its entries are those of the map that its record commits to and none is left out."""
        place = f"the seal at position {record}"
        sealed = self.reading.seals.get(record)
        if sealed is None:
            return self.add(place, "its record is not here")
        at = sealed["at_position"]
        if sealed["seal_version"] != SEAL_VERSION:
            return self.add(place, f"it is of version {sealed['seal_version']}, which is not known here")
        root = bytes.fromhex(sealed["streams_root"])
        for entry in entries:
            if not entry.is_in(count, root):
                return self.add(place, f"entry {entry.index} is not in the map that the record commits to")
        of_log = next((entry.pair() for entry in entries if entry.key == b"\x00"), None)
        if of_log is None:
            return self.add(place, "the entry of the log is not here")
        if of_log[0] != at or at >= record or at > self.checkpoint.size:
            return self.add(place, f"it is about position {at}, its map about position {of_log[0]}")
        prefix = self.selection.key_prefix()
        if not are_whole(entries, count, prefix):
            what = f"its entries do not show which streams of {self.selection.what()} there were"
            return self.add(place, what)
        streams = {}
        for entry in entries:
            if entry.key.startswith(prefix):
                stream, last = self.selection.stream_of_key(entry.key), entry.pair()
                if stream is None or last is None:
                    return self.add(place, "an entry is none of a stream")
                streams[stream] = last
        return Seal(record, at, of_log[1], streams)


# ---- Sentences ----


class Told:
    """What is proved, and what is not."""

    def __init__(self, check):
        self.check = check
        self.selection, self.reading, self.seal = check.selection, check.reading, check.seal
        self.proved, self.not_proved = [], []
        self.of_checkpoint()
        self.of_records()
        self.of_seal()
        for judged in check.judged:
            self.of_stream(judged)
        self.of_use()
        self.of_texts(check.texts)
        self.of_the_rest()

    def of_checkpoint(self):
        origin, size, given = self.check.checkpoint.origin, self.check.checkpoint.size, self.check.given
        for signer in self.check.signers:
            position = self.check.named_at(signer.text)
            self.proved.append(
                f"The checkpoint of {origin} at size {size} is signed by {signer.named()}, a key that was given; "
                f"position {position} of the log names it."
            )
        if given is None:
            return
        if given == size:
            self.proved.append(f"The checkpoint of {origin} at size {size} is the one that was given.")
        elif given < size:
            self.proved.append(
                f"The log of size {size} begins with that of size {given} in the checkpoint that was given."
            )
        else:
            self.proved.append(
                f"The log of size {given} in the checkpoint that was given begins with that of size {size}."
            )

    def of_records(self):
        checkpoint, records = self.check.checkpoint, self.reading.records
        root = base64.b64encode(checkpoint.root).decode()
        self.proved.append(
            f"{records} records are in the tree of size {checkpoint.size} (root {root}), each at its position; "
            f"of the {checkpoint.size - records} others only hashes are here."
        )
        if self.reading.ends is None:
            self.proved.append(f"None of them is a record of {self.selection.told()}.")
            return
        types = self.reading.types
        told = ", ".join(f"{name} {types[name]}" for name in sorted(types))
        first, last = self.reading.ends
        self.proved.append(
            f"{sum(types.values())} of them are records of {self.selection.told()}, "
            f"at positions {first} to {last}: {told}."
        )

    def of_seal(self):
        if self.seal is None:
            return
        each = ", ".join(
            f"{stream_name(stream)} had {number} records, the last at position {last}"
            for stream, (number, last) in sorted(self.seal.streams.items())
        )
        if not each:
            said = f"no record of {self.selection.what()} was in the log"
        elif self.selection.token is not None and self.selection.account is None:
            said = f"{each}; there was no other record of {self.selection.what()}"
        else:
            said = each
        self.proved.append(
            f"Position {self.seal.record} seals what the log was at position {self.seal.at}, "
            f"of {time_text(self.seal.time)}: {said}."
        )

    def of_stream(self, judged):
        name = stream_name(judged.stream)
        if judged.numbers is None:
            what = f"Of {name} there is no record in that time"
        elif judged.numbers[0] == judged.numbers[1]:
            what = f"Of {name} its record {judged.numbers[0]} is here"
        else:
            what = f"Of {name} its records {judged.numbers[0]} to {judged.numbers[1]} are here without a gap"
        begins = ends = ""
        if judged.before is not None:
            begins = f"; record {judged.before.number}, at position {judged.before.position}, is of before"
        elif self.selection.start is not None:
            begins = "; it had none before"
        if judged.after is not None:
            ends = f"; record {judged.after.number}, at position {judged.after.position}, is of after"
        elif judged.whole == ASKED:
            ends = "; the seal shows that no other is of that time"
        elif judged.whole == SEALED:
            ends = f"; the seal shows that none up to position {self.seal.at} is missing"
        self.proved.append(f"{what}{begins}{ends}.")
        if judged.whole == SEALED:
            after = max(self.seal.at, judged.last)
            self.not_proved.append(f"Whether {name} had records after position {after} that are not here.")
        elif judged.whole == SHOWN and judged.last:
            self.not_proved.append(
                f"Whether {name} had records after position {judged.last} that are not here: there is no seal."
            )
        elif judged.whole == SHOWN:
            self.not_proved.append(f"Whether {name} had records that are not here.")

    def of_use(self):
        """Whether a token was used, as far as that can be said of all its streams."""
        if self.selection.token is None or self.seal is None:
            return
        start, end = self.selection.start, self.selection.end
        are_asked = all(judged.whole == ASKED for judged in self.check.judged)
        is_asked = are_asked and end is not None and self.seal.time >= end
        if not is_asked and start is not None and start > self.seal.time:
            return
        uses = sum(judged.uses[0 if is_asked else 1] for judged in self.check.judged)
        times = {0: "was not used", 1: "was used once"}.get(uses, f"was used {uses} times")
        account = self.selection.account
        place = "" if account is None else f" in account {account}" if account else " on no account"
        since = f", from {time_text(start)} on" if start is not None else ""
        until = f"up to position {self.seal.at}, of {time_text(self.seal.time)}"
        if is_asked:
            until = f"before {time_text(end)}"
        self.proved.append(f"Token {self.selection.token} {times}{place}{since}, {until}.")

    def of_texts(self, texts):
        if len(texts.given) == 1:
            self.proved.append("1 text with its salt is what its record commits to.")
        elif texts.given:
            self.proved.append(f"{len(texts.given)} texts with their salts are what their records commit to.")
        if texts.erased:
            positions = sorted({self.reading.erased_at(number) for number in texts.erased})
            told = ", ".join(str(position) for position in positions)
            self.proved.append(
                f"Erased, as the records at positions {told} say: {numbers_told(texts.erased)}. "
                "Their records still verify."
            )
        if texts.withheld:
            told = numbers_told(texts.withheld)
            self.not_proved.append(f"What these texts are, which were left out of the file: {told}.")

    def of_the_rest(self):
        size = self.check.checkpoint.size
        self.not_proved.append(
            "That the log numbers its records and seals its state by the rules: "
            "whoever has the whole log can check it (token-ledger verify)."
        )
        if self.seal is None and not self.check.judged:
            self.not_proved.append(f"That there was no record of {self.selection.what()}: there is no seal.")
        if self.selection.token is not None:
            self.not_proved.append(
                f"What was done with token {self.selection.token} to others: it is recorded with what was changed."
            )
        self.not_proved.append(f"Anything after position {size}.")
        if self.check.given is None:
            self.not_proved.append(
                "That everybody was shown this log: "
                f"hold its checkpoint of size {size} against one that somebody else kept."
            )
        self.not_proved.append("That what was recorded is what happened: only that it was not changed since.")


def numbers_told(numbers):
    told = ", ".join(f"text {number}" for number in numbers[:NUMBERS_TOLD])
    rest = len(numbers) - NUMBERS_TOLD
    return f"{told} and {rest} more" if rest > 0 else told


def print_told(check, told):
    for place, what in check.findings:
        print(f"{place}: {what}")
    if told is not None:
        print("Proved:")
        for sentence in told.proved:
            print(f"- {sentence}")
        print("Not proved:")
        for sentence in told.not_proved:
            print(f"- {sentence}")


def print_json(check, told):
    findings = [{"place": place, "what": what} for place, what in check.findings]
    proved, not_proved = (told.proved, told.not_proved) if told is not None else ([], [])
    print(json.dumps({"proved": proved, "not_proved": not_proved, "findings": findings}, ensure_ascii=False))


def read_text(path):
    if path is None:
        return None
    with open(path, "rb") as file:
        try:
            return file.read().decode()
        except UnicodeDecodeError:
            return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", nargs="?", help="the file (token-ledger export --format bundle)")
    parser.add_argument("--vkey", action="append", type=vkey, default=[], help="verifier key; may be repeated")
    parser.add_argument("--checkpoint", metavar="FILE", help="a checkpoint that somebody kept")
    parser.add_argument("--consistency", metavar="FILE", help="proof that joins it to the bundle's")
    parser.add_argument("--list", action="store_true", help="print each selected record first, as a line of JSON")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--types", action="store_true", help="list type number, schema version and name of records")
    arguments = parser.parse_args()
    if arguments.types:
        for (number, schema_version), (name, _) in sorted(TYPES.items()):
            print(number, schema_version, name)
        return 0
    if arguments.bundle is None:
        parser.error("name the bundle")
    if not arguments.vkey and arguments.checkpoint is None:
        parser.error("say what you trust: a verifier key (--vkey) or a checkpoint that you kept (--checkpoint)")
    if arguments.consistency is not None and arguments.checkpoint is None:
        parser.error("--consistency joins a --checkpoint to the bundle")
    listed = (lambda record: print(json.dumps(record))) if arguments.list else None
    try:
        given, consistency = read_text(arguments.checkpoint), read_text(arguments.consistency)
        with open(arguments.bundle, "rb") as file:
            check = Check(file, arguments.vkey, given, consistency, listed)
            told = check.run()
    except OSError as error:
        print(f"not read: {error}", file=sys.stderr)
        return UNREADABLE
    (print_json if arguments.json else print_told)(check, told)
    if check.findings:
        print(f"{len(check.findings)} findings: nothing of it is to be relied on", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
