"""newsletter.toml, read once into Settings. Nobody else reads it.

Unknown keys are errors with a place and a suggestion; secrets are names
(`env:NAME`, `file:PATH`) until the moment they are used, and print as stars.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from newsletter.errors import CouldNotRun, Finding, Where, did_you_mean
from newsletter.files import read_file

FILE_NAME = "newsletter.toml"
PLACEHOLDER_HOSTS = re.compile(r"(^|\.)(example\.(org|com|net)|example|invalid|test)$")
"""Hosts of RFC 2606: may be previewed, never sent."""
MOST_PORT = 65535


class Secret:
    """A secret by name: `env:NAME` or `file:PATH`. The value is read when used and never printed."""

    __slots__ = ("_root", "name")

    def __init__(self, name: str, root: Path | None = None) -> None:
        if not re.match(r"^(env|file):.+", name):
            raise ValueError(
                "write `env:NAME` or `file:PATH`; a secret's value never stands in this file"
            )
        self.name = name
        self._root = root or Path()

    def reveal(self) -> str:
        kind, _, rest = self.name.partition(":")
        if kind == "env":
            if rest not in os.environ:
                raise CouldNotRun(
                    Finding(
                        "NL106",
                        f"the environment variable {rest} is not set",
                        help=f"set {rest}, or name another place in {FILE_NAME}",
                    )
                )
            return os.environ[rest]
        try:
            return (self._root / rest).read_text("utf-8").strip()
        except OSError as error:
            raise CouldNotRun(
                Finding(
                    "NL106",
                    f"the secret's file {rest} cannot be read: {error.strerror}",
                    help="check the path and that this account may read it",
                )
            ) from error

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def _secret(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("write `env:NAME` or `file:PATH`")
    return Secret(value, (info.context or {}).get("root"))


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("not a time zone; write a name such as Europe/Berlin") from error


_UNSEEN = re.compile("[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of what stands after them, and line ends that look like none."""


def _visible(value: str) -> str:
    found = _UNSEEN.search(value)
    if found:
        raise ValueError(
            f"holds U+{ord(found[0]):04X}, which nobody sees and which turns the text around it"
        )
    return value


def _address(value: str) -> str:
    """An address that every browser and mail program reads alike (RFC 3986, section 2)."""
    odd = re.search(r"[\"'<>\\^`{|}\x00-\x20\x7f-\x9f]", value)
    if odd:
        raise ValueError(f"{odd[0]!r} cannot stand in an address")
    try:
        parts = urlsplit(_visible(value))
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from error
    if not host:
        raise ValueError("not an address: it names no host")
    return value


def _bindable(value: str) -> str:
    if int(value.rpartition(":")[2]) > MOST_PORT:
        raise ValueError(f"a port is at most {MOST_PORT}")
    return value


def _different(tags: tuple[str, ...]) -> tuple[str, ...]:
    twice = {tag for tag in tags if sum(each.lower() == tag.lower() for each in tags) > 1}
    if twice:
        raise ValueError(f"`{min(twice)}` stands there twice")
    return tags


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ORDINALS = ("first", "second", "third", "fourth", "last")
"""No fifth: not every month has one."""
LAST_OF_EVERY_MONTH = 28


def _day(value: object) -> int | str:
    """A day rule in the form the calendar reads: 1 to 28, "last", "first tuesday"."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LAST_OF_EVERY_MONTH:
        return value
    words = value.lower().split() if isinstance(value, str) else []
    match words:
        case ["last"]:
            return "last"
        case [ordinal, weekday] if ordinal in ORDINALS and weekday in WEEKDAYS:
            return f"{ordinal} {weekday}"
        case [number] if number.isascii() and number.isdigit():
            return _day(int(number))
    raise ValueError('write 1 to 28, "last", or an ordinal and a weekday such as "first tuesday"')


def _calendar_day(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise ValueError("not a day; write 2026-10-01") from error


SecretField = Annotated[Secret, BeforeValidator(_secret)]
DayRule = Annotated[Annotated[int, Field(ge=1, le=28)] | str, BeforeValidator(_day)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
CalendarDay = Annotated[dt.date, BeforeValidator(_calendar_day)]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
HttpUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=2000),
    AfterValidator(_address),
]
Mailbox = Annotated[
    str, Field(pattern=r"^[^@\s<>\x00-\x1f\x7f]{1,64}@[^@\s<>\x00-\x1f\x7f]{1,255}$")
]
OneLine = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
    AfterValidator(_visible),
]
Bind = Annotated[
    str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$"), AfterValidator(_bindable)
]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Publication(Table):
    """What is published, in which languages, in which zone the month is counted."""

    title: OneLine
    url: HttpUrl
    """Where readers find the site; every absolute link in page and mail begins with it."""
    languages: Annotated[
        tuple[LanguageTag, ...], Field(min_length=1, max_length=50), AfterValidator(_different)
    ] = ("en",)
    """The first is the fallback for what is not translated."""
    time_zone: Zone = ZoneInfo("UTC")
    subject: Literal["health", "general"] = "general"
    """`health` asks for explicit consent (GDPR Art. 9) and for clinical review of articles."""
    search: bool = False
    """A page that searches every text, on the reader's own device. Needs `pip install '.[search]'` in the program's checkout.
    A changed text is indexed together with all others: five seconds more for a thousand articles."""


class Sender(Table):
    """Who the mail is from: the From line, the mailbox that is read, the postal address."""

    name: OneLine
    address: Mailbox
    reply_to: Mailbox | None = None
    postal_address: OneLine
    list_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", max_length=255)]
    """RFC 2919: stable for the life of the list."""
    bounce_domain: str | None = None
    """Domain of the return path `b+TOKEN@...`, where TOKEN names the mail that comes back (VERP). A domain of its own
    whose mail all ends in one mailbox, or the sender's own domain if it has a mailbox `b` that takes plus addresses.
    It must pass SPF for the relay. None: the sender's address itself, and no bounce can be told from another."""


class Month(Table):
    """When the one issue of a month is due, in the publication's zone."""

    day: DayRule = 1
    """`1` to `28`, `"last"`, or an ordinal and a weekday: `"first tuesday"`, `"fourth friday"`, `"last monday"`.
    An early day is kinder: what a mail server puts off is tried again for five days, but not beyond the month."""
    time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "09:00"
    """On the publication's clock. Where the clock skips this time in spring: the first moment after the skip;
    where it comes twice in autumn: the first."""
    catch_up_days: Annotated[int, Field(ge=0, le=27)] = 6
    """How long after the due moment an approved issue is still sent by itself; never beyond its month."""
    minimum_gap_days: Annotated[int, Field(ge=0, le=27)] = 14
    """At least this many days between the opening of two issues."""
    approvals: Annotated[int, Field(ge=1, le=2)] = 1
    notify: Mailbox | None = None
    """Who gets a word when an issue is due and not approved (once a day), or ended with somebody in doubt."""


class Approver(Table):
    key: str | None = None
    """Ed25519 public key, base64; without it an approval is shown as unauthenticated."""


class Store(Table):
    """Where people's data lies. Relative paths are below the publication."""

    url: str = "sqlite:///subscribers/newsletter.db"
    witness: str = "subscribers/witness.json"
    """How far sending had come; not in the backup, so that a restored database is noticed."""
    mirror: str | None = None
    """Folder of this host's own copy of the witness, away from the publication, so that a folder that was restored
    with its witness is noticed too. None: `~/.local/state/newsletter` (or below `$XDG_STATE_HOME`)."""
    journal: str = "subscribers/journal.jsonl"
    record: str = "content/record"
    """Folder of the public record, one file per issue: numbers only, never a person."""


class Web(Table):
    """The forms, and where they are reached."""

    public_url: HttpUrl | None = None
    """None: the publication's url."""
    bind: Bind = "127.0.0.1:8000"
    trusted_proxies: tuple[str, ...] = ()


class Retention(Table):
    unconfirmed_hours: Annotated[int, Field(ge=1, le=8760)] = 48
    left_address_days: Annotated[int, Field(ge=30, le=3650)] = 30
    """The address of somebody who left goes after this; until then their old links still answer."""
    withdrawn_evidence_days: Annotated[int, Field(ge=0, le=36500)] = 1095
    """Evidence of a withdrawn consent is kept this long (default three years)."""


class Smtp(Table):
    """The mail server that takes the letters. Best is one on this machine: it answers at once, keeps what it took,
    and tries on where a reader's host is away; docs/smtp.md shows Postfix."""

    host: Annotated[
        str, Field(pattern=r"^(unix:/[^\x00-\x1f]{1,100}|[^\s:/@]{1,255}|\[?[0-9a-fA-F:.]+\]?)$")
    ] = "127.0.0.1"
    """A name, an address, or a socket in the file system: `unix:/var/spool/postfix/public/newsletter`."""
    port: Annotated[int, Field(ge=1, le=MOST_PORT)] = 25
    """25 on this machine, 465 with `tls`, 587 with `starttls`. Not looked at for a socket."""
    protocol: Literal["smtp", "lmtp"] = "smtp"
    security: Literal["tls", "starttls", "none"] = "starttls"
    """`tls` from the first byte, `starttls` or nothing at all, `none` on this machine only. At least TLS 1.2, and the
    certificate must verify. A socket in the file system needs none."""
    ca_file: str | None = None
    """PEM file of the authority behind the server's certificate; None: those that the system trusts."""
    helo: Annotated[str, Field(pattern=r"^[A-Za-z0-9.\[\]:-]{1,255}$")] | None = None
    """The name this machine greets with; None: the domain of the sender's address."""
    user: str | None = None
    password: SecretField | None = None
    """Said with PLAIN, LOGIN or CRAM-MD5, as offered; outside TLS to this machine only."""
    messages_per_connection: Annotated[int, Field(ge=0, le=1_000_000)] = 500
    """After so many mails a connection is closed and made anew; 0: never. Some servers hang up after 100."""

    @model_validator(mode="after")
    def _lmtp_has_its_own_port(self) -> Smtp:
        if self.protocol == "lmtp" and self.port == 25 and not self.host.startswith("unix:"):
            raise ValueError("LMTP is never spoken on port 25 (RFC 2033); name its port, often 24")
        return self


class SendGrid(Table):
    """SendGrid's web API. Refused until its host stands under [processors]; docs/sendgrid.md says what it costs."""

    api_key: SecretField | None = None
    """A key that may send mail, and nothing else. Needs `pip install '.[sendgrid]'` in the program's checkout."""
    region: Literal["eu", "global"] = "eu"
    """`eu`: api.eu.sendgrid.com, for a regional subuser. `global`: api.sendgrid.com, in the USA."""
    stand_in: HttpUrl | None = None
    """For a rehearsal: an address of this machine, by number, that takes the requests in SendGrid's place."""
    webhook_key: str | None = None
    """The verification key of the signed event webhook, as SendGrid shows it. None: no webhook."""


class Delivery(Table):
    transport: Literal["smtp", "sendgrid", "outbox"] = "smtp"
    rate_per_second: Annotated[float, Field(ge=0.01, le=100_000, allow_inf_nan=False)] | None = None
    """None: as fast as the relay takes them."""
    connections: Annotated[int, Field(ge=1, le=64)] = 4
    outbox_path: str = "outbox"
    smtp: Smtp = Smtp()
    sendgrid: SendGrid = SendGrid()


class Processor(Table):
    """A third party that handles readers' addresses (GDPR Art. 28), named to readers by itself."""

    host: str
    purpose: OneLine
    agreement_date: CalendarDay
    """When the agreement of GDPR Art. 28 was signed. One that is still to come is none."""
    region: OneLine


class News(Table):
    feeds: str = "content/feeds.toml"
    window_days: Annotated[int, Field(ge=1, le=3650)] = 45
    """Items older than this are not proposed."""


class Imap(Table):
    """A folder that reports come back to, best one of its own: whatever in it is no report is flagged. Without `host`
    none is read."""

    host: Annotated[str, Field(pattern=r"^[^\s/@]{1,255}$")] | None = None
    """One that is not this machine sees readers' addresses, so it must stand under [processors]."""
    port: Annotated[int, Field(ge=1, le=MOST_PORT)] = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    """The certificate must verify; `none` on this machine only."""
    ca_file: str | None = None
    """PEM file of the authority behind the server's certificate; None: those that the system trusts."""
    user: OneLine | None = None
    password: SecretField | None = None
    folder: OneLine = "INBOX"
    move_to: OneLine | None = None
    """Folder for what was acted on; None: it stays, marked as read."""

    @model_validator(mode="after")
    def _whole(self) -> Imap:
        if self.host and not (self.user and self.password):
            raise ValueError("an IMAP folder needs `user` and `password`")
        return self


class Feedback(Table):
    """Bounces, complaints and leaves by mail: where they come back to. docs/feedback.md shows the mail server's side."""

    maildir: str | None = None
    """Folder that holds new/ and cur/, where the mail server puts what comes to `b+TOKEN@` the bounce domain."""
    imap: Imap = Imap()
    afterwards: Literal["keep", "delete"] = "keep"
    """What happens to a mail once its effect is in the database: `keep` marks it as read. What names nobody is
    flagged and never deleted."""
    every_minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    """How often `newsletter run` looks."""
    leave_by_mail: bool = False
    """Offer `leave+TOKEN@` the bounce domain in List-Unsubscribe, after the one-click address.
    Only where mail to it comes into one of the places above."""

    @property
    def collects(self) -> bool:
        """Whether there is a place to look into."""
        return self.maildir is not None or self.imap.host is not None


class Backup(Table):
    recipients: tuple[str, ...] = ()
    """age public keys; a backup is readable by them alone."""


class Settings(Table):
    """A publication's whole configuration. `root` is the folder that holds newsletter.toml."""

    root: Path
    publication: Publication
    sender: Sender
    month: Month = Month()
    approvers: dict[str, Approver] = {}
    store: Store = Store()
    web: Web = Web()
    retention: Retention = Retention()
    delivery: Delivery = Delivery()
    processors: dict[str, Processor] = {}
    news: News = News()
    feedback: Feedback = Feedback()
    backup: Backup = Backup()

    @model_validator(mode="after")
    def _root_is_absolute(self) -> Settings:
        if not self.root.is_absolute():
            raise ValueError("root must be absolute")
        return self

    @model_validator(mode="after")
    def _leaves_have_an_address(self) -> Settings:
        if self.feedback.leave_by_mail and self.sender.bounce_domain is None:
            raise ValueError("[feedback] leave_by_mail needs [sender] bounce_domain")
        return self

    @property
    def public_url(self) -> str:
        """Where the forms are reached, without a slash at the end."""
        return (self.web.public_url or self.publication.url).rstrip("/")

    @property
    def site_url(self) -> str:
        """Where the site is reached, without a slash at the end."""
        return self.publication.url.rstrip("/")

    def path(self, relative: str) -> Path:
        """A configured path, absolute."""
        return self.root / relative


def load(root: Path) -> Settings:
    """Read `root`/newsletter.toml.

    Raises:
        CouldNotRun: the file is missing, is no TOML, or does not say what it must;
            every finding at once, each with its line and column.
    """
    root = root.resolve()
    file = root / FILE_NAME
    try:
        source = read_file(file).decode("utf-8")
    except FileNotFoundError:
        raise CouldNotRun(
            Finding(
                "NL101",
                f"there is no {FILE_NAME} here",
                Where(str(file)),
                help="run `newsletter init my-letter` to make a publication, or name one with --root",
            )
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotRun(
            Finding(
                "NL102",
                f"{FILE_NAME} cannot be read: {error}",
                Where(FILE_NAME),
                help="it must be a readable UTF-8 file",
            )
        ) from error
    try:
        tables = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        line, column = _position_in_message(str(error), source)
        text = source.splitlines()[line - 1] if 0 < line <= len(source.splitlines()) else ""
        raise CouldNotRun(
            Finding(
                "NL103",
                f"{FILE_NAME} is not TOML: {str(error).split(' (at')[0]}",
                Where(FILE_NAME, line, column, 1, text),
                help='strings need quotes: title = "My letter"',
            )
        ) from error
    try:
        return Settings.model_validate({"root": root, **tables}, context={"root": root})
    except ValidationError as error:
        raise CouldNotRun(*(_finding(item, source) for item in error.errors())) from None


def _position_in_message(message: str, source: str) -> tuple[int, int]:
    found = re.search(r"line (\d+), column (\d+)", message)
    return (int(found[1]), int(found[2])) if found else (max(1, source.count("\n")), 1)


def known_keys(path: tuple[str, ...]) -> list[str]:
    """Keys that may stand at `path` ("delivery", "smtp"), for suggestions and the reference page."""
    model: Any = Settings
    for name in path:
        field = (
            model.model_fields.get(name)
            if isinstance(model, type) and issubclass(model, Table)
            else None
        )
        if field is None:
            model = {"approvers": Approver, "processors": Processor}.get(path[0], Settings)
            continue
        model = field.annotation
    if not (isinstance(model, type) and issubclass(model, Table)):
        model = {"approvers": Approver, "processors": Processor}.get(
            path[0] if path else "", Settings
        )
    return [name for name in model.model_fields if name != "root"]


def _finding(item: Any, source: str) -> Finding:
    path = tuple(str(part) for part in item["loc"])
    where = _where(path, source)
    dotted = ".".join(path)
    match item["type"]:
        case "extra_forbidden":
            known = known_keys(path[:-1])
            help_text = did_you_mean(path[-1], known) or f"known here: {', '.join(known)}"
            return Finding("NL104", f"unknown key `{dotted}`", where, "not a setting", help_text)
        case "missing":
            return Finding(
                "NL105",
                f"`{dotted}` is missing",
                where,
                "",
                f"add `{path[-1]} = ...`"
                + (f" under [{'.'.join(path[:-1])}]" if path[:-1] else ""),
            )
        case _:
            message = str(item["msg"]).removeprefix("Value error, ")
            return Finding(
                "NL107",
                f"`{dotted}`: {message}",
                where,
                "this value",
                "see `newsletter explain NL107`",
            )


def _where(path: tuple[str, ...], source: str) -> Where:
    """The line of a dotted key: its own, or that of the nearest table above it that exists."""
    lines = source.splitlines()
    table: tuple[str, ...] = ()
    best = Where(FILE_NAME, 1, 1, 1, lines[0] if lines else "")
    for number, line in enumerate(lines, 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        if header:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if path[: len(table)] == table:
                best = Where(FILE_NAME, number, line.index("[") + 1, len(header[0].strip()), line)
            continue
        key = re.match(r"\s*([A-Za-z0-9_\-\"'.]+)\s*=", line)
        if (
            key
            and (*table, *(part.strip("\"'") for part in key[1].split(".")))
            == path[: len(table) + key[1].count(".") + 1]
        ):
            column = line.index(key[1]) + 1
            return Where(FILE_NAME, number, column, len(key[1]), line)
    return best
