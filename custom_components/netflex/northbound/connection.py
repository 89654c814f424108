"""One connection to a broker, and what is wrong where there is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import logging
import socket
import ssl
from typing import Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .codec import Format, encode
from .messages import Outgoing
from .settings import NorthboundSettings
from .tls import TlsFilesError, client_context

IN_FLIGHT: Final = 200
"""Messages sent before the first of them is confirmed."""
TIMEOUT: Final = 10.0
"""s for the broker's answer; then it counts as lost."""
GOODBYE: Final = 3.0
"""s for taking leave."""
_MQTT_LOGGER: Final = logging.getLogger(f"{__name__}.mqtt")
_MOST_WAITING: Final = 1000
"""Incoming messages that wait to be read; more are left out."""
_ALERT_WAIT: Final = 1.0

LOST: Final = "connection_lost"
SILENT: Final = "no_answer"


def _for_debugging(record: logging.LogRecord) -> bool:
    """Have the client's own words, once for every try, in a log for debugging only."""
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return _MQTT_LOGGER.isEnabledFor(logging.DEBUG)


_MQTT_LOGGER.addFilter(_for_debugging)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProblem:
    """Why there is no connection: a stable key, and words."""

    key: str
    text: str


LINK_ERRORS: Final = (aiomqtt.MqttError, OSError, TlsFilesError, ValueError)
"""Everything by which a connection fails; ValueError: a payload that cannot be sent."""


@asynccontextmanager
async def connected(
    settings: NorthboundSettings, will: Outgoing | None, identifier: str
) -> AsyncIterator[aiomqtt.Client]:
    """Connect, with a last will or without; one of `LINK_ERRORS` where that cannot be."""
    context = None
    if (files := settings.tls) is not None:
        context = await asyncio.get_running_loop().run_in_executor(
            None, client_context, files
        )
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password,
        identifier=identifier,
        will=None if will is None else _will(will, settings.format),
        clean_session=True,
        timeout=TIMEOUT,
        keepalive=settings.keepalive,
        max_inflight_messages=IN_FLIGHT,
        max_queued_incoming_messages=_MOST_WAITING,
        tls_context=context,
        logger=_MQTT_LOGGER,
    )
    client.pending_calls_threshold = IN_FLIGHT * 2
    try:
        await _open(client)
        try:
            yield client
        finally:
            await client.__aexit__(None, None, None)
    except aiomqtt.MqttError:
        _hang_up(client)
        raise


def _will(will: Outgoing, form: Format) -> aiomqtt.Will:
    return aiomqtt.Will(will.topic, encode(will.data, form), qos=1, retain=will.retain)


async def _open(client: aiomqtt.Client) -> None:
    """Connect; a try that is given up leaves no connection behind.

    It runs in a thread, which nobody can stop: what it opens has to be closed again.
    """
    opening = asyncio.ensure_future(client.__aenter__())
    try:
        # Not a shield: that reports what a try that was given up fails with.
        await asyncio.wait({opening})
    except asyncio.CancelledError:

        def close(done: asyncio.Future[aiomqtt.Client]) -> None:
            if not done.cancelled():
                done.exception()
            _hang_up(client)

        opening.add_done_callback(close)
        await asyncio.wait({opening}, timeout=GOODBYE)
        raise
    opening.result()


def _hang_up(client: aiomqtt.Client) -> None:
    """Close a socket that the client leaves open until the keep-alive ends it."""
    client._client.disconnect()  # noqa: SLF001


async def publish(client: aiomqtt.Client, message: Outgoing, form: Format) -> None:
    """Send one message and wait until the broker has it."""
    await client.publish(
        message.topic, encode(message.data, form), qos=1, retain=message.retain
    )


def explain(err: BaseException) -> LinkProblem:
    """Return why a connection failed, in words."""
    cause = _cause(err)
    key = _key(cause)
    if key == LOST and isinstance(cause, aiomqtt.MqttError):
        return LinkProblem(key=key, text=Phrase("mqtt_lost", "the connection was lost"))
    return LinkProblem(key=key, text=reason_of(cause))


def _cause(err: BaseException) -> BaseException:
    """Return what the client wrapped: it keeps the text and hides the kind."""
    inner = err.__cause__ or err.__context__
    if isinstance(err, MqttConnectError) or not isinstance(err, aiomqtt.MqttError):
        return err
    return err if inner is None else _cause(inner)


def _key(err: BaseException) -> str:
    if isinstance(err, TlsFilesError):
        return err.key
    if isinstance(err, MqttConnectError):
        return "not_authorised" if _unauthorised(err) else "broker_refused"
    if isinstance(err, ssl.SSLCertVerificationError):
        return "broker_untrusted"
    if isinstance(err, ssl.SSLError):
        alert = "alert" in str(err).lower()
        return "certificate_refused" if alert else "tls_failed"
    if isinstance(err, socket.gaierror):
        return "name_unknown"
    if isinstance(err, ConnectionRefusedError):
        return "connection_refused"
    if isinstance(err, TimeoutError):
        return SILENT
    return LOST


def _unauthorised(err: MqttConnectError) -> bool:
    code = getattr(err.rc, "value", err.rc)
    # 4 and 5 of MQTT 3.1.1 as paho turns them into reason codes of MQTT 5.
    return code in {4, 5, 134, 135}


async def reach(settings: NorthboundSettings) -> LinkProblem | None:
    """Return what keeps TCP or TLS from working, None where nothing does.

    A broker that refuses our certificate says so after the handshake only, where the
    MQTT client takes it for silence.
    """
    try:
        context = None
        if settings.tls is not None:
            context = await asyncio.get_running_loop().run_in_executor(
                None, client_context, settings.tls
            )
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=context
            )
        try:
            if context is not None:
                async with asyncio.timeout(_ALERT_WAIT):
                    await reader.read(1)
        except TimeoutError:
            # Silence is right: it is we who speak first.
            pass
        finally:
            writer.close()
    except (OSError, TlsFilesError) as err:
        return explain(err)
    return None


async def probe(settings: NorthboundSettings) -> LinkProblem | None:
    """Connect once and leave; return what is wrong, None where all is well.

    Subscribes nothing, publishes nothing, and leaves no will behind.
    """
    if (problem := await reach(settings)) is not None:
        return problem
    identifier = f"{settings.endpoint}-test"
    try:
        async with connected(settings, None, identifier):
            pass
    except LINK_ERRORS as err:
        return explain(err)
    return None
