"""libcurl's result codes as our typed errors. Pure."""

from __future__ import annotations

import errno
from typing import Final

import pycurl

from mediascrape.errors import (
    ConnectionFailedError,
    ConnectionRefusedByHostError,
    ConnectionResetByHostError,
    ProtocolError,
    ScrapeError,
    TLSError,
)

#: libcurl codes that pycurl has no name for: CURLE_HTTP2_STREAM and CURLE_TOO_LARGE.
_HTTP2_STREAM: Final = 92
_TOO_LARGE: Final = 100

#: Every other code means that there was no usable connection: ConnectionFailedError.
_ERRORS: Final[dict[int, type[ScrapeError]]] = {
    pycurl.E_RECV_ERROR: ConnectionResetByHostError,
    pycurl.E_SEND_ERROR: ConnectionResetByHostError,
    pycurl.E_PARTIAL_FILE: ConnectionResetByHostError,
    pycurl.E_SSL_CONNECT_ERROR: TLSError,
    pycurl.E_PEER_FAILED_VERIFICATION: TLSError,
    pycurl.E_SSL_CERTPROBLEM: TLSError,
    pycurl.E_SSL_CIPHER: TLSError,
    pycurl.E_SSL_ISSUER_ERROR: TLSError,
    pycurl.E_SSL_INVALIDCERTSTATUS: TLSError,
    pycurl.E_UNSUPPORTED_PROTOCOL: ProtocolError,  # HTTP/0.9, which is anything at all
    pycurl.E_FTP_WEIRD_SERVER_REPLY: ProtocolError,
    pycurl.E_HTTP2: ProtocolError,
    _HTTP2_STREAM: ProtocolError,
    pycurl.E_BAD_CONTENT_ENCODING: ProtocolError,
    _TOO_LARGE: ProtocolError,
}


def transfer_error(code: int, message: str, os_errno: int) -> ScrapeError:
    """The error for a transfer that libcurl ended with `code`, in libcurl's own words.

    Its only time-out here is that of the connection: the pace of an answer is watched by us.
    """
    text = message or f"libcurl error {code}"
    if code == pycurl.E_COULDNT_CONNECT and os_errno == errno.ECONNREFUSED:
        return ConnectionRefusedByHostError(text)
    if code == pycurl.E_RECV_ERROR and text.startswith("chunk "):  # no code of its own for bad framing
        return ProtocolError(text)
    return _ERRORS.get(code, ConnectionFailedError)(text)
