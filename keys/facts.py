"""What is known of a key, as plain values: loaded in one query, judged alike by the full path and by the fast one.

Facts are small, since a web process keeps hundreds of thousands of them in memory: whatever keys share is one object.
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
from config.kernel.statements import fetched
from config.kernel.tenancy.scope import system_scope
from keys.uses import Used

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ENDLESS = float("inf")
# Longer terms are hardly the same for two keys.
SHARED_LENGTH = 120

# A function of the owner's that finds keys by their digest and tells nothing else (its migration says more).
ONE_KEY = "SELECT * FROM keys_by_digest(%s)"
KEYS = "SELECT digest, key.* FROM unnest(%s::bytea[]) AS digest, keys_by_digest(digest) AS key"
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


@dataclass(slots=True, frozen=True, eq=False)
class KeyFamily:
    """What keys of one project, kind, mode and set of permissions share. `permissions` are sorted names.

    `told` is the part of the answer of keys/verify that is the same for all of them, as JSON.
    """

    project: ProjectFacts
    kind: str
    mode: str
    permissions: tuple[str, ...]
    told: bytes


@dataclass(slots=True, frozen=True, eq=False)
class KeyTerms:
    """What a key is restricted by. Most keys have the very same terms: none.

    `expires` is in seconds since 1970, infinite without an end; `rate` is a limit and a window in seconds; a key that
    `is_counted` has a number of remaining uses; one that `is_imported` has no format of ours; `metadata` is JSON.
    """

    networks: tuple[Network, ...]
    metadata: bytes
    expires: float
    expires_at: datetime | None
    is_revoked: bool
    is_quarantined: bool
    rate: tuple[int, int] | None
    is_counted: bool
    is_imported: bool


class KeyFacts(Used):
    """A key: its public id, what it shares with others, its terms, and its uses since they were last written."""

    __slots__ = ("family", "terms")

    def __init__(self, public_id: str, family: KeyFamily, terms: KeyTerms) -> None:
        super().__init__(public_id)
        self.family = family
        self.terms = terms

    @property
    def project(self) -> ProjectFacts:
        """Its project."""
        return self.family.project


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
    Raises django.db.Error.
    """
    rows = fetched(KEYS, list(digests))
    found = projects({row[2] for row in rows}) if rows else {}
    return {row[0]: _key(row[1:], found[row[2]]) for row in rows if row[2] in found}


def load_key(digest: bytes, project_of: Callable[[UUID], ProjectFacts | None]) -> KeyFacts | None:
    """The same for one key, in less time."""
    rows = fetched(ONE_KEY, digest)
    project = project_of(rows[0][1]) if rows else None
    return _key(rows[0], project) if project is not None else None


def load_project(project_id: UUID) -> ProjectFacts | None:
    """One project of whatever organization."""
    return load_projects([project_id]).get(project_id)


def _key(row: tuple[Any, ...], project: ProjectFacts) -> KeyFacts:
    key_id, _, kind, mode, permissions, terms = row
    return KeyFacts(public_id("key", key_id), family(project, kind, mode, permissions), _terms(terms))


@lru_cache(maxsize=16384)
def family(project: ProjectFacts, kind: str, mode: str, permissions: str) -> KeyFamily:
    """The family of a key; `permissions` are separated by spaces, and a name that is no longer known grants nothing.

    Projects compare by identity: a changed one is another, and so are its families.
    """
    names = permissions.split()
    known = tuple(sorted(permission.value for permission in KEY_PERMISSIONS if permission.value in names))
    organization = project.organization
    told = {
        "organization_id": organization.public_id,
        "project_id": project.public_id,
        "kind": kind,
        "mode": mode,
        "permissions": known,
        "plan": organization.plan,
    }
    return KeyFamily(project, kind, mode, known, b'",' + orjson.dumps(told)[1:-1] + b',"metadata":')


NO_TERMS = KeyTerms(
    (), b"{}", ENDLESS, None, is_revoked=False, is_quarantined=False, rate=None, is_counted=False, is_imported=False
)


def _terms(text: str | None) -> KeyTerms:
    if text is None:
        return NO_TERMS
    return _read_terms(text) if len(text) > SHARED_LENGTH else _shared_terms(text)


def _read_terms(text: str) -> KeyTerms:
    networks, metadata, expires, is_revoked, is_quarantined, *limits, is_counted, is_imported = orjson.loads(text)
    expires_at = None if expires is None else datetime.fromisoformat(expires)
    return KeyTerms(
        networks=networks_of(tuple(networks)),
        metadata=metadata.encode(),
        expires=ENDLESS if expires_at is None else expires_at.timestamp(),
        expires_at=expires_at,
        is_revoked=is_revoked,
        is_quarantined=is_quarantined,
        rate=None if limits[0] is None else (limits[0], limits[1]),
        is_counted=is_counted,
        is_imported=is_imported,
    )


_shared_terms = lru_cache(maxsize=4096)(_read_terms)


@lru_cache(maxsize=4096)
def networks_of(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """CIDR networks from their canonical spelling."""
    return tuple(ipaddress.ip_network(text) for text in texts)


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
