"""Opening a line: everything before the first MAIL. It blocks, as smtplib does.

    dial -> TLS or 220 -> EHLO -> STARTTLS, EHLO again -> AUTH

Source: RFC 5321 §3.1 and §3.2, RFC 3207, RFC 4954; RFC 2033 where the relay speaks LMTP.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable

from newsletter.delivery import reply as replies
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.reply import Nonsense, Reply
from newsletter.delivery.transports import auth, trouble
from newsletter.delivery.transports.wire import UNIX, Relay, Wire
from newsletter.errors import NewsletterError


class Opening(Wire):
    """A line that can be opened."""

    def __init__(self, relay: Relay, context: ssl.SSLContext | None) -> None:
        super().__init__(relay)
        self._context = context
        # A name that cannot be said in ASCII is the relay's to refuse.
        self.command_encoding = "utf-8"
        self.ehlo_msg = "lhlo" if relay.lmtp else "ehlo"

    def open(self) -> Outcome | None:
        """Everything before the first MAIL. Raises OSError, SMTPException or Nonsense with `stage` telling where."""
        relay = self._relay
        self._connect()
        if relay.security == "none" and not self._private:
            return Outcome(Kind.OUR_FAULT, Stage.STARTTLS, reply=trouble.IN_CLEAR)
        if relay.security == "tls":
            self.stage = Stage.STARTTLS
            self._shake_hands()
        self.stage = Stage.GREETING
        reply = _reply_of(self.getreply())
        if reply.code != 220:
            return replies.outcome(self.stage, reply)
        bad = self._hello()
        if bad is None and relay.security == "starttls":
            bad = self._start_tls() or self._hello()
        if bad is None and relay.user is not None and relay.password is not None:
            bad = self._log_in(relay.user, relay.password)
        if bad is None:
            self.stage = Stage.MAIL
            assert self.sock is not None
            self.sock.setblocking(False)
        return bad

    def _connect(self) -> None:
        """Dial every address of the name. `self.sock` is there from the start, for `cut`."""
        relay = self._relay
        if relay.host.startswith(UNIX):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(relay.patience.connect)
            self.sock.connect(relay.host.removeprefix(UNIX))
            return
        found = socket.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
        last: OSError = ConnectionError()
        for family, kind, protocol, _, address in found:
            self.sock = socket.socket(family, kind, protocol)
            try:
                self.sock.settimeout(relay.patience.connect)
                self.sock.connect(address)
            except OSError as error:
                last = error
                self.sock.close()
                continue
            # A mail is two small writes and a large one; Nagle and a delayed ACK would cost 40 ms each.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return
        raise last

    @property
    def _private(self) -> bool:
        """Nobody else can listen on the way: the other end is on this machine, whatever its name says."""
        assert self.sock is not None
        if self.sock.family == socket.AF_UNIX:
            return True
        host = str(self.sock.getpeername()[0]).partition("%")[0]
        return ipaddress.ip_address(host).is_loopback

    def _hello(self) -> Outcome | None:
        self.stage = Stage.HELLO
        reply = _reply_of(self.ehlo())
        if reply.code // 100 == 5 and not self._relay.lmtp:
            reply = _reply_of(self.helo())
        return None if reply.code == 250 else replies.outcome(self.stage, reply)

    def _start_tls(self) -> Outcome | None:
        self.stage = Stage.STARTTLS
        if not self.has_extn("starttls"):
            return Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.NOT_OFFERED)
        reply = self._ask("STARTTLS")
        if reply.code != 220:
            return replies.outcome(self.stage, reply)
        if self._heard:
            # Somebody put words behind the 220 that would count as said in TLS.
            raise Nonsense
        # Nothing that was said before the handshake counts (RFC 3207 §4.2).
        self.esmtp_features, self.ehlo_resp, self.does_esmtp = {}, None, False
        self._shake_hands()
        return None

    def _shake_hands(self) -> None:
        assert self.sock is not None
        assert self._context is not None
        self.sock.settimeout(self._relay.patience.command)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._relay.host)

    def _log_in(self, user: str, password: Callable[[], str]) -> Outcome | None:
        self.stage = Stage.AUTH
        secure = isinstance(self.sock, ssl.SSLSocket)
        if not secure and not self._private:
            return Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.IN_CLEAR)
        try:
            secret = password()
        except NewsletterError:
            return Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.NO_PASSWORD)
        bad: Outcome | None = Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.NOT_OFFERED)
        for way in auth.ways(self.esmtp_features.get("auth", ""), secure=secure):
            reply = self._say_who(auth.SAYINGS[way](user, secret))
            if reply.code // 100 == 2:
                return None
            bad = replies.outcome(self.stage, reply)
            if reply.code not in auth.TRY_ANOTHER:
                break
        return bad

    def _say_who(self, saying: auth.Saying) -> Reply:
        """One mechanism, to its end; the reply that is not 334."""
        reply = self._ask(next(saying))
        while reply.code == 334:
            try:
                answer = saying.send(reply.text)
            except StopIteration:
                answer = "*"  # it asks more than the mechanism has: call it off (RFC 4954 §4)
            reply = self._ask(answer)
            if answer == "*" and reply.code == 334:
                raise Nonsense
        return reply

    def _ask(self, line: str) -> Reply:
        assert self.sock is not None
        self.sock.settimeout(self._relay.patience.command)
        return _reply_of(self.docmd(line))


def _reply_of(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], answer[1].decode("ascii", "replace"))
