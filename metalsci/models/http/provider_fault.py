"""The faults between here and a model, in one vocabulary for every provider."""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class FaultKind(Enum):
    """Kind of a fault. TRANSIENT passes by itself. The others need a person, except FILTERED, which is an answer."""

    TRANSIENT = auto()
    KEY = auto()
    MODEL = auto()
    QUOTA = auto()
    REQUEST = auto()
    FILTERED = auto()


@dataclass(frozen=True)
class Fault:
    """A fault. message: the other side's words. retry_after: seconds that it asked to wait, None if it did not."""

    kind: FaultKind
    message: str
    retry_after: float | None = None


class MalformedAnswerError(Exception):
    """A reply that is no answer: not JSON, or without the parts that an answer has."""


_BY_STATUS = {401: FaultKind.KEY, 402: FaultKind.QUOTA, 403: FaultKind.KEY, 404: FaultKind.MODEL}
_TRANSIENT = {408, 409, 425, 429}

# What the providers call things in the body of an error, which tells more than its status: a 429 may mean that the
# account is empty, and an error within a stream has the status 200.
_BY_CODE = {
    "authentication_error": FaultKind.KEY,
    "permission_error": FaultKind.KEY,
    "invalid_api_key": FaultKind.KEY,
    "API_KEY_INVALID": FaultKind.KEY,
    "not_found_error": FaultKind.MODEL,
    "model_not_found": FaultKind.MODEL,
    "billing_error": FaultKind.QUOTA,
    "insufficient_quota": FaultKind.QUOTA,
    "invalid_request_error": FaultKind.REQUEST,
    "content_filter": FaultKind.FILTERED,
    "content_policy_violation": FaultKind.FILTERED,
    "invalid_prompt": FaultKind.FILTERED,
    "bio_policy": FaultKind.FILTERED,
    "misalignment_policy_violation": FaultKind.FILTERED,
    "overloaded_error": FaultKind.TRANSIENT,
    "rate_limit_error": FaultKind.TRANSIENT,
    "rate_limit_exceeded": FaultKind.TRANSIENT,
    "api_error": FaultKind.TRANSIENT,
    "timeout_error": FaultKind.TRANSIENT,
    "server_error": FaultKind.TRANSIENT,
}


def of_status(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Fault:
    """Classify an HTTP status, or an error within a stream, whose status is 200."""
    known = _BY_CODE.get(code or "")
    if known is FaultKind.REQUEST:
        known = _BY_STATUS.get(status, FaultKind.REQUEST)
    if known is None and (status in _TRANSIENT or status >= 500 or status < 400):
        known = FaultKind.TRANSIENT
    kind = known or _BY_STATUS.get(status, FaultKind.REQUEST)
    told = " ".join(message.split()) or "no message"
    return Fault(kind, f"HTTP {status}: {told}" if status >= 400 else told, retry_after(headers or {}))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: Retry-After as seconds or as a date, or retry-after-ms.

    headers: with names in lower case.
    """
    try:
        milliseconds = headers.get("retry-after-ms")
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "")
        if value:
            return max(0.0, float(value))
        return None
    except ValueError:
        date = email.utils.parsedate_tz(value)
        if date:
            return max(0.0, email.utils.mktime_tz(date) - time.time())
        return None
