"""The parts that the two uses of OpenAI's SDK share: its client and its exceptions."""

import json
from typing import TYPE_CHECKING

from metalsci.models.http.provider import Wire
from metalsci.models.http.provider_fault import Fault, FaultKind, of_status

if TYPE_CHECKING:
    from openai import OpenAI


def open_client(key: str | None, wire: Wire) -> "OpenAI":
    """Open a client without retries of its own: this project's count the attempts."""
    from openai import OpenAI

    return OpenAI(api_key=key, base_url=wire.base_url, timeout=wire.timeout, max_retries=0)


def of_openai(error: Exception) -> Fault | None:
    """Return the fault behind an exception of the SDK; None for any other exception."""
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        if isinstance(error.body, dict):
            body = error.body
        else:
            body = {}
        return of_status(
            error.status_code, str(body.get("message") or error.message), error.code or error.type, headers
        )
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return Fault(FaultKind.TRANSIENT, str(error.__cause__ or error))
    if isinstance(error, openai.APIResponseValidationError | json.JSONDecodeError):
        return Fault(FaultKind.TRANSIENT, f"a malformed answer: {error}")
    if isinstance(error, openai.APIError):  # within a stream
        return of_status(200, error.message, error.code or error.type)
    return None
