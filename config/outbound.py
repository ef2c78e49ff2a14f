"""Settings of calls to what customers typed: identity providers, receivers of webhooks, the DNS of their domains."""

from typing import NamedTuple

from marshmallow.validate import Range

from config.environment import Environment


class OutboundSettings(NamedTuple):
    """What was read."""

    networks: list[str]
    resolver: tuple[str, int] | None
    deliveries_days: int
    connections: int
    ca_file: str


def read_outbound_settings(environment: Environment, *, debug: bool) -> OutboundSettings:
    """Reads them; in development this very machine may be called."""
    environment.section("Calls to addresses that customers typed")
    networks = environment.texts(
        "TENANTRY_OUTBOUND_NETWORKS",
        ["127.0.0.0/8", "::1/128"] if debug else [],
        "Networks that may be called though they are not public, in which http:// is allowed too: `10.20.0.0/16` for "
        "identity providers inside your own network. Otherwise only https:// at public addresses is called.",
        default_words="none; in development this very machine",
    )
    environment.section("E-mail domains")
    resolver = environment.socket(
        "TENANTRY_DNS_RESOLVER",
        "The DNS resolver that is asked for the records which prove e-mail domains ([how](email-domains.md)).",
        port=53,
        default_words="the system's",
    )
    environment.section("Webhooks")
    deliveries_days = environment.number(
        "TENANTRY_WEBHOOK_DELIVERIES_DAYS",
        30,
        "For how many days finished deliveries are kept, and how far back a replay reaches, 30 at most (4 to 3650).",
        validate=Range(min=4, max=3650),
    )
    connections = environment.number(
        "TENANTRY_WEBHOOK_CONNECTIONS",
        100,
        "How many deliveries each delivery worker has on their way at once (1 to 1000).",
        validate=Range(min=1, max=1000),
    )
    ca_file = environment.text(
        "TENANTRY_WEBHOOK_CA_FILE",
        "",
        "A file of certificates (PEM) of the authorities whose receivers are trusted, if there are some of your own.",
        default_words="the public ones that certifi lists",
    )
    return OutboundSettings(networks, resolver, deliveries_days, connections, ca_file)
