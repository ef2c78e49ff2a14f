"""What a log line must not say."""

import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from config.logs import redact
from keys.credentials import PATTERN, PREFIXES, generate
from keys.signing import Purpose, sign

LINKS = ["/invitations/abcDEF_123/", "http://t.example/confirm-email/MQ:1abc/", "/password/reset/key/a-b-c/"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_credentials_are_cut_out_of_lines(prefix: str):
    plaintext = generate(prefix).plaintext
    line = redact(None, "info", {"event": f"got {plaintext}!", "deep": {"list": [plaintext]}, "number": 7})
    assert plaintext not in str(line)
    assert plaintext[: len(prefix) + 4] in line["event"]
    assert line["number"] == 7
    assert PATTERN


def test_signed_tokens_are_cut_out_of_lines(db: None):
    token = sign(Purpose.ACCESS, {"sub": "usr_x"}, lifetime=timedelta(minutes=1), audience="x")
    line = redact(None, "info", {"event": f"Bearer {token}, again"})
    assert line["event"] == "Bearer eyJ…, again"


@pytest.mark.parametrize("link", LINKS)
def test_one_time_links_are_cut_out_of_lines(link: str):
    secret = link.rstrip("/").rsplit("/", 1)[1]
    assert secret not in str(redact(None, "info", {"event": f"Not Found: {link}", "path": link}))


def captured_lines(handler: logging.StreamHandler) -> io.StringIO:
    stream = io.StringIO()
    handler.setStream(stream)
    return stream


def test_a_request_is_logged_by_its_route_with_its_id_and_organization(api: Any, cast: Any):
    handler = next(h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    before = handler.stream
    stream = captured_lines(handler)
    try:
        api(cast.owner).get(f"/api/v1/orgs/{cast.acme.public_id}", headers={"X-Request-Id": "request-42-abc"})
        api(None).get("/invitations/very-secret-token/")
    finally:
        handler.setStream(before)
    text = stream.getvalue()
    assert "request-42-abc" in text
    assert "/api/v1/orgs/<str:organization>" in text
    assert "very-secret-token" not in text
    assert settings.LOGGING["handlers"]["console"]["class"] == "logging.StreamHandler"
