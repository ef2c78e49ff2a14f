"""Facts of keys and projects in memory, never older than a second (orgs/changes.py says why).

Keys share the objects of their project and organization. When one of those changes it is marked stale, so that every
key that holds it is loaded again at its next use, without looking for them.
"""

from time import monotonic
from uuid import UUID

from django.conf import settings

from config.kernel.identifiers import public_id
from keys.facts import KeyFacts, OrganizationFacts, ProjectFacts, load_key, load_project
from orgs.changes import ChangeFeed, feed
from orgs.models import Change

# How many keys are dropped at once when the cache is full: the ones that came first.
DROPPED = 64


class KeyCache:
    """At most `size` keys by their SHA-256 digest. Reading needs no lock: each step is one of the interpreter's own."""

    def __init__(self, feed: ChangeFeed, size: int) -> None:
        self._feed = feed
        self._size = size
        self._keys: dict[bytes, KeyFacts] = {}
        self._digests: dict[str, bytes] = {}
        self._projects: dict[UUID, ProjectFacts] = {}
        self._organizations: dict[UUID, OrganizationFacts] = {}
        feed.subscribe(self.forget)

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, digest: bytes) -> KeyFacts | None:
        """The key of a digest as it was at most a second ago; None when there is none. Raises django.db.Error."""
        return self.kept(digest) or self.load(digest)

    def kept(self, digest: bytes) -> KeyFacts | None:
        """The key of a digest when memory may answer for it; None says nothing."""
        key = self._keys.get(digest)
        if key is None or monotonic() >= self._feed.usable_until:
            return None
        project = key.family.project
        return None if project.is_stale or project.organization.is_stale else key

    def load(self, digest: bytes) -> KeyFacts | None:
        """The key of a digest as it is now, kept for the next time. Raises django.db.Error."""
        generation = self._feed.generation
        # Not fresh: what is kept of projects cannot be trusted either, and nothing needs to be kept.
        if not self._feed.is_fresh:
            return load_key(digest, load_project)
        key = load_key(digest, self.project)
        if key is None:
            return None
        if len(self._keys) >= self._size:
            self._drop()
        self._keys[digest] = key
        self._digests[key.public_id] = digest
        # A change that came in meanwhile may be one of these rows: then they are good for this answer only.
        if self._feed.generation != generation:
            self._keys.pop(digest, None)
            self._digests.pop(key.public_id, None)
        return key

    def project(self, project_id: UUID) -> ProjectFacts | None:
        """The facts of a project, kept ones where they are current. Raises django.db.Error."""
        kept = self._projects.get(project_id)
        if kept is not None and kept.is_current:
            return kept
        generation = self._feed.generation
        loaded = load_project(project_id)
        if loaded is None:
            return None
        organization = self._organizations.get(loaded.organization.id)
        if organization is not None and not organization.is_stale:
            loaded.organization = organization
        else:
            self._organizations[loaded.organization.id] = loaded.organization
        self._projects[project_id] = loaded
        if self._feed.generation != generation:
            loaded.is_stale = loaded.organization.is_stale = True
        return loaded

    def forget(self, kind: str, entity: UUID | None) -> None:
        """Listener of the change feed."""
        if entity is None:
            for project in list(self._projects.values()):
                project.is_stale = True
            self._keys.clear()
            self._digests.clear()
            self._projects.clear()
            self._organizations.clear()
        elif kind == Change.Kind.KEY:
            digest = self._digests.pop(public_id("key", entity), None)
            if digest is not None:
                self._keys.pop(digest, None)
        elif kind == Change.Kind.PROJECT:
            changed = self._projects.pop(entity, None)
            if changed is not None:
                changed.is_stale = True
        elif kind == Change.Kind.ORGANIZATION:
            organization = self._organizations.pop(entity, None)
            if organization is not None:
                organization.is_stale = True

    def _drop(self) -> None:
        # Other threads may change the dictionaries between two steps: then the next one that is full tries again.
        try:
            oldest = [digest for digest, _ in zip(self._keys, range(DROPPED), strict=False)]
        except RuntimeError:
            return
        for digest in oldest:
            key = self._keys.pop(digest, None)
            if key is not None:
                self._digests.pop(key.public_id, None)


cache = KeyCache(feed, settings.TENANTRY_KEY_CACHE_SIZE)
