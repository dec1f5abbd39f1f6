"""Every failure mediascrape can name, in one tree.

Each class answers three questions for whoever catches it: what is it called where people and
programs read it (`code`), can another attempt help (`retryable`), and, for errors that end a
command, which exit status they mean (`exit_code`).

A class's docstring says when it is raised. `str(error)` is one line, safe to show.
"""

from __future__ import annotations

from typing import ClassVar


class MediascrapeError(Exception):
    """Base of all errors raised on purpose."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    @property
    def reason(self) -> str:
        """`code: message`, the form kept in a job's `failedReason` and in the store."""
        return f"{self.code}: {self}" if str(self) else self.code


# --- set-up and services -----------------------------------------------------------------


class ConfigurationError(MediascrapeError):
    """A setting, flag or file given by the user is wrong; the message says what to change."""

    code = "configuration"
    exit_code = 2


class ServiceUnavailableError(MediascrapeError):
    """A service the command needs is out of reach."""

    code = "service_unavailable"
    retryable = True
    exit_code = 4


class QueueUnavailableError(ServiceUnavailableError):
    """Valkey or Redis does not answer, or cannot be started."""

    code = "queue_unavailable"


class StoreUnavailableError(ServiceUnavailableError):
    """The database does not answer, cannot be opened, or refuses to be written."""

    code = "store_unavailable"


class StoreRejectedError(MediascrapeError):
    """The database can't hold what it was given; another attempt would fail the same way."""

    code = "store_rejected"


class UnusablePictureError(MediascrapeError):
    """A picture that a thumbnail was to be made of is none, is broken, too large, or not there."""

    code = "unusable_picture"


class InvalidQueryError(MediascrapeError):
    """A listing's filter, limit or cursor makes no sense."""

    code = "invalid_query"
    exit_code = 2


# --- jobs ------------------------------------------------------------------------------------


class JobDataError(MediascrapeError):
    """A job in the queue has a name or data that are not ours; it is failed, never run."""

    code = "bad_job_data"


class JobNotFoundError(MediascrapeError):
    """No job of that id is in the queue (it may have completed and left)."""

    code = "job_not_found"


class JobStateError(MediascrapeError):
    """The job is not in a state that allows the operation (active jobs can't be removed, ...)."""

    code = "job_state"


class InvalidScheduleError(ConfigurationError):
    """A schedule's interval, cron expression, time zone or dates make no sense."""

    code = "bad_schedule"


class JobStalledError(MediascrapeError):
    """The job's worker vanished more often than allowed; failed without another run."""

    code = "stalled"


class ChildFailedError(MediascrapeError):
    """A child of the job failed, and the flow's producer asked that its parent then fail too."""

    code = "child_failed"


class JobCancelledError(MediascrapeError):
    """Somebody asked for the running job to be cancelled; it is not tried again."""

    code = "cancelled"


class AttemptTimeoutError(MediascrapeError):
    """The attempt outlived the job timeout and was cancelled."""

    code = "timeout"
    retryable = True


# --- one attempt at a page --------------------------------------------------------------------


class ScrapeError(MediascrapeError):
    """One page could not be scraped.

    retry_after: seconds the origin asked us to wait, or None.
    """

    code = "scrape_failed"

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidURLError(ScrapeError):
    """The text is not a URL by the WHATWG standard."""

    code = "invalid_url"


class UnsupportedSchemeError(InvalidURLError):
    """The URL's scheme is neither http nor https."""

    code = "unsupported_scheme"


class MissingHostError(InvalidURLError):
    """The URL names no host."""

    code = "missing_host"


class URLTooLongError(InvalidURLError):
    """The URL is longer than `max_url_length`."""

    code = "url_too_long"


class URLCredentialsError(InvalidURLError):
    """The URL carries a user name or password, which would be stored and logged."""

    code = "url_credentials"


class ForbiddenAddressError(ScrapeError):
    """The host is, or resolves to, an address that is not public and not allowed by the operator."""

    code = "forbidden_address"


class HostNotFoundError(ScrapeError):
    """The name does not exist."""

    code = "host_not_found"


class DNSFailureError(ScrapeError):
    """The name could not be resolved this time (server failure, time-out)."""

    code = "dns_failure"
    retryable = True


class ConnectionRefusedByHostError(ScrapeError):
    """Nothing listens at the address."""

    code = "connection_refused"
    retryable = True


class ConnectionFailedError(ScrapeError):
    """The connection could not be made (unreachable, timed out) or broke before an answer."""

    code = "connection_failed"
    retryable = True


class ConnectionResetByHostError(ScrapeError):
    """The host closed the connection in the middle of its answer."""

    code = "connection_reset"
    retryable = True


class TLSError(ScrapeError):
    """The TLS handshake failed or the certificate is not valid for the host."""

    code = "tls_error"


class ProtocolError(ScrapeError):
    """What the host sent is not HTTP, or breaks it."""

    code = "protocol_error"


class RedirectError(ScrapeError):
    """Too many redirects, a loop of them, or one without a usable target."""

    code = "redirect_loop"


class NotFoundError(ScrapeError):
    """HTTP 404 or 410."""

    code = "not_found"


class ClientStatusError(ScrapeError):
    """Another 4xx that no retry will change."""

    code = "http_client_error"


class ServerStatusError(ScrapeError):
    """HTTP 5xx, 408 or 425."""

    code = "http_server_error"
    retryable = True


class RateLimitedError(ScrapeError):
    """HTTP 429, or 503 with Retry-After: the host asks for less."""

    code = "rate_limited"
    retryable = True


class RobotsDisallowedError(ScrapeError):
    """The host's robots.txt does not allow this URL for our user agent."""

    code = "robots_disallowed"


class RobotsUnavailableError(ScrapeError):
    """The host's robots.txt answers with a server error, so nothing may be fetched for now (RFC 9309)."""

    code = "robots_unavailable"
    retryable = True


class HostUnavailableError(ScrapeError):
    """The host failed so often in a row, with pauses between, that its jobs are no longer kept waiting."""

    code = "host_unavailable"


class UnsupportedContentError(ScrapeError):
    """The document is neither HTML (or a feed) nor itself a media file."""

    code = "unsupported_content"


class EmptyBodyError(ScrapeError):
    """The answer has no body."""

    code = "empty_body"


class BodyTooLargeError(ScrapeError):
    """The decoded document is longer than `max_body_bytes`."""

    code = "body_too_large"


class DecompressionBombError(ScrapeError):
    """The body expands beyond the allowed ratio."""

    code = "decompression_bomb"


class ContentDecodingError(ScrapeError):
    """The body is not what its Content-Encoding says."""

    code = "content_decoding"


class TooSlowError(ScrapeError):
    """The host sends so slowly that the page cannot arrive in time."""

    code = "too_slow"
    retryable = True


class DocumentTooComplexError(ScrapeError):
    """The document would cost more to parse than a page may (nesting, attribute counts)."""

    code = "document_too_complex"
