"""The interface of the class that decides. TENANTRY_DECISION_MAKER names it, so that an installation can put another.

A decision maker gets an inquiry, which says who asks for what and holds no policy, and the facts that were loaded for
it. It answers whether, why, and for how long that may be remembered. It is called inside the organization's tenant
scope, may be called from several threads at once and, in a search, once for each candidate: what is true of a check is
therefore true of a search. Whatever it raises is a denial. It must not trust `attributes`: the caller wrote them.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from config.kernel.principals import Principal
from keys.decisions.facts import Facts
from keys.decisions.wire import Attributes, Name

# No answer may be remembered for longer, denials included.
LONGEST_TTL = 60


class Source(StrEnum):
    """How we know of the subject: it asks with a CREDENTIAL of its own, or somebody who may asks about it by NAME."""

    CREDENTIAL = "credential"
    NAME = "name"


@dataclass(slots=True)
class Inquiry:
    """Who wants to do what with what.

    `handle` is the subject's public id, `principal` the subject; behind a narrowed personal token, with what it may.
    `subject` and `resource` are type and id, by which the facts know them. `attributes` are what the caller sent
    beside the names, by `subject`, `action`, `resource` and `context`.
    """

    handle: str
    organization_id: UUID
    principal: Principal
    source: Source
    subject: Name
    action: str
    resource: Name
    attributes: Attributes


@dataclass(slots=True)
class Decision:
    """`reason` is the path of the rule that decided, for people; `code` its kind, for programs; `ttl` in seconds."""

    allowed: bool
    reason: str
    code: str
    ttl: int = LONGEST_TTL


class DecisionMaker(Protocol):
    """What the setting names: a class without arguments.

    One that asks neither database nor store may say so by `is_pure = True`: warm decisions then skip the scope. One
    that in addition decides alike as long as the facts are the same, for questions without attributes about subjects
    that do not end, may say so by `is_steady = True`: it is asked again only when one of the facts has changed.
    """

    def decide(self, inquiry: Inquiry, facts: Facts) -> Decision:
        """Decides. `facts` has the subject and the place of the inquiry; who lacks either is never asked about."""


@cache
def _made(path: str) -> DecisionMaker:
    return import_string(path)()


def decision_maker() -> DecisionMaker:
    """The one that is installed."""
    return _made(settings.TENANTRY_DECISION_MAKER)
