"""Tables of sign-in: connections to identity providers, handover, devices."""

from sso.models.connection import Certificate, Configuration, Connection, GroupMapping
from sso.models.device import DeviceAuthorization
from sso.models.handover import HandoverAddress, HandoverToken
from sso.models.identity import FederatedIdentity
from sso.models.log import ConnectionLogEntry, UsedAssertion

__all__ = [
    "Certificate",
    "Configuration",
    "Connection",
    "ConnectionLogEntry",
    "DeviceAuthorization",
    "FederatedIdentity",
    "GroupMapping",
    "HandoverAddress",
    "HandoverToken",
    "UsedAssertion",
]
