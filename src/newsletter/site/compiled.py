"""The compiled form of our own templates, kept beside our own byte code.

Jinja2 makes Python of a template whenever a process first loads it; for all
that an article's page includes, that takes as long as planning a thousand
pages. Only templates that ship with the program are kept, where Python keeps
ours: whoever can write there can change the program itself. A publication's
own templates are compiled each time, for nothing that lies in a publication is
ever run but through the sandbox.
"""

from __future__ import annotations

import hashlib
import io
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, BytecodeCache

from newsletter.files import write_atomic


class Compiled(BytecodeCache):
    """A file for each template below `shipped`. `made_by`: the source of what sets up the environment."""

    def __init__(self, shipped: Path, made_by: Path) -> None:
        self._shipped = shipped
        self._folder = Path(cache_from_source(str(made_by))).parent
        self._maker = hashlib.sha256(made_by.read_bytes() + jinja2.__version__.encode()).digest()

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """The name of the file; "" for a template that is not ours."""
        if filename is None or not Path(filename).is_relative_to(self._shipped):
            return ""
        place = hashlib.sha256(filename.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return f"{Path(name).stem}-{place}.template.pyc"

    def get_source_checksum(self, source: str) -> str:
        return hashlib.sha256(self._maker + source.encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key:
            with suppress(OSError):
                bucket.load_bytecode(io.BytesIO((self._folder / bucket.key).read_bytes()))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.key and not sys.dont_write_bytecode:
            with suppress(OSError):  # the program is not ours to write to: nothing is kept
                self._folder.mkdir(parents=True, exist_ok=True)
                made = bucket.bytecode_to_string()
                write_atomic(self._folder / bucket.key, made, durable=False)
