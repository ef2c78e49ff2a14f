"""Names of registered resources: `trn:tenantry:{service}:{organization}:{kind}/{name}`. Pure and strict.

One resource has one spelling. A name may have slashes, but no segment that clients drop from an address (RFC 3986,
5.2.4), since resources are named in addresses too.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from config.kernel.identifiers import parse_public_id, public_id

PREFIX = "trn:tenantry:"
SERVICE_LENGTH = 40
KIND_LENGTH = 40
NAME_LENGTH = 200
LONGEST = 400
DROPPED_SEGMENTS = frozenset({"", ".", ".."})

SERVICE = re.compile(rf"\A[a-z](?:[a-z0-9-]{{0,{SERVICE_LENGTH - 2}}}[a-z0-9])?\Z")
KIND = re.compile(rf"\A[a-z](?:[a-z0-9_-]{{0,{KIND_LENGTH - 2}}}[a-z0-9])?\Z")
NAME = re.compile(rf"\A[A-Za-z0-9][A-Za-z0-9._~@+=:/-]{{0,{NAME_LENGTH - 1}}}\Z")

# What Tenantry itself owns; nobody else registers under its name.
OWN_SERVICE = "tenantry"
PROJECT_KIND = "project"


@dataclass(frozen=True, slots=True)
class ResourceName:
    """The parts of a trn."""

    service: str
    organization_id: UUID
    kind: str
    name: str

    def __str__(self) -> str:
        return trn(self.service, self.organization_id, self.kind, self.name)


def trn(service: str, organization_id: UUID, kind: str, name: str) -> str:
    """The one spelling of a resource. Does not check its parts."""
    return f"{PREFIX}{service}:{public_id('org', organization_id)}:{kind}/{name}"


def parse(text: str) -> ResourceName | None:
    """The parts of a trn; None for everything that is not exactly one."""
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        return None
    service, _, rest = text.removeprefix(PREFIX).partition(":")
    organization, _, path = rest.partition(":")
    kind, _, name = path.partition("/")
    organization_id = parse_public_id("org", organization)
    if organization_id is None or not (SERVICE.match(service) and KIND.match(kind) and is_name(name)):
        return None
    return ResourceName(service, organization_id, kind, name)


def is_name(text: str) -> bool:
    """Whether a resource can be called so."""
    return NAME.match(text) is not None and not DROPPED_SEGMENTS & set(text.split("/"))
