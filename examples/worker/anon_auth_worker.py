#!/usr/bin/python3
"""Sends the messages of anon_auth's outbox, and fetches the keys of identity providers.

    anon_auth_worker.py CONFIGURATION.toml

README.md describes the configuration.  The log has no address and no code.
"""

import contextlib
import datetime
import email.headerregistry
import email.message
import email.policy
import email.utils
import http.client
import json
import logging
import math
import os
import pathlib
import re
import select
import signal
import smtplib
import socket
import ssl
import string
import subprocess
import sys
import threading
import time
import tomllib
import urllib.parse

import psycopg
from psycopg.rows import namedtuple_row

log = logging.getLogger("anon_auth_worker")

MESSAGE_TYPES = (
    "login_code", "promotion", "login_id_verification", "password_reset",
    "login_id_taken", "password_changed", "login_id_added", "login_id_removed",
    "identity_added", "identity_removed", "device_key_added", "device_key_removed",
    "passkey_added", "passkey_removed",
    "account_deletion_scheduled")
# So many messages can wait for another attempt.  Each has a database connection.
MAX_PARKED = 5
SMTP_TIMEOUT = 30
MAX_BODY = 256 * 1024
MAX_BACKOFF = 60
MAX_KEY_BACKOFF = 900


class Refused(Exception):
    """The message can never be sent.  The text has no address."""


class TryLater(Exception):
    """The recipient is refused for the moment; other messages may be accepted now."""


class NoAnswer(TryLater):
    """The server failed while it was given the message, perhaps because of the message."""


class Unavailable(Exception):
    """No message can be sent at the moment."""


class Unusable(Exception):
    """The provider's answer cannot be used."""


class Stop:
    """Set by SIGTERM.  Ends every wait()."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        self.is_set = False
        # Python calls set() only in the main thread, when that runs.  If the signal comes
        # just before wait(), or to another thread, nothing else ends the wait.
        os.set_blocking(self.writer, False)
        signal.set_wakeup_fd(self.writer, warn_on_full_buffer=False)

    def set(self, *_):
        self.is_set = True
        with contextlib.suppress(OSError):
            os.write(self.writer, b"x")

    def wait(self, seconds, *sockets):
        """Wait until a socket can be read, the time is over, or the worker must stop."""
        select.select([self.reader, *sockets], [], [], max(seconds, 0))


def describe(error):
    """An error in words that contain no data."""
    if isinstance(error, psycopg.Error):
        return f"{error.sqlstate} {error.diag.message_primary}" if error.sqlstate else str(error).split("\n")[0]
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {reply(error.smtp_code, error.smtp_error)}"
    if isinstance(error, (ssl.SSLError, Unavailable, Unusable, Refused, TryLater)):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or 'no answer'}"
    return type(error).__name__


def reply(code, text):
    """The numbers of an SMTP server's reply.  The rest of it can contain the address."""
    enhanced = re.match(rb"[245]\.\d{1,3}\.\d{1,3}\b", text or b"")
    return f"{code} {enhanced.group().decode()}" if enhanced else str(code)


def connect(conninfo, **options):
    connection = psycopg.connect(conninfo, application_name="anon_auth_worker", row_factory=namedtuple_row, **options)
    connection.add_notice_handler(lambda diagnostic: log.warning("database: %s", diagnostic.message_primary))
    return connection


# ---------------------------------------------------------------------------
# Texts
# ---------------------------------------------------------------------------


class Texts:
    """The texts of each language: the files texts/*.toml."""

    PLACES = {"app", "code", "link", "minutes"}

    def __init__(self, directory, default_language, app, apps):
        self.languages = {path.stem.lower(): tomllib.loads(path.read_text("utf-8")) for path in pathlib.Path(directory).glob("*.toml")}
        self.default_language = default_language.lower()
        self.app, self.apps = app, apps
        if self.default_language not in self.languages:
            sys.exit(f"{directory} has no file for the language {default_language}")
        for language, texts in self.languages.items():
            for message_type in MESSAGE_TYPES:
                for part in ("subject", "text", "sms"):
                    template = string.Template(texts.get(message_type, {}).get(part, ""))
                    if not template.template or not template.is_valid() or not set(template.get_identifiers()) <= self.PLACES:
                        sys.exit(f"{language}.toml: {message_type}.{part} is missing, or has another placeholder than {self.PLACES}")

    def closest(self, language):
        """The texts for a language tag, by lookup (RFC 4647, 3.4)."""
        subtags = (language or "").lower().split("-")
        while subtags and "-".join(subtags) not in self.languages:
            subtags.pop()
        return self.languages["-".join(subtags) or self.default_language]

    def write(self, message, part):
        """A part of a message.  A paragraph with a value that the message does not have is left out."""
        values = {
            "app": self.apps.get(message.client_id, self.app),
            "code": message.code,
            "link": message.link,
            "minutes": max(1, math.ceil((message.expires_at - now()).total_seconds() / 60)),
        }
        template = self.closest(message.language)[message.type][part]
        paragraphs = (string.Template(paragraph) for paragraph in template.strip().split("\n\n"))
        return "\n\n".join(
            paragraph.substitute(values)
            for paragraph in paragraphs
            if all(values[name] is not None for name in paragraph.get_identifiers())
        )


def now():
    return datetime.datetime.now(datetime.timezone.utc)


# ---------------------------------------------------------------------------
# Ways to send
# ---------------------------------------------------------------------------


class Mail:
    """Sends by SMTP.  Keeps the connection until close()."""

    # A bare address.  anon_auth accepts no other.
    ADDRESS = re.compile(r'([^\x00-\x20\x7f"(),:;<>@\[\\\]\s]+)@([^\x00-\x20\x7f"(),:;<>@\[\\\]\s]+)')

    def __init__(self, texts, *, host, sender, port=587, tls="starttls", ca_file=None, user=None, password=None):
        self.texts = texts
        self.host, self.port, self.tls = host, port, tls
        self.user, self.password = user, password
        if (user is None) != (password is None):
            sys.exit("mail.user and mail.password need each other")
        name, address = email.utils.parseaddr(sender)
        self.sender = email.headerregistry.Address(display_name=name, addr_spec=address)
        self.context = ssl.create_default_context(cafile=ca_file)
        self.server = None
        if tls not in ("starttls", "implicit", "none"):
            sys.exit("mail.tls must be starttls, implicit or none")
        if tls == "none" and host not in ("localhost", "127.0.0.1", "::1"):
            sys.exit("mail.tls can be none only for a server on this machine, because the messages contain codes")

    def open(self):
        if self.server is not None:
            return
        try:
            if self.tls == "implicit":
                self.server = smtplib.SMTP_SSL(self.host, self.port, timeout=SMTP_TIMEOUT, context=self.context)
            else:
                self.server = smtplib.SMTP(self.host, self.port, timeout=SMTP_TIMEOUT)
            if self.tls == "starttls":
                self.server.starttls(context=self.context)
            self.server.ehlo_or_helo_if_needed()
            if self.user is not None:
                if not self.server.has_extn("auth"):
                    raise Unavailable("the mail server has no login (AUTH): remove mail.user and mail.password")
                self.server.login(self.user, self.password)
        except Unavailable:
            self.drop()
            raise
        except (OSError, smtplib.SMTPException) as error:
            self.drop()
            raise Unavailable(f"the mail server cannot be used: {describe(error)}") from None

    def close(self):
        if self.server is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self.server.quit()
            self.server = None

    def drop(self):
        """Close the connection without a word, because the server may not answer."""
        if self.server is not None:
            self.server.close()
            self.server = None

    def compose(self, message, local_part, domain):
        mail = email.message.EmailMessage(policy=email.policy.SMTP)
        mail["From"] = self.sender
        mail["To"] = email.headerregistry.Address(username=local_part, domain=domain)
        mail["Subject"] = self.texts.write(message, "subject")
        mail["Date"] = email.utils.localtime()
        # The same for each attempt, so that mailboxes can recognize a message that is sent twice.
        mail["Message-ID"] = f"<{message.id}@{self.sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self.texts.write(message, "text"))
        return mail

    def send(self, message):
        match = self.ADDRESS.fullmatch(message.recipient)
        if match is None:
            raise Refused("not an e-mail address")
        mail = self.compose(message, *match.groups())
        self.open()
        try:
            self.server.send_message(mail, self.sender.addr_spec, [message.recipient])
        except smtplib.SMTPNotSupportedError:
            raise Refused("the address is not ASCII, and the server has no SMTPUTF8") from None
        except smtplib.SMTPSenderRefused as error:
            self.drop()
            if not message.recipient.isascii():
                raise Refused("the mail server refuses SMTPUTF8") from None
            raise Unavailable(f"the mail server refuses the sender: {describe(error)}") from None
        except smtplib.SMTPRecipientsRefused as error:
            (code, text), = error.recipients.values()
            if code == 421:
                self.drop()
                raise Unavailable("the mail server answers 421") from None
            raise (Refused if code >= 500 else TryLater)(f"the mail server refuses the recipient: {reply(code, text)}") from None
        except smtplib.SMTPDataError as error:
            if error.smtp_code == 421:
                self.drop()
            raise (Refused if error.smtp_code >= 500 else NoAnswer)(f"the mail server refuses the message: {describe(error)}") from None
        except (OSError, smtplib.SMTPException) as error:
            self.drop()
            raise NoAnswer(f"no answer of the mail server: {describe(error)}") from None


class Phone:
    """Passes text messages to a command, as JSON on its standard input."""

    EX_TEMPFAIL = 75

    def __init__(self, texts, *, command=None):
        self.texts, self.command = texts, command

    def send(self, message):
        if self.command is None:
            raise Refused("phone numbers are not supported: there is no phone.command")
        task = {"id": str(message.id), "type": message.type, "recipient": message.recipient, "text": self.texts.write(message, "sms")}
        try:
            # Its output is discarded, because it can contain the number.
            result = subprocess.run(
                self.command,
                input=json.dumps(task).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SMTP_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TryLater("phone.command does not end") from None
        except OSError as error:
            raise TryLater(f"phone.command cannot be run: {describe(error)}") from None
        if result.returncode == self.EX_TEMPFAIL:
            raise TryLater("phone.command cannot send at the moment")
        if result.returncode != 0:
            raise Refused(f"phone.command ended with status {result.returncode}")


# ---------------------------------------------------------------------------
# The outbox
# ---------------------------------------------------------------------------


class Attempt:
    """A message, and the open transaction that has taken it."""

    def __init__(self, connection, message):
        self.connection, self.message = connection, message
        self.tries, self.next_try = 0, 0.0


class Outbox:
    """Takes each message in a transaction of its own, sends it, and commits.

    After a crash, the message is in the outbox again: it is sent twice at worst.  While
    a recipient is refused for the moment, the transaction stays open ("parked"), so that
    the message does not keep back others.
    """

    def __init__(self, conninfo, stop, poll_seconds, retry_seconds, mail, phone):
        self.conninfo, self.stop, self.poll_seconds = conninfo, stop, poll_seconds
        self.retry_seconds = retry_seconds
        self.mail = mail
        self.ways = {"email": mail, "phone_number": phone}
        self.listener = None
        self.taker = None
        self.parked = []

    def run(self):
        delay = 0
        while not self.stop.is_set:
            try:
                self.listen()
                self.send_all()
                delay = 0
                self.wait()
            except (psycopg.Error, Unavailable) as error:
                log.error("messages: %s", describe(error))
                if isinstance(error, psycopg.Error):
                    self.close()
                delay = min(max(1, 2 * delay), MAX_BACKOFF)
                self.stop.wait(delay)
        self.close()

    def close(self):
        """Close all connections.  Messages that were not sent return to the outbox."""
        self.mail.close()
        for connection in [self.listener, self.taker, *(attempt.connection for attempt in self.parked)]:
            if connection is not None:
                connection.close()
        self.listener = self.taker = None
        self.parked = []

    def listen(self):
        if self.listener is None:
            self.listener = connect(self.conninfo, autocommit=True)
            self.listener.execute("LISTEN anon_auth_outbox")
            log.info("messages: connected")

    def wait(self):
        """Wait for a notification, for the next attempt, or until it is time to poll."""
        next_try = min((attempt.next_try for attempt in self.parked), default=math.inf)
        self.stop.wait(min(self.poll_seconds, next_try - time.monotonic()), self.listener)
        self.listener.pgconn.consume_input()
        while self.listener.pgconn.notifies():
            pass

    def send_all(self):
        """Send until the outbox is empty."""
        while not self.stop.is_set:
            for attempt in [attempt for attempt in self.parked if attempt.next_try <= time.monotonic()]:
                self.send(attempt)
            if self.taker is None:
                self.taker = connect(self.conninfo)
                # A message that takes longer returns to the outbox and is sent again.
                self.taker.execute("SET idle_in_transaction_session_timeout = '5min'")
                self.taker.commit()
            message = self.take()
            if message is None:
                self.taker.commit()
                break
            self.send(Attempt(self.taker, message))
        self.mail.close()

    def take(self):
        """Take the oldest message in a transaction.  None: there is no message.

        take_outbox_messages() also counts messages that have expired, and does not return
        them.  So no row does not mean that the outbox is empty.
        """
        def rows(limit):
            return self.taker.execute("SELECT * FROM anon_auth.take_outbox_messages(%s)", [limit]).fetchall()

        first = rows(1)
        if first:
            return first[0]
        self.taker.execute("SAVEPOINT look")
        if not rows(1000):
            return None
        self.taker.execute("ROLLBACK TO look")
        return next((found[0] for found in (rows(1) for _ in range(1000)) if found), None)

    def send(self, attempt):
        """Try to send a message, and end its transaction or park it."""
        message = attempt.message
        try:
            if attempt.tries > 0 and message.expires_at <= now():
                raise Refused("it has expired")
            self.way(message).send(message)
            log.info("message %s: %s sent", message.id, message.type)
        except Unavailable:
            if attempt not in self.parked:
                attempt.connection.rollback()
            raise
        except TryLater as error:
            attempt.tries += 1
            if self.park(attempt, error):
                return
            if isinstance(error, NoAnswer):
                # It returns to the outbox, until it expires.
                self.end(attempt, attempt.connection.rollback)
                raise Unavailable(str(error)) from None
            log.error("message %s: %s given up: %s", message.id, message.type, error)
        except Exception as error:
            # Refused, or the message cannot be written.  It must not keep back the others.
            log.error("message %s: %s not sent: %s", message.id, message.type, describe(error))
        self.end(attempt, attempt.connection.commit)

    def end(self, attempt, commit_or_rollback):
        commit_or_rollback()
        if attempt in self.parked:
            self.parked.remove(attempt)
            attempt.connection.close()

    def park(self, attempt, error):
        """Let a message wait for its next attempt.  False if it cannot."""
        is_parked = attempt in self.parked
        if attempt.tries > len(self.retry_seconds) or (not is_parked and len(self.parked) >= MAX_PARKED):
            return False
        log.warning("message %s: %s must wait: %s", attempt.message.id, attempt.message.type, error)
        attempt.next_try = time.monotonic() + self.retry_seconds[attempt.tries - 1]
        if not is_parked:
            self.parked.append(attempt)
            self.taker = None
        return True

    def way(self, message):
        if message.type not in MESSAGE_TYPES or message.login_id_type not in self.ways:
            raise Refused("there is no text for this type of message")
        return self.ways[message.login_id_type]


# ---------------------------------------------------------------------------
# Keys of identity providers
# ---------------------------------------------------------------------------


class Keys:
    """Fetches the keys of providers that are due, or whose keys are older than Cache-Control allows."""

    def __init__(self, conninfo, stop, poll_seconds, *, ca_file=None, timeout_seconds=10, min_refresh_seconds=300, max_refresh_seconds=86400):
        self.conninfo, self.stop, self.poll_seconds = conninfo, stop, poll_seconds
        self.context = ssl.create_default_context(cafile=ca_file)
        self.timeout = timeout_seconds
        self.bounds = (min_refresh_seconds, max_refresh_seconds)
        self.connection = None
        self.refresh_at = {}  # issuer -> time.monotonic()
        self.retry_at = {}  # after a failure
        self.failures = {}

    def run(self):
        while not self.stop.is_set:
            try:
                if self.connection is None:
                    self.connection = connect(self.conninfo, autocommit=True)
                    log.info("keys: connected")
                self.work()
            except psycopg.Error as error:
                log.error("keys: %s", describe(error))
                if self.connection is not None:
                    self.connection.close()
                self.connection = None
            self.stop.wait(self.poll_seconds)

    def work(self):
        due = dict(self.connection.execute("SELECT issuer, reason FROM anon_auth.due_identity_providers()").fetchall())
        started = time.monotonic()
        for issuer, at in self.refresh_at.items():
            if at <= started:
                due.setdefault(issuer, "refresh")
        for issuer, reason in due.items():
            if self.stop.is_set:
                break
            if self.retry_at.get(issuer, 0) <= started:
                self.update(issuer, reason)

    def update(self, issuer, reason):
        try:
            jwks, max_age = self.fetch_keys(issuer)
            self.connection.execute("SELECT anon_auth.set_identity_provider_keys(%s, %s::jsonb)", [issuer, jwks])
        except psycopg.errors.UndefinedObject:
            # The provider was removed.
            self.refresh_at.pop(issuer, None)
        except (Unusable, psycopg.Error) as error:
            if isinstance(error, psycopg.Error) and self.connection.closed:
                raise
            failures = self.failures[issuer] = self.failures.get(issuer, 0) + 1
            self.retry_at[issuer] = time.monotonic() + min(self.poll_seconds * 2 ** min(failures, 20), MAX_KEY_BACKOFF)
            log.error("keys of %s (%s): %s", issuer, reason, describe(error))
        else:
            log.info("keys of %s (%s): set", issuer, reason)
            self.failures.pop(issuer, None)
            self.retry_at.pop(issuer, None)
            self.refresh_at[issuer] = time.monotonic() + min(max(max_age, self.bounds[0]), self.bounds[1])

    def fetch_keys(self, issuer):
        """The JWK Set of a provider as text, and its max-age."""
        text, _ = self.fetch(issuer.removesuffix("/") + "/.well-known/openid-configuration")
        configuration = parse_object(text)
        if configuration.get("issuer") != issuer:
            raise Unusable("the configuration is that of another issuer")
        if not isinstance(configuration.get("jwks_uri"), str):
            raise Unusable("the configuration has no jwks_uri")
        text, cache_control = self.fetch(configuration["jwks_uri"])
        parse_object(text)
        return text, max_age_of(cache_control)

    def fetch(self, uri):
        """The body of a response as text, and its Cache-Control.  https only; follows no redirect."""
        timed_out = threading.Event()

        def give_up(connected):
            timed_out.set()
            with contextlib.suppress(OSError):
                # Not the method of SSLSocket, which would let the reader go on without TLS.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

        connection = timer = None
        try:
            parts = urllib.parse.urlsplit(uri)
            if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
                raise Unusable("the URI is not https")
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=self.timeout, context=self.context)
            connection.connect()
            # The timeout of the socket is for one read; this one is for the whole answer.
            timer = threading.Timer(self.timeout, give_up, [connection.sock])
            timer.daemon = True
            timer.start()
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("GET", target, headers={"Accept": "application/json", "User-Agent": "anon_auth_worker"})
            response = connection.getresponse()
            if response.status != 200:
                raise Unusable(f"the provider answers {response.status}")
            body = response.read(MAX_BODY + 1)
            if timed_out.is_set():
                raise Unusable(f"the answer takes longer than {self.timeout} s")
            if len(body) > MAX_BODY:
                raise Unusable(f"the answer has more than {MAX_BODY} bytes")
            return body.decode("utf-8"), response.headers.get("Cache-Control", "")
        except (OSError, http.client.HTTPException, ValueError) as error:
            if timed_out.is_set():
                raise Unusable(f"the answer takes longer than {self.timeout} s") from None
            raise Unusable(describe(error)) from None
        finally:
            if timer is not None:
                timer.cancel()
            if connection is not None:
                connection.close()


def parse_object(text):
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise Unusable("the answer is not a JSON object")
    return value


def max_age_of(cache_control, default=3600):
    directives = [directive.strip().lower() for directive in cache_control.split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0
    match = next(filter(None, (re.fullmatch(r'max-age="?(\d{1,9})"?', directive) for directive in directives)), None)
    return int(match.group(1)) if match else default


# ---------------------------------------------------------------------------


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    configuration = tomllib.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    conninfo, poll_seconds = configuration["database"], configuration.get("poll_seconds", 10)
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, stop.set)

    parts = []
    if "mail" in configuration:
        options = {"directory": pathlib.Path(__file__).resolve().parent / "texts", "default_language": "en", "apps": {}, **configuration["texts"]}
        texts = Texts(**options)
        phone = Phone(texts, **configuration.get("phone", {}))
        retry_seconds = configuration.get("retry_seconds", [30, 60, 120])
        parts.append(Outbox(conninfo, stop, poll_seconds, retry_seconds, Mail(texts, **configuration["mail"]), phone))
    if "keys" in configuration:
        parts.append(Keys(conninfo, stop, poll_seconds, **configuration["keys"]))
    if not parts:
        sys.exit("the configuration has neither [mail] nor [keys]")

    failed = threading.Event()

    def run(part):
        try:
            part.run()
        except BaseException as error:
            # Without the error's text, which could contain an address.
            frame = error.__traceback__
            while frame.tb_next is not None:
                frame = frame.tb_next
            log.critical("unexpected %s in line %d", type(error).__name__, frame.tb_lineno)
            failed.set()
            stop.set()

    threads = [threading.Thread(target=run, args=[part], daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    while not stop.is_set:
        stop.wait(3600)
    # A message that is being sent is sent to the end; keys can be fetched again.
    for part, thread in zip(parts, threads):
        thread.join(None if isinstance(part, Outbox) else 1)
    log.info("stopped")
    sys.exit(1 if failed.is_set() else 0)


if __name__ == "__main__":
    main()
