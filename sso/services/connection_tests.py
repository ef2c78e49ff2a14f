"""Tests of connections by their admins: the whole way, without anybody being signed in."""

from django.db import transaction

from config.kernel.principals import Principal
from config.kernel.tenancy.scope import tenant_scope
from config.kernel.throttling import may_try
from orgs.models import Organization
from sso.causes import SignInRefused
from sso.models import Configuration, ConnectionLogEntry
from sso.protocols.received import Received
from sso.services.activation import activate_configuration
from sso.services.judgement import Verdict, judge
from sso.services.log import note

FAILURES_NOTED = "60/minute"


def conclude(*, actor: Principal, organization: Organization, configuration: Configuration, received: Received) -> str:
    """Notes that a test passed, by which a draft goes live. Returns the public id of the line in the log.

    Raises SignInRefused when the person who came back would not get in, Forbidden when the actor may no longer
    manage sign-in, Conflict when the configuration was replaced meanwhile.
    """
    with transaction.atomic(), tenant_scope(organization.id):
        verdict = judge(organization=organization, connection=configuration.connection, received=received, as_test=True)
        activate_configuration(actor=actor, configuration_id=configuration.id)
        entry = note(
            configuration,
            ConnectionLogEntry.Outcome.TEST_PASSED,
            detail=would_happen(verdict),
            email=verdict.email,
            subject=received.subject,
            claims=received.claims,
        )
    return entry.public_id


def note_failed(
    *, organization: Organization, configuration: Configuration, refusal: SignInRefused, ip: str | None
) -> str:
    """Notes why a test failed. Returns the public id of the line in the log, empty when there were too many."""
    if not may_try("sso tests", f"{configuration.connection_id}:{ip}", limit=FAILURES_NOTED):
        return ""
    with transaction.atomic(), tenant_scope(organization.id):
        entry = note(
            configuration,
            ConnectionLogEntry.Outcome.TEST_FAILED,
            code=refusal.code,
            detail=refusal.exactly,
            email=refusal.known.email,
            subject=refusal.known.subject,
            claims=refusal.known.claims,
        )
    return entry.public_id


def would_happen(verdict: Verdict) -> str:
    """What a sign-in would have done, in a sentence."""
    if verdict.user is None:
        begin = f"A new account for {verdict.email} would be made"
    elif verdict.is_linked:
        begin = f"{verdict.email} would be signed in"
    else:
        begin = f"The existing account of {verdict.email} would be linked"
    if verdict.membership is None and verdict.role is not None:
        return f"{begin}, who would become a member as {verdict.role.name}."
    if verdict.role is not None:
        return f"{begin}, whose groups would change the role to {verdict.role.name}."
    role = verdict.membership.role_name if verdict.membership else ""
    return f"{begin}, whose role would stay {role}."
