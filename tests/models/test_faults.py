import email.utils
import time

import pytest

from metalsci.models.http.provider_fault import FaultKind, of_status, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
    ],
)
def test_what_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_is_so_many_seconds_away() -> None:
    assert retry_after({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)}) == pytest.approx(
        30, abs=2
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, None, FaultKind.TRANSIENT),
        (429, "insufficient_quota", FaultKind.QUOTA),
        (500, "anything", FaultKind.TRANSIENT),
        (400, None, FaultKind.REQUEST),
        (400, "invalid_request_error", FaultKind.REQUEST),
        (404, "invalid_request_error", FaultKind.MODEL),
        (401, "invalid_request_error", FaultKind.KEY),
        (400, "API_KEY_INVALID", FaultKind.KEY),
        (200, "overloaded_error", FaultKind.TRANSIENT),
        (200, None, FaultKind.TRANSIENT),
        (413, None, FaultKind.REQUEST),
        (400, "content_filter", FaultKind.FILTERED),
    ],
)
def test_the_code_in_the_body_tells_more_than_the_status(status: int, code: str | None, kind: FaultKind) -> None:
    assert of_status(status, "x", code).kind is kind
