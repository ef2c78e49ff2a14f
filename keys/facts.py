"""What is known of a key, as plain values: loaded in one query, judged alike by the full path and by the fast one.

Facts are small, since a web process keeps hundreds of thousands of them in memory: what keys share is one object.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from config.kernel.identifiers import public_id
from config.kernel.permissions import KEY_PERMISSIONS
from config.kernel.tenancy.scope import system_scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Longer metadata is hardly the same for two keys.
SHARED_LENGTH = 64
ENDLESS = float("inf")

KEYS = """
SELECT digest, id, org_id, project_id, kind, mode, permissions, allowed_ips, metadata::text, expires_at,
       revoked_at IS NOT NULL, quarantined_at IS NOT NULL, rate_limit, rate_window_seconds, remaining IS NOT NULL
FROM keys_key WHERE digest = ANY(%s)
"""
PROJECTS = """
SELECT project.id, project.status = 'active', organization.id, organization.status = 'active', organization.plan,
       organization.name, organization.slug,
       ARRAY(SELECT pattern FROM projects_domain AS domain
             WHERE domain.org_id = project.org_id AND domain.project_id = project.id)
FROM projects_project AS project JOIN orgs_organization AS organization ON organization.id = project.org_id
WHERE project.id = ANY(%s)
"""


@dataclass(slots=True, eq=False)
class OrganizationFacts:
    """An organization. `is_stale` says that it has changed since, and whoever holds it must load it again."""

    id: UUID
    public_id: str
    is_active: bool
    plan: str
    name: str
    slug: str
    is_stale: bool = False


@dataclass(slots=True, eq=False)
class ProjectFacts:
    """A project and its organization, with the patterns of its registered hosts. `is_stale` as above."""

    id: UUID
    public_id: str
    organization: OrganizationFacts
    is_active: bool
    patterns: frozenset[str]
    is_stale: bool = False

    @property
    def is_current(self) -> bool:
        """Whether neither it nor its organization has changed since."""
        return not (self.is_stale or self.organization.is_stale)


@dataclass(slots=True, eq=False)
class KeyFacts:
    """A key. `permissions` are sorted names, `metadata` is JSON text; `is_counted` has a number of remaining uses.

    `expires` is in seconds since 1970, infinite for a key without an end. `common` is what the fast path answers of all
    keys of the same project, kind, mode and permissions.
    """

    public_id: str
    project: ProjectFacts
    common: bytes
    kind: str
    mode: str
    permissions: tuple[str, ...]
    networks: tuple[Network, ...]
    metadata: str
    expires: float
    expires_at: datetime | None
    is_revoked: bool
    is_quarantined: bool
    rate: tuple[int, int] | None
    is_counted: bool


Projects = Callable[[Iterable[UUID]], Mapping[UUID, ProjectFacts]]


def load_projects(project_ids: Iterable[UUID]) -> dict[UUID, ProjectFacts]:
    """The projects of these ids, of whatever organization, in one query."""
    with system_scope("project look-up"), connection.cursor() as cursor:
        cursor.execute(PROJECTS, [list(project_ids)])
        rows = cursor.fetchall()
    organizations = {row[2]: OrganizationFacts(row[2], public_id("org", row[2]), *row[3:7]) for row in rows}
    return {
        row[0]: ProjectFacts(row[0], public_id("prj", row[0]), organizations[row[2]], row[1], frozenset(row[7]))
        for row in rows
    }


def load_keys(digests: Iterable[bytes], projects: Projects = load_projects) -> dict[bytes, KeyFacts]:
    """The keys of these SHA-256 digests, of whatever organization and in whatever state, by digest. One query.

    `projects` gives the facts of their projects. Whether the asker may know of a key is for the caller to decide.
    """
    with system_scope("key look-up"), connection.cursor() as cursor:
        cursor.execute(KEYS, [list(digests)])
        rows = cursor.fetchall()
    if not rows:
        return {}
    found = projects({row[3] for row in rows})
    return {bytes(row[0]): _key(row, found[row[3]]) for row in rows if row[3] in found}


def _key(row: tuple[Any, ...], project: ProjectFacts) -> KeyFacts:
    kind, mode, permissions = _interned(row[4]), _interned(row[5]), known_permissions(tuple(row[6]))
    return KeyFacts(
        public_id=public_id("key", row[1]),
        project=project,
        common=common_part(project, kind, mode, permissions),
        kind=kind,
        mode=mode,
        permissions=permissions,
        networks=networks_of(tuple(row[7])),
        metadata=_interned(row[8]) if len(row[8]) < SHARED_LENGTH else row[8],
        expires=row[9].timestamp() if row[9] is not None else ENDLESS,
        expires_at=row[9],
        is_revoked=row[10],
        is_quarantined=row[11],
        rate=_rate(row[12], row[13]) if row[12] is not None else None,
        is_counted=row[14],
    )


@lru_cache(maxsize=16384)
def common_part(project: ProjectFacts, kind: str, mode: str, permissions: tuple[str, ...]) -> bytes:
    """The middle of the answer of keys/verify. Projects compare by identity: a changed one is another."""
    organization = project.organization
    common = {
        "organization_id": organization.public_id,
        "project_id": project.public_id,
        "kind": kind,
        "mode": mode,
        "permissions": permissions,
        "plan": organization.plan,
    }
    return b'",' + orjson.dumps(common)[1:-1] + b',"metadata":'


@lru_cache(maxsize=4096)
def known_permissions(names: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted; a name that is no longer known grants nothing."""
    return tuple(sorted(permission.value for permission in KEY_PERMISSIONS if permission.value in names))


@lru_cache(maxsize=4096)
def networks_of(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """CIDR networks from their canonical spelling."""
    return tuple(ipaddress.ip_network(text) for text in texts)


@lru_cache(maxsize=1024)
def _rate(limit: int, window_seconds: int) -> tuple[int, int]:
    return limit, window_seconds


@lru_cache(maxsize=4096)
def _interned(text: str) -> str:
    return text


def address_allowed(ip: str | None, networks: Sequence[Network]) -> bool:
    """Whether `ip` lies in one of the networks. No networks allow every address; an unknown address lies in none."""
    if not networks:
        return True
    if ip is None:
        return False
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
