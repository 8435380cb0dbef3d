"""Asking: one POST to a timestamp authority, with an end to waiting and to reading.

What follows the host in an address may be secret (names, tokens), so messages say the host alone.
"""

import http.client
import socket
import ssl
import threading
from base64 import b64encode
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from pipeline.errors import CaseError

MOST_BYTES = 1 << 20
"""A response with all its certificates has a few kB."""

_TYPE = "application/timestamp-query"


class AskError(Exception):
    """No answer came."""


def post(url: str, body: bytes, timeout: float) -> bytes:
    """Send a request and return the answer.

    Args:
        url: http or https; a name and password before the host are sent as Basic authentication.
        body: the request.
        timeout: seconds until the whole answer must be here.

    Raises:
        AskError: there is none, in time.
        CaseError: the address is not one.
    """
    connection, path, headers = _connection(url, timeout)
    host = connection.host
    late = threading.Event()
    sockets: list[socket.socket] = []

    def stop() -> None:
        late.set()
        # a reader that is fed a byte at a time never times out by itself
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    alarm = threading.Timer(timeout, stop)
    alarm.daemon = True
    alarm.start()
    try:
        connection.connect()
        sockets.append(connection.sock)
        connection.request("POST", path, body, {"Content-Type": _TYPE, **headers})
        response = connection.getresponse()
        answer = response.read(MOST_BYTES + 1)
        status = response.status
    except (OSError, http.client.HTTPException) as error:
        why = f"no answer in {timeout:g} s" if late.is_set() else _why(error, timeout)
        raise AskError(f"{host}: {why}") from error
    finally:
        alarm.cancel()
        connection.close()
    if late.is_set():
        raise AskError(f"{host}: no answer in {timeout:g} s")
    if status != http.client.OK or len(answer) > MOST_BYTES:
        raise AskError(f"{host}: answered status {status} and {len(answer)} bytes, expected 200")
    return answer


def _connection(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in {"http", "https"}:
        raise CaseError("address of an authority: expected http://HOST/PATH or https://HOST/PATH")
    headers = {}
    if parts.username is not None:
        who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + b64encode(who.encode()).decode("ascii")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout), path, headers
    context = ssl.create_default_context()
    secure = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return secure, path, headers


def _why(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {timeout:g} s"
    return f"cannot be asked: {error or type(error).__name__}"
