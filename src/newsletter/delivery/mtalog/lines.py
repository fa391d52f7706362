"""Log files as entries: which program said what. Streamed; a hostile line costs only itself.

    plain, .gz, .bz2, .xz -> lines: syslog (RFC 3164, RFC 5424, ISO times), Exim's own
                          -> journalctl -o export, journalctl -o json

Times are not read: clocks of other hosts, months without years and log zones
make them poor witnesses. The order of the lines is what counts.
Source: RFC 3164 §4.1, RFC 5424 §6, systemd JOURNAL_EXPORT_FORMATS.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, cast

LONGEST = 64 * 1024
"""Bytes of a line that are looked at; syslog daemons cut far earlier."""
MOST_TEXT = 4096
"""Bytes of an entry that are understood: Exim cuts at 8,192, Postfix at 2,000 of what others said."""
CHUNK = 1024 * 1024


class Entry(NamedTuple):
    """`program` as it names itself (b"postfix/cleanup"); b"" for Exim's own log file."""

    program: bytes
    text: bytes


class Unreadable(Exception):
    """The file breaks off or is damaged: nothing that was read of it counts."""


_SYSLOG = re.compile(
    rb"(?:<\d{1,3}>)?"
    rb"(?:[A-Z][a-z]{2} \d{4}-\d\d-\d\d [\d:.]{8,15} \S+ "  # journalctl -o short-full
    rb"|[A-Z][a-z]{2} [ \d]\d(?: \d{4})? [\d:.]{8,15} "  # RFC 3164; short-precise
    rb"|\d{4}-\d\d-\d\d[T ][\d:.,]{8,15}(?:Z|[+-]\d\d:?\d\d)? "  # ISO 8601
    rb"|\d{9,11}\.\d{1,6} )"  # journalctl -o short-unix
    rb"(?:\S+ )?([\w./-]{1,64})(?:\[\d{1,10}\])?: (.*)",
    re.DOTALL,
)
_RFC5424 = re.compile(
    rb"(?:<\d{1,3}>)1 \S+ \S+ ([\w./-]{1,64}) \S+ \S+ "
    rb"(?:-|(?:\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\])+) ?(?:\xef\xbb\xbf)?(.*)",
    re.DOTALL,
)
_EXIM = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})? (?:\[\d{1,10}\] )?"
    rb"([0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}) .*)",
    re.DOTALL,
)


def entry(line: bytes) -> Entry | None:
    """One line, without its end; None for what is no line of a log we know."""
    if found := _EXIM.match(line):
        return Entry(b"", found[1])
    if found := _RFC5424.match(line) or _SYSLOG.match(line):
        return Entry(found[1], found[2])
    return None


def opened(file: IO[bytes]) -> IO[bytes]:
    """The plain bytes of `file`, unpacked by what its first ones say, whatever its name is."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    start = buffered.peek(6)[:6]
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=buffered))
    if start.startswith(b"BZh"):
        return bz2.BZ2File(buffered)
    if start == b"\xfd7zXZ\0":
        return lzma.LZMAFile(buffered)
    return buffered


def entries(file: IO[bytes], told: Callable[[], None] = lambda: None) -> Iterator[Entry]:
    """Every entry of one file, in its order. `told` is called now and then, for the progress.

    Raises:
        Unreadable: a compressed file that breaks off.
        OSError: the disk refuses.
    """
    try:
        plain = opened(file)
        first = plain.readline(LONGEST)
        if first.startswith(b"__CURSOR="):
            yield from _export(plain, first, told)
        else:
            yield from _lines(plain, first, told)
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise Unreadable(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno is None:  # bz2 says it so
            raise Unreadable(str(error)) from error
        raise


def _lines(file: IO[bytes], line: bytes, told: Callable[[], None]) -> Iterator[Entry]:
    count = 0
    while line:
        if not line.endswith(b"\n"):
            _skip_line(file, line)
        found = _from_json(line) if line.startswith(b"{") else entry(line.rstrip(b"\r\n"))
        if found is not None:
            yield found
        count += 1
        if count % 4096 == 0:
            told()
        line = file.readline(LONGEST)


def _skip_line(file: IO[bytes], line: bytes) -> None:
    """Read over the rest of a line that is too long."""
    while line and not line.endswith(b"\n"):
        line = file.readline(CHUNK)


def _from_json(line: bytes) -> Entry | None:
    """One line of `journalctl -o json`; a message that is no text stands there as numbers."""
    try:
        held = json.loads(line)
        program, text = held.get("SYSLOG_IDENTIFIER", ""), held.get("MESSAGE", "")
        said = bytes(text) if isinstance(text, list) else str(text).encode()
        return Entry(str(program).encode(), said[:LONGEST])
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _export(file: IO[bytes], line: bytes, told: Callable[[], None]) -> Iterator[Entry]:
    held: dict[bytes, bytes] = {}
    count = 0
    while line:
        if line == b"\n":
            yield _exported(held)
            held = {}
            count += 1
            if count % 4096 == 0:
                told()
        else:
            name, sign, value = line.rstrip(b"\n").partition(b"=")
            if not line.endswith(b"\n"):
                _skip_line(file, line)
            elif not sign:
                value = _binary(file)
            if name in (b"SYSLOG_IDENTIFIER", b"MESSAGE"):
                held[name] = value
        line = file.readline(LONGEST)
    if held:
        yield _exported(held)


def _exported(held: dict[bytes, bytes]) -> Entry:
    return Entry(held.get(b"SYSLOG_IDENTIFIER", b""), held.get(b"MESSAGE", b""))


def _binary(file: IO[bytes]) -> bytes:
    """A field that is no plain text: eight bytes of length, the data, a line end."""
    rest = int.from_bytes(file.read(8), "little")
    value = file.read(min(rest, LONGEST))
    rest -= len(value)
    while rest > 0 and (passed := file.read(min(rest, CHUNK))):
        rest -= len(passed)
    file.read(1)
    return value
