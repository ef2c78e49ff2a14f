"""Addresses that an organization types into its identity provider, and from which its people start.

They hold the connection's public id, so they stay while its name and configuration change.
"""

from django.conf import settings

from sso.models import Connection


def start_url(connection: Connection) -> str:
    """Where a sign-in through the connection begins."""
    return _address(connection, "start")


def redirect_uri(connection: Connection) -> str:
    """Where an OpenID Connect provider sends people back to."""
    return _address(connection, "callback")


def acs_url(connection: Connection) -> str:
    """Where a SAML provider posts its responses (assertion consumer service)."""
    return _address(connection, "acs")


def metadata_url(connection: Connection) -> str:
    """Where our SAML metadata are."""
    return _address(connection, "metadata")


def sp_entity_id(connection: Connection) -> str:
    """What we are called in SAML, and the audience of assertions: the address of our metadata."""
    return metadata_url(connection)


def back_channel_logout_url(connection: Connection) -> str:
    """Where an OpenID Connect provider tells us that somebody signed out."""
    return _address(connection, "logout")


def _address(connection: Connection, name: str) -> str:
    return f"{settings.TENANTRY_URL}/sso/{connection.public_id}/{name}"
