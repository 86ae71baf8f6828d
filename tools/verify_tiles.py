#!/usr/bin/env python3
"""Checks a transparency log in the C2SP tlog-tiles layout: an exported directory, or one served over HTTP.

It shares no code with the service: written from RFC 6962, and from C2SP signed-note, tlog-checkpoint and tlog-tiles. It
needs Python's standard library and the package `cryptography`.

    tools/verify_tiles.py --vkey VKEY ./exported
    tools/verify_tiles.py --vkey VKEY --old-checkpoint kept https://ledger.example.org

It checks that the checkpoint is signed by a key that was given; that the hash tiles are those of a tree with the signed
root; that every tile above level 0 follows from the ones below it; that every entry hashes to its leaf; and that the
tree of a checkpoint which somebody kept is the beginning of this one. Entries and private tiles are asked for with the
token in the environment variable TOKEN_LEDGER_TOKEN. Every fault is a line on standard error that says where and what.

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, 74 the log could not be read.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import sys
import urllib.error
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_BYTES = 32
WIDTH = 256
NOTE_BYTES_MAX = 64 * 1024
BUNDLE_BYTES_MAX = WIDTH * (2 + 65_535)
TIMEOUT_SECONDS = 60
UNREADABLE = 74
ED25519 = 1


class Fault(Exception):
    """Something that is not what it must be, as a sentence."""


class Unreadable(Exception):
    """The log could not be read, which says nothing about it."""


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


# ---- Where files come from ----


class Directory:
    """An exported directory."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not self.path.is_dir():
            raise Unreadable(f"{path} is no directory")

    def read(self, name, bytes_max):
        """A file's bytes; none if there is no such file."""
        try:
            with open(self.path / name, "rb") as file:
                return file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable(f"{name}: {error}") from None


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token is for the service that was named, and for no other."""

    def redirect_request(self, request, file, code, message, headers, url):
        return None


class Service:
    """A log served over HTTP."""

    def __init__(self, url, token):
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.opener = urllib.request.build_opener(NoRedirects)

    def read(self, name, bytes_max):
        """A resource's bytes; none if there is no such resource."""
        request = urllib.request.Request(f"{self.url}/{name}", headers=self.headers)
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.read(bytes_max + 1)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Unreadable(f"{name}: the service answered {error.code}") from None
        except (urllib.error.URLError, OSError) as error:
            raise Unreadable(f"{name}: {error}") from None


# ---- Signed notes and checkpoints ----


def from_base64(text):
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise Fault(f"{text!r} is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise Fault(f"{text!r} is not the one spelling of its bytes in base64")
    return decoded


class VerifierKey:
    """`name+hex(id)+base64(type || key)`, of an Ed25519 key (signed-note)."""

    def __init__(self, text):
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise Fault("a verifier key is name+id+key")
        self.name, id_digits, typed = parts[0], parts[1], from_base64(parts[2])
        if len(typed) != 1 + HASH_BYTES or typed[0] != ED25519:
            raise Fault("the verifier key is not of an Ed25519 key")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:4]
        if self.id.hex() != id_digits:
            raise Fault("the id of the verifier key is not the one of its name and key")
        self.key = Ed25519PublicKey.from_public_bytes(typed[1:])


def vkey(text):
    try:
        return VerifierKey(text)
    except Fault as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def signatures(note):
    """The text of a note, and its signatures as (name, id, signature)."""
    if len(note) > NOTE_BYTES_MAX:
        raise Fault("it is longer than a note may be")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise Fault("it is no text") from None
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Fault("it is not a text, an empty line and signature lines")
    found = []
    for line in lines[:-1].split("\n"):
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = from_base64(encoded)
        if mark != "\u2014" or not name or len(signature) < 5:
            raise Fault("a signature line is malformed")
        found.append((name, signature[:4], signature[4:]))
    return text + "\n", found


def open_checkpoint(note, keys):
    """Origin, size and root of a note that one of the keys has signed, and none of them wrongly."""
    text, found = signatures(note)
    signers = set()
    for key in keys:
        for name, key_id, signature in found:
            if (name, key_id) != (key.name, key.id):
                continue
            try:
                key.key.verify(signature, text.encode())
            except InvalidSignature:
                raise Fault(f"the signature by {key.name} ({key.id.hex()}) is wrong") from None
            signers.add(key.name)
    if not signers:
        raise Fault("it is signed by none of the keys that were given")
    lines = text.split("\n")
    if len(lines) < 4 or not lines[1].isdecimal() or str(int(lines[1])) != lines[1]:
        raise Fault("it is not the three lines of a checkpoint")
    origin, size, root = lines[0], int(lines[1]), from_base64(lines[2])
    if origin not in signers:
        raise Fault(f"its origin {origin!r} is not the name of the key that signed it")
    if len(root) != HASH_BYTES:
        raise Fault("its root is not 32 bytes")
    return origin, size, root


# ---- The tree ----


def tile_path(level, index, width):
    """The name of a tile below `tile/`; `level` may be `entries`."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def tree_hash(hashes):
    """The root over nodes of one height (RFC 6962 2.1), from the left with one peak for each set bit."""
    peaks = []
    for number, hashed in enumerate(hashes):
        while number & 1:
            hashed = node_hash(peaks.pop(), hashed)
            number >>= 1
        peaks.append(hashed)
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks.pop()
    while peaks:
        root = node_hash(peaks.pop(), root)
    return root


class Tree:
    """A tree that grows leaf by leaf, with the tiles that follow from it."""

    def __init__(self):
        self.size = 0
        self.peaks = []
        # By level: the hashes of the tile that is growing, and the tiles that are full, as (level, index, hashes).
        self.edges = []
        self.full = []

    def add(self, hashed):
        self.grow(0, hashed)
        number = self.size
        while number & 1:
            hashed = node_hash(self.peaks.pop(), hashed)
            number >>= 1
        self.peaks.append(hashed)
        self.size += 1

    def grow(self, level, hashed):
        if level == len(self.edges):
            self.edges.append([0, []])
        edge = self.edges[level]
        edge[1].append(hashed)
        if len(edge[1]) == WIDTH:
            index, hashes = edge
            self.full.append((level, index, hashes))
            self.edges[level] = [index + 1, []]
            self.grow(level + 1, tree_hash(hashes))

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def take_full(self):
        full, self.full = self.full, []
        return full

    def partial(self):
        return [(level, index, hashes) for level, (index, hashes) in enumerate(self.edges) if hashes]


class Check:
    """One run: what was counted, and the faults that were found."""

    def __init__(self, source):
        self.source = source
        self.faults = []
        self.tiles = 0
        self.entries = 0

    def fault(self, name, what):
        self.faults.append(f"{name}: {what}")

    def tile(self, level, index, width):
        """The hashes of a tile; none if it is not what its name says."""
        name = tile_path(level, index, width)
        stored = self.source.read(name, WIDTH * HASH_BYTES)
        if stored is None:
            self.fault(name, "it is missing")
            return None
        if len(stored) != width * HASH_BYTES:
            self.fault(name, f"it has {len(stored)} bytes, {width} hashes are {width * HASH_BYTES}")
            return None
        self.tiles += 1
        return [stored[at : at + HASH_BYTES] for at in range(0, len(stored), HASH_BYTES)]

    def compare_tile(self, level, index, hashes):
        """Whether a stored tile above level 0 is what follows from the tiles below it."""
        found = self.tile(level, index, len(hashes))
        if found is None:
            return
        for at, (one, other) in enumerate(zip(found, hashes)):
            if one != other:
                below = tile_path(level - 1, index * WIDTH + at, WIDTH)
                self.fault(tile_path(level, index, len(hashes)), f"hash {at} is not the root of {below}")

    def bundle(self, index, leaves):
        """Holds the entries of a bundle against their leaf hashes."""
        name = tile_path("entries", index, len(leaves))
        stored = self.source.read(name, BUNDLE_BYTES_MAX)
        if stored is None:
            self.fault(name, "it is missing")
            return
        at = 0
        for number, leaf in enumerate(leaves):
            length = int.from_bytes(stored[at : at + 2], "big")
            entry = stored[at + 2 : at + 2 + length]
            if len(stored) < at + 2 or len(entry) != length:
                self.fault(name, f"it ends within entry {number}")
                return
            if leaf_hash(entry) != leaf:
                position = index * WIDTH + number + 1
                self.fault(name, f"entry {number} (position {position}) does not hash to its leaf")
            at += 2 + length
            self.entries += 1
        if at != len(stored):
            self.fault(name, f"{len(stored) - at} bytes follow its last entry")

    def walk(self, size, old, with_entries):
        """Reads all leaves, and gives the roots at the size and at the older size."""
        tree, old_root = Tree(), Tree().root() if old == 0 else None
        for index in range((size + WIDTH - 1) // WIDTH):
            width = min(WIDTH, size - index * WIDTH)
            leaves = self.tile(0, index, width)
            if leaves is None:
                return None, None
            if with_entries:
                self.bundle(index, leaves)
            for leaf in leaves:
                tree.add(leaf)
                if tree.size == old:
                    old_root = tree.root()
            for level, tile, hashes in tree.take_full():
                if level > 0:
                    self.compare_tile(level, tile, hashes)
        for level, tile, hashes in tree.partial():
            if level > 0:
                self.compare_tile(level, tile, hashes)
        return tree.root(), old_root


def read_checkpoint(note, keys, check, name):
    try:
        return open_checkpoint(note, keys)
    except Fault as fault:
        check.fault(name, str(fault))
        return None


def verify(check, keys, old_note, with_entries):
    """Runs everything; says what was proved, or none if it was not."""
    note = check.source.read("checkpoint", NOTE_BYTES_MAX)
    if note is None:
        check.fault("checkpoint", "it is missing")
        return None
    signed = read_checkpoint(note, keys, check, "checkpoint")
    older = read_checkpoint(old_note, keys, check, "the older checkpoint") if old_note is not None else None
    if signed is None or (old_note is not None and older is None):
        return None
    origin, size, root = signed
    old_origin, old_size, old_root = older or (origin, None, None)
    if old_origin != origin:
        check.fault("the older checkpoint", f"it is of another log, {old_origin!r}")
    elif old_size is not None and old_size > size:
        check.fault("checkpoint", f"it is of size {size}, but {old_size} was signed before: rolled back")
    found, found_old = check.walk(size, old_size, with_entries)
    if found is not None and found != root:
        check.fault("checkpoint", f"the tiles have another root at size {size} than the one that is signed")
    if found_old is not None and found_old != old_root:
        check.fault("the older checkpoint", f"the tree of size {old_size} in it is not the beginning of this one: a fork")
    return origin, size, old_size


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="exported directory, or URL of the service")
    parser.add_argument("--vkey", action="append", type=vkey, required=True, help="verifier key; may be repeated")
    parser.add_argument("--old-checkpoint", help="file with a checkpoint that somebody kept")
    parser.add_argument("--hashes-only", action="store_true", help="leave out the entries")
    arguments = parser.parse_args()
    try:
        is_url = arguments.source.startswith(("http://", "https://"))
        token = os.environ.get("TOKEN_LEDGER_TOKEN")
        check = Check(Service(arguments.source, token) if is_url else Directory(arguments.source))
        old_note = pathlib.Path(arguments.old_checkpoint).read_bytes() if arguments.old_checkpoint else None
        proved = verify(check, arguments.vkey, old_note, not arguments.hashes_only)
    except (Unreadable, OSError) as error:
        print(f"not read: {error}", file=sys.stderr)
        return UNREADABLE
    for fault in check.faults:
        print(fault, file=sys.stderr)
    if check.faults or proved is None:
        print(f"{len(check.faults)} faults", file=sys.stderr)
        return 1
    origin, size, old_size = proved
    print(f"{origin} of size {size} is signed; {check.tiles} tiles and {check.entries} entries have its root.")
    if old_size is not None:
        print(f"It begins with the log of size {old_size} in the older checkpoint.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
