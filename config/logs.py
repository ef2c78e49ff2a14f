"""Logs: JSON lines in production, readable ones in development. Request, organization and actor come by context."""

import re
from typing import Any

import structlog

# Whatever opens something must not be read in a log: credentials anywhere, one-time links by their address.
CREDENTIAL = re.compile(r"\b((?:(?:pk|sk)_(?:live|test)|pat|rft|enr)_[0-9A-Za-z]{4})[0-9A-Za-z]+")
SIGNED_TOKEN = re.compile(r"\b(eyJ)[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*")
ONE_TIME_LINK = re.compile(r"(/(?:invitations|confirm-email|password/reset/key)/)[^/\s'\"]+")


def redact(_logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    """structlog processor, the last before rendering: takes secrets out of every text of a line."""
    return {name: _redacted(value) for name, value in line.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return SIGNED_TOKEN.sub(r"\1…", ONE_TIME_LINK.sub(r"\1…", CREDENTIAL.sub(r"\1…", value)))
    if isinstance(value, dict):
        return {name: _redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value


def logging_settings(*, debug: bool) -> dict[str, Any]:
    """Django's LOGGING; also configures structlog, whose lines go through the same handler."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.dev.ConsoleRenderer(colors=False) if debug else structlog.processors.JSONRenderer()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact,
                    renderer,
                ],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            # Our own line of each request says the same without the address (config/kernel/middleware.py).
            "django.request": {"level": "ERROR"},
            # SQL may hold personal data; parameters of failed statements stay out of the logs.
            "django.db.backends": {"level": "ERROR"},
        },
    }
