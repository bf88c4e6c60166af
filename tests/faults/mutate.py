"""Broken variants of small valid files: by bytes, tokens of text, nodes of JSON; the same seed, the same file.

A change is of a kind that real damage has: a piece is lost, doubled, moved, replaced by another of the file, or by a
value that readers trip over. Most files get one change, some up to eight.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

Mutator = Callable[[random.Random, bytes], bytes]

NUMBERS = (0, -0.0, -1, 1, 1.5, 255, 256, 65536, -(2**31), 2**31, 2**53 + 1, 2**63, 10**30, 1e-320, 1e308, 4e9, 1e18)
WORDS = (
    *("", " ", "\0", "é", "\ud83d\ude97", "\u202e", "a" * 300, "nan", "NaN", "inf", "-inf", "Infinity", "null", "None"),
    *("true", "0x10", "1e999", "1_000", "٣", "½", "-", "+", ".", "..", "/", "\\", "C:\\x.jpg", "~", "*", "?", "[", "]"),
    *(
        "../outside.jpg",
        "../../outside.jpg",
        "/etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "file:///etc/passwd",
        "CON",
        "{}",
    ),
    *("http://127.0.0.1:9/x.jpg", "00001.jpg/..", "00001.jpg\0.png", "images/00001.jpg", "./00001.jpg", "00001", "suv"),
    *("<b>", "&amp;", "&x;", "%s%n", "{0.__class__}", "$(id)", "`id`", "'; --", "=cmd|' /C calc'!A0", "\r\n", "\n"),
    *("!!python/object/apply:os.system ['id']", "__proto__", "__class__", "1,2,3", "1;2", "NaN,NaN", "9" * 5000),
)
VALUES = (*NUMBERS, *WORDS, None, True, False, float("nan"), float("inf"), float("-inf"), [], {}, [[]], [None], {"": 0})
TOKENS = (
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"[" * 3000,
        b'{"a":' * 3000,
        b"<",
        b">",
        b"</",
        b"/>",
        b"<!--",
        b"]]>",
        b"<![CDATA[",
        b"&",
    ),
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE a [<!ENTITY x "aaaaaaaaaa"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]>',
    b'<?xml version="1.0" encoding="utf-16"?>',
    b'<?xml version="1.0" encoding="no-such"?>',
    *(
        b"<a>" * 500,
        b": ",
        b"- ",
        b"# ",
        b"&a ",
        b"*a",
        b"? ",
        b"| ",
        b"> ",
        b"!!binary x",
        b"<<: *a",
        b"%YAML 9",
        b"--- ",
    ),
    *(b"!!python/object/apply:os.system ['id']", b"&a [*a]", b"2001-99-99", b"0b2", b"1:60:60", b".inf", b"=", b"~"),
)
_PIECE = re.compile(rb"[A-Za-z_]+|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|\s+|[^\sA-Za-z0-9_]")


def of_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes flipped, lost, doubled, moved, cut off, or replaced."""
    data = bytearray(content)
    for _ in range(_times(rng)):
        size = len(data)
        at = rng.randrange(size + 1)
        length = min(rng.choice((1, 1, 1, 2, 4, 8, 32, 128)), size - at)
        kind = rng.randrange(8)
        if kind == 0 and size:
            data[at % size] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            data[at % size] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length] * rng.choice((1, 1, 2, 50))
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at : at + length] = rng.randbytes(length)
        elif kind == 6:
            number = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**16 - 1, rng.randrange(2**32)))
            data[at : at + 4] = number.to_bytes(4, rng.choice(("little", "big")))
        else:
            other = rng.randrange(size + 1)
            data[at : at + length] = data[other : other + length]
    return bytes(data)


def of_text(rng: random.Random, content: bytes) -> bytes:
    """Words, numbers and signs lost, doubled, exchanged, or replaced by ones that readers trip over."""
    pieces = _PIECE.findall(content)
    for _ in range(_times(rng)):
        at = rng.randrange(len(pieces) + 1)
        length = rng.choice((1, 1, 1, 2, 5, 20))
        kind = rng.randrange(7)
        if kind == 0:
            del pieces[at : at + length]
        elif kind == 1:
            pieces[at:at] = pieces[at : at + length] * rng.choice((1, 1, 3, 30))
        elif kind == 2 and pieces:
            pieces[at % len(pieces)] = rng.choice(pieces)
        elif kind == 3:
            pieces.insert(at, rng.choice(TOKENS))
        elif kind == 4:
            pieces[at : at + 1] = [_bytes(rng.choice(WORDS))]
        elif kind == 5:
            pieces[at : at + 1] = [str(rng.choice(NUMBERS)).encode()]
        else:
            del pieces[at:]
    return b"".join(pieces)


def of_json(rng: random.Random, content: bytes) -> bytes:
    """Nodes lost, doubled, exchanged, renamed, or of another kind; half of the files are changed as text instead."""
    if rng.random() < 0.4:
        return rng.choice((of_bytes, of_text))(rng, content)
    tree = [json.loads(content)]  # the root has a place too
    for _ in range(_times(rng)):
        holder, key = _place(rng, tree)
        kind = rng.randrange(8)
        if kind <= 2:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
        elif kind == 3:
            other, name = _place(rng, tree)
            holder[key] = json.loads(json.dumps(other[name]))
        elif kind == 4 and holder is not tree:
            del holder[key]
        elif kind == 5 and isinstance(holder, list) and holder is not tree:
            holder.insert(rng.randrange(len(holder) + 1), json.loads(json.dumps(holder[key])))
        elif kind == 6 and isinstance(holder, dict):
            holder[rng.choice((*WORDS, *holder))] = holder.pop(key)
        elif isinstance(holder[key], int | float):
            holder[key] = holder[key] * rng.choice((-1, 0, 0.5, 10, 1e6, 2**40, 1e300))
        else:
            holder[key] = [holder[key]]
    return json.dumps(tree[0], ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def any_text(rng: random.Random, content: bytes) -> bytes:
    """As `of_text`, and a quarter as `of_bytes`."""
    return (of_bytes if rng.random() < 0.25 else of_text)(rng, content)


def _times(rng: random.Random) -> int:
    return rng.choice((1, 1, 1, 1, 2, 2, 4, 8))


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")


def _place(rng: random.Random, tree: list[Any]) -> tuple[Any, Any]:
    """A place of a tree of lists and dictionaries, as (holder, key); deep ones as often as shallow ones."""
    holder, key = tree, 0
    while isinstance(holder[key], list | dict) and holder[key] and rng.random() < 0.85:
        holder = holder[key]
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    return holder, key
