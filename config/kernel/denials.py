"""What the gates and the services refuse, for the program's own log and for that of the organization it was about.

The ledger lies above the kernel, so who writes there is named in settings (TENANTRY_DENIAL_RECORDER). Writing it down
may fail; the refusal stands either way, and looks the same.

Somebody who is refused as if nothing were there must not learn by the time it took that something is. So whether it
exists is not looked up while they wait: what they asked for goes to the worker, the same for what exists and what does
not. Who knows the organization anyway, and lacks a permission in it, is written down at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from config.kernel.errors import Forbidden, TenantryError
from config.kernel.identifiers import parse_public_id
from config.kernel.permissions import Permission
from config.kernel.principals import Principal, PublishablePrincipal
from config.kernel.slugs import SLUG

logger = structlog.get_logger()

ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Asked:
    """What a request is for: its method, and the pattern of its address, since addresses can hold secrets."""

    method: str
    pattern: str

    @classmethod
    def of(cls, request: HttpRequest) -> "Asked":
        """By the route that was found for it."""
        return cls(request.method or "", request.resolver_match.route if request.resolver_match else "")

    @property
    def route(self) -> str:
        """As the API's document writes it: `/orgs/{organization}/keys/`, say."""
        return "/" + ARGUMENT.sub(r"{\1}", self.pattern)


@dataclass(frozen=True)
class Denial:
    """Who is refused what, or would be. `permission` is what it takes."""

    principal: Principal
    asked: Asked
    permission: Permission | None


class DenialRecorder(Protocol):
    """Implemented by `projects.services.denials`, named by TENANTRY_DENIAL_RECORDER."""

    def permission_missing(self, denial: Denial, *, organization: Any, project: Any) -> None:
        """Records that somebody who belongs to the organization lacks the permission. Runs in its scope."""

    def rule_broken(self, denial: Denial, *, organization: Any, project: Any, reason: str) -> None:
        """Records that a service refused what goes beyond the permission, and what it said. Runs in the scope."""

    def absent(self, denial: Denial, *, organization: str, project: str) -> None:
        """Has it looked up later what was named, and recorded where it exists. Does the same work where it does not.

        `project` is empty where none was named.
        """


@cache
def _recorder(path: str) -> DenialRecorder:
    return import_string(path)()


def note_permission_missing(denial: Denial, *, organization: Any, project: Any) -> None:
    """Says that somebody lacks a permission where they may look."""
    logger.warning("access denied", cause="permission_missing", **_words(denial))
    try:
        recorder = _recorder(settings.TENANTRY_DENIAL_RECORDER)
        recorder.permission_missing(denial, organization=organization, project=project)
    except Exception:
        logger.exception("refusal could not be recorded")


def note_rule_broken(admission: Any, error: TenantryError) -> None:
    """Says that a service refused somebody whom the gates had let in, by a rule such as that nobody reaches above
    themselves; call it when the transaction that it stopped has ended, in the scope of `admission`.

    Nothing for other errors, nor for those that only ask for another proof, which are subclasses of Forbidden; nor for
    browsers with a publishable key, which are refused by the page that they come from.
    """
    denial = admission.denial
    if type(error) is not Forbidden or denial is None or isinstance(admission.principal, PublishablePrincipal):
        return
    logger.warning("access denied", cause="rule", code=error.code, **_words(denial))
    try:
        recorder = _recorder(settings.TENANTRY_DENIAL_RECORDER)
        recorder.rule_broken(
            denial, organization=admission.organization, project=admission.project, reason=error.detail
        )
    except Exception:
        logger.exception("refusal could not be recorded")


def note_absent(denial: Denial, references: Mapping[str, Any]) -> None:
    """Says that somebody named what is absent for them; nothing of what cannot be a name of anything."""
    organization = _named("org", references.get("organization"))
    project = _named("prj", references.get("project"))
    logger.warning("access denied", cause="absent", organization=organization, project=project, **_words(denial))
    if not organization:
        return
    try:
        _recorder(settings.TENANTRY_DENIAL_RECORDER).absent(denial, organization=organization, project=project)
    except Exception:
        logger.exception("refusal could not be recorded")


def _words(denial: Denial) -> dict[str, str]:
    return {
        "method": denial.asked.method,
        "route": denial.asked.route,
        "permission": str(denial.permission or ""),
    }


def _named(prefix: str, reference: Any) -> str:
    """A well-formed reference. Anything else may be a secret in the wrong place, and names nothing."""
    text = str(reference or "")
    return text if SLUG.match(text) or parse_public_id(prefix, text) else ""
