"""Facts of decisions in memory, by organization, never older than a second (orgs/changes.py says why).

Only what is there is kept: that something is not there is asked of the database each time, since nobody notes that it
comes into being. What an answer is given from no change can pull from under it.

Beside the facts of an organization lie answers that were made of them, until one of these facts is forgotten. Whoever
adds an answer has fetched the dictionary before the facts: a change that comes in between takes that very dictionary
away. What was loaded meanwhile is added only if no change came in at all.
"""

from collections.abc import Iterable
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings

from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import require_organization_id
from keys.decisions.facts import Facts, ProjectFacts, ResourceType, SubjectType
from keys.decisions.loading import load, organization_facts
from keys.decisions.wire import Name
from orgs.changes import ChangeFeed, feed
from orgs.models import Change, Organization

# What a change of one row makes forgotten, by the kind of the change: its type among the subjects, its prefix.
SUBJECTS = {
    Change.Kind.USER.value: (SubjectType.USER.value, "usr"),
    Change.Kind.SERVICE.value: (SubjectType.SERVICE_ACCOUNT.value, "svc"),
    Change.Kind.KEY.value: (SubjectType.KEY.value, "key"),
}
# Answers by the public id of the asker's project, and by what was asked: a whole body, or names and action.
Answers = dict[Any, Any]

WHOLE = {Change.Kind.ORGANIZATION.value, Change.Kind.ACCESS.value}
PROJECT = Change.Kind.PROJECT.value
PROJECT_PLACE = ResourceType.PROJECT.value


class DecisionFacts:
    """Facts by organization, of at most `size` subjects and places in all; full, it begins anew."""

    def __init__(self, feed: ChangeFeed, size: int) -> None:
        self._feed = feed
        self._size = size
        # By the public id, since a text keeps its hash and a UUID works it out each time that it is looked up.
        self._kept: dict[str, Facts] = {}
        self._names = 0
        self._answers: dict[str, dict[str, Answers]] = {}
        self._answered = 0
        feed.subscribe(self.forget)

    @property
    def generation(self) -> int:
        """Grows with each change that comes in."""
        return self._feed.generation

    def answers(self, organization: str, project: str) -> Answers | None:
        """What askers of a project were answered, by public ids; None when memory must not be used."""
        if monotonic() >= self._feed.usable_until:
            return None
        of_organization = self._answers.get(organization)
        if of_organization is None:
            of_organization = self._answers.setdefault(organization, {})
        found = of_organization.get(project)
        return of_organization.setdefault(project, {}) if found is None else found

    def remember(self, answers: Answers, asked: Any, answer: Any, generation: int) -> None:
        """Adds an answer that follows from kept facts alone. `generation` was read before they were looked for."""
        if self._feed.generation != generation:
            return
        answers[asked] = answer
        self._answered += 1
        if self._answered > self._size:
            self._forget_answers()

    def gathered(self, organization: str, subjects: set[Name], places: set[Name]) -> Facts | None:
        """Facts about these names as they were at most a second ago; None when memory must not be used.

        `organization` is its public id; runs in its tenant scope. Raises django.db.Error.
        """
        if monotonic() >= self._feed.usable_until and not self._feed.is_fresh:
            return None
        generation = self._feed.generation
        kept = self._kept.get(organization)
        if kept is None:
            kept = self._begun(organization, generation)
            if kept is None:
                return None
        found = Facts(
            kept.organization,
            {name: kept.subjects.get(name) for name in subjects},
            {name: kept.places.get(name) for name in places},
        )
        missing_subjects, missing_places = self._lacking(kept, found)
        if missing_subjects or missing_places:
            self._complete(kept, found, missing_subjects, missing_places)
            self._keep(organization, kept, found, generation)
        return found

    def kept(self, organization: str, subject: Name, place: Name) -> Facts | None:
        """The same for one question that memory can answer alone; None when it cannot."""
        kept = self._kept.get(organization)
        if kept is None or monotonic() >= self._feed.usable_until:
            return None
        who, where = kept.subjects.get(subject), kept.places.get(place)
        if who is None or where is None:
            return None
        projects = kept.projects
        if where.project_id is not None and where.project_id not in projects:
            return None
        if who.bound is not None and who.bound not in projects:
            return None
        return Facts(kept.organization, {subject: who}, {place: where}, projects)

    def _lacking(self, kept: Facts, found: Facts) -> tuple[list[Name], list[Name]]:
        """The names that memory does not answer for, whose project it has lost among them. Fills `found.projects`."""
        projects, known = found.projects, kept.projects
        subjects, places = [], []
        for name, subject in found.subjects.items():
            if subject is None or not _with_project(subject.bound, projects, known):
                subjects.append(name)
        for name, place in found.places.items():
            if place is None or not _with_project(place.project_id, projects, known):
                places.append(name)
        return subjects, places

    def _complete(self, kept: Facts, found: Facts, subjects: Iterable[Name], places: Iterable[Name]) -> None:
        loaded = Facts(kept.organization)
        load(loaded, subjects=subjects, places=places)
        found.subjects |= loaded.subjects
        found.places |= loaded.places
        found.projects |= loaded.projects

    def _keep(self, organization: str, kept: Facts, found: Facts, generation: int) -> None:
        """Keeps what is there, for the next time, unless a change came in meanwhile, which may be about it."""
        new_subjects = {name: subject for name, subject in found.subjects.items() if subject is not None}
        new_places = {name: place for name, place in found.places.items() if place is not None}
        before = len(kept.subjects) + len(kept.places)
        kept.subjects |= new_subjects
        kept.places |= new_places
        kept.projects.update(found.projects)
        self._names += len(kept.subjects) + len(kept.places) - before
        if self._feed.generation != generation:
            self._forget_organization(organization)
        elif self._names > self._size:
            self._forget_everything()

    def _begun(self, organization: str, generation: int) -> Facts | None:
        row = Organization.objects.filter(id=require_organization_id()).first()
        if row is None:
            return None
        begun = Facts(organization_facts(row))
        self._kept[organization] = begun
        if self._feed.generation != generation:
            self._forget_organization(organization)
        return begun

    def forget(self, kind: str, entity: UUID | None) -> None:
        """Listener of the change feed."""
        if entity is None:
            self._forget_everything()
        elif kind in WHOLE:
            self._forget_organization(public_id("org", entity))
        elif kind == PROJECT:
            name = (PROJECT_PLACE, public_id("prj", entity))
            for kept in list(self._kept.values()):
                # Answers that are being given hold the dictionary: they keep theirs.
                projects = dict(kept.projects)
                known = projects.pop(entity, None)
                kept.projects = projects
                if kept.places.pop(name, None) is not None or known is not None:
                    self._answers.pop(kept.organization.public_id, None)
        elif kind in SUBJECTS:
            subject_type, prefix = SUBJECTS[kind]
            name = (subject_type, public_id(prefix, entity))
            for kept in list(self._kept.values()):
                if kept.subjects.pop(name, None) is not None:
                    self._answers.pop(kept.organization.public_id, None)

    def _forget_organization(self, organization: str) -> None:
        forgotten = self._kept.pop(organization, None)
        if forgotten is not None:
            self._names -= len(forgotten.subjects) + len(forgotten.places)
        self._answers.pop(organization, None)

    def _forget_everything(self) -> None:
        self._kept = {}
        self._names = 0
        self._forget_answers()

    def _forget_answers(self) -> None:
        self._answers = {}
        self._answered = 0


def _with_project(project_id: UUID | None, projects: dict[UUID, ProjectFacts], known: dict[UUID, ProjectFacts]) -> bool:
    """Whether the project, if there is one, is among `projects`, where it is put if it is `known`."""
    if project_id is None or project_id in projects:
        return True
    project = known.get(project_id)
    if project is None:
        return False
    projects[project_id] = project
    return True


cache = DecisionFacts(feed, settings.TENANTRY_DECISION_CACHE_SIZE)
