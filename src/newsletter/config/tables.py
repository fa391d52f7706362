"""The tables of newsletter.toml, one class each: what may stand there, its limits, and what is meant.

The texts under the keys are the reference page too (docs/settings.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from newsletter.config.values import (
    MOST_PORT,
    Bind,
    CalendarDay,
    DayRule,
    HeloName,
    HostName,
    HttpUrl,
    LanguageTag,
    ListId,
    Mailbox,
    OneLine,
    SecretField,
    ServerName,
    TimeOfDay,
    Zone,
    different,
)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Publication(Table):
    """What is published, in which languages, in which zone the month is counted."""

    title: OneLine
    url: HttpUrl
    """Where readers find the site; every absolute link in page and mail begins with it."""
    languages: Annotated[
        tuple[LanguageTag, ...], Field(min_length=1, max_length=50), AfterValidator(different)
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
    list_id: ListId
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
    time: TimeOfDay = "09:00"
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
    """A file of SQLite, or a PostgreSQL server, without its password: docs/running.md."""
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

    host: HostName = "127.0.0.1"
    """A name, an address, or a socket in the file system: `unix:/var/spool/postfix/public/newsletter`."""
    port: Annotated[int, Field(ge=1, le=MOST_PORT)] = 25
    """25 on this machine, 465 with `tls`, 587 with `starttls`. Not looked at for a socket."""
    protocol: Literal["smtp", "lmtp"] = "smtp"
    security: Literal["tls", "starttls", "none"] = "starttls"
    """`tls` from the first byte, `starttls` or nothing at all, `none` on this machine only. At least TLS 1.2, and the
    certificate must verify. A socket in the file system needs none."""
    ca_file: str | None = None
    """PEM file of the authority behind the server's certificate; None: those that the system trusts."""
    helo: HeloName | None = None
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

    host: ServerName | None = None
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
    """age public keys; a backup is readable by them alone. `newsletter key new --backup FILE` makes one."""


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
