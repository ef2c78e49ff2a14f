"""Every page that a person can open, by a real address, for somebody with something in every list and for a newcomer.

Whoever adds a page gets it walked by itself; a new kind of argument needs a sample in `full`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.utils import timezone
from django.views import View

from audit.models import AuditCheckpoint, AuditEvent, AuditExport
from config.kernel.access import AccessKind
from config.kernel.context import RequestContext, request_context
from config.kernel.pages import FormPage
from config.kernel.permissions import ROLE_PERMISSIONS, Permission, Role
from config.kernel.principals import SYSTEM
from config.kernel.routes import Route, all_routes
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys import signing
from keys.models import PersonalToken, SigningKey, TokenSession
from keys.services.agents import create_agent, enrol_agent, revoke_agent
from keys.services.keys import create_key, revoke_key, rotate_key
from keys.services.sessions import open_session
from keys.services.signing_keys import withdraw_signing_key
from orgs.models import (
    BrowserSession,
    CustomRole,
    DataExport,
    EmailDomain,
    Invitation,
    Membership,
    Passkey,
    ServiceAccount,
    ServiceGrant,
    User,
)
from orgs.services.invitations import token_hash
from orgs.services.organizations import create_organization
from orgs.services.recovery_codes import make_recovery_codes
from projects.models import Domain, ProjectMembership, Resource, SeenDomain, UsageDay, UsageMonth
from projects.services.projects import archive_project, create_project
from sso.models import FederatedIdentity, HandoverAddress
from tests.cast import Cast, person
from tests.sso.rows import connection_rows
from tests.webhooks.rows import endpoint_rows

# Routes that answer programs.
PROGRAMS = ("/api/v1/", "/admin/", "/health/", "/leaks/", "/.well-known/", "/api/schema", "/(?:api|access|scim)/")
# Routes that answer with something else than a whole page of their own.
NOT_PAGES = {
    "projects:panel": "a part of the overview",
    "keys:panel": "a part of the overview",
    "sso:panel": "a part of the overview",
    "webhooks:panel": "a part of the overview",
    "audit:panel": "a part of the overview",
    "keys:usage-panel": "a part of the overview",
    "keys:usage-file": "a file",
    "keys:project-usage-file": "a file",
    "orgs:export-download": "a file",
    "audit:export-download": "a file",
    "audit:checkpoint-file": "a file",
    "sso:mailed-link": "opens once a mail was sent; tests/browser/test_sign_in.py looks at it",
    "sso:social-start": "leads to Google or GitHub",
    "sso:social-callback": "is what they lead back to",
    "sso:start": "leads to an identity provider; tests/browser/test_single_sign_on.py looks at what comes of it",
    "sso:callback": "is what it leads back to",
    "sso:finish": "is what it leads back to",
    "sso:metadata": "a file",
    "sso:required": "leads to the identity provider of whoever an organization governs, and others home",
    "orgs:invite-bulk-result": "stands for the answer of a form, which tests/browser/test_pages.py sends",
}
INVITATION_TOKEN = "t" * 43


def pages() -> list[Route]:
    """Every route that a browser can GET, staff's own aside."""
    found = []
    for route in all_routes():
        methods = route.methods()
        readable = "GET" in methods or "*" in methods
        if readable and not route.path.startswith(PROGRAMS) and route.name not in NOT_PAGES:
            found.append(route)
    return found


def is_public(route: Route) -> bool:
    """Whether strangers open it."""
    methods = route.methods()
    return methods.get("GET", methods.get("*")).kind == AccessKind.PUBLIC


def is_for_newcomers(route: Route) -> bool:
    """Whether it opens for somebody who has nothing but an organization and a project."""
    return not is_public(route) and set(arguments(route)) <= {"organization", "project"}


def is_form(route: Route) -> bool:
    """Whether it is a page around one form, made of the same components as every other one."""
    return issubclass(getattr(route.callback, "view_class", View), FormPage)


def arguments(route: Route) -> list[str]:
    """The names in its path."""
    return re.findall(r"<(?:\w+:)?(\w+)>", route.path)


def path_of(route: Route, samples: dict[str, str]) -> str:
    """Its path with the samples in it. Fails for an argument that has none."""
    own = {name.partition(".")[2]: value for name, value in samples.items() if name.startswith(f"{route.name}.")}
    values = {**samples, **own}
    missing = [name for name in arguments(route) if name not in values]
    assert not missing, f"{route.path}: give tests/browser/addresses.py a sample of {missing}"
    path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda match: values[match[1]], route.path)
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], path)


@dataclass
class Persona:
    """Whose pages are looked at. `samples` fill the paths; a route whose arguments it lacks is not theirs."""

    user: User
    samples: dict[str, str]


def signed_by_a_withdrawn_key() -> str:
    """A checkpoint's statement whose key is withdrawn since."""
    statement = signing.sign_checkpoint({})
    key = SigningKey.objects.get(signs_from__isnull=False, withdrawn_at=None)
    withdraw_signing_key(actor=SYSTEM, key=key.public_id, reason="It was found on a laptop.")
    return statement


def full(cast: Cast) -> Persona:
    """Acme's owner, with something in every list."""
    owner, acme = cast.owner, cast.acme
    actor, everything = cast.principal(owner), ROLE_PERMISSIONS[Role.OWNER]
    cast.token(owner)
    withdrawn = signed_by_a_withdrawn_key()
    create_organization(
        actor=SYSTEM, owner=owner, name="Acme Laboratories of the Northern Hemisphere", slug="acme-labs"
    )
    now = timezone.now()
    with tenant_scope(acme.id):
        role = CustomRole.objects.create(
            name="Auditor", description="Reads all, changes nothing", permissions=["view_audit", "view_org"]
        )
        archive_project(actor=actor, project_id=create_project(actor=actor, name="Old portal", slug="old-portal").id)
        developer = Membership.objects.get(user=cast.developer)
        ProjectMembership.objects.create(project=cast.project, membership=developer, role="admin")
        for name, options in (
            ("Expiring", {"expires_at": now + timedelta(days=3), "allowed_ips": ["10.0.0.0/8", "2001:db8::/32"]}),
            ("Test", {"mode": "test", "note": "For the pipeline."}),
            ("To be rotated", {}),
            ("To be revoked", {}),
        ):
            key, _ = create_key(
                actor=actor, holder=everything, project_id=cast.project.id, kind="secret", name=name,
                permissions=[str(Permission.VIEW_ORG)], **{"mode": "live", **options},
            )  # fmt: skip
            if name == "To be rotated":
                rotate_key(
                    actor=actor, holder=everything, project_id=cast.project.id, key=key.public_id,
                    overlap=timedelta(hours=1),
                )  # fmt: skip
            if name == "To be revoked":
                revoke_key(actor=actor, project_id=cast.project.id, key=key.public_id)
        invitations = [
            Invitation.objects.create(
                email=f"a-person-with-quite-a-long-address-{number}@subdivision.acme.example", role="viewer",
                token_hash=token_hash(INVITATION_TOKEN if not number else str(number)), invited_by=owner,
                expires_at=now + timedelta(days=5 - 10 * number),
            )
            for number in range(2)
        ]  # fmt: skip
        for state, fields in (
            ("ready", {"path": "x", "size": 12345}),
            ("ready", {}),
            ("failed", {}),
            ("running", {"tables_total": 9}),
        ):
            export = DataExport.objects.create(state=state, requested_by=owner, **fields)
            numbers = {"path": "x", "size": 12345} if "path" in fields else {"rows_done": 90, "rows_total": 1_234}
            AuditExport.objects.create(
                state=state, format="csv", requested_by=owner.public_id, requested_by_label=owner.email,
                filters={"event": "key.*", "since": "2026-11-01T00:00:00.000000Z", "actor": owner.public_id}, **numbers,
            )  # fmt: skip
        for place, statement in ((1, withdrawn), (90, "signed")):
            AuditCheckpoint.objects.create(sequence=place, digest=b"d" * 32, sealed_at=now, statement=statement)
        account = ServiceAccount.objects.create(name="Gateway", description="Verifies keys in front of the products")
        for project, permissions in (
            (None, ["keys:verify", "view_org"]),
            (cast.project, ["keys:verify", "manage_keys"]),
        ):
            grant = ServiceGrant.objects.create(
                account=account, project_id=project and project.id, permissions=permissions, granted_by=owner.public_id
            )
        for name in ("customers/2026", "a-dataset-with-quite-a-long-name/of-the-northern-hemisphere"):
            resource = Resource.objects.create(
                service="warehouse", kind="dataset", name=name, project=cast.project, scopes=["read", "export"]
            )
        for pattern in ("*.shop.example.com", "localhost", "a-host-with-quite-a-long-name.subdivision.acme.example"):
            domain = Domain.objects.create(
                project=cast.project, pattern=pattern, is_loopback=pattern == "localhost", created_by=owner.public_id
            )
        for path in ("signed-in", "a/path/of/quite/some/length/at/which/people/are/taken/over?product=warehouse"):
            handover_address = HandoverAddress.objects.create(
                project=cast.project, address=f"https://app.acme.example/{path}", created_by=owner.public_id
            )
        for name, fields in (
            ("acme.example", {"status": "proven", "proven_at": now, "checked_at": now}),
            ("lost.acme.example", {"status": "lost", "lost_at": now, "checked_at": now, "failure": "There is none."}),
            ("missing.acme.example", {"status": "proven", "missing_since": now, "misses": 1, "proven_at": now}),
            ("a-domain-with-quite-a-long-name.subdivision.acme.example", {}),
        ):
            EmailDomain.objects.create(domain=name, token="0123456789abcdef" * 2, **fields)
        email_domain = EmailDomain.objects.get(domain="acme.example")
        SeenDomain.objects.create(
            project=cast.project, host="another-host-with-quite-a-long-name.example.org", is_loopback=False,
            last_seen_at=now,
        )  # fmt: skip
        for days, name, count in ((1, "page.viewed", 700), (2, "report.made", 1), (2, "page.viewed", 1200)):
            UsageDay.objects.create(
                project=cast.project, day=now.date() - timedelta(days=days), key=cast.key.public_id, name=name,
                count=count,
            )  # fmt: skip
        UsageMonth.objects.create(month=now.date().replace(day=1), count=9_000)
        agents = {
            name: create_agent(actor=actor, holder=everything, project_id=cast.project.id, name=name)
            for name in ("Nightly import of the customers of the northern hemisphere", "Waiting", "Gone")
        }
        revoke_agent(actor=actor, project_id=cast.project.id, agent=agents["Gone"][0].public_id)
        agent, enrolment_token = next(iter(agents.values()))
        connected = connection_rows()
        FederatedIdentity.objects.create(
            connection=connected.connection, issuer="https://idp.acme.example/saml/of/the/northern/hemisphere",
            subject="a-persistent-name-of-quite-some-length-0123456789", user=owner,
        )  # fmt: skip
        hooked = endpoint_rows()
        event = AuditEvent.objects.order_by("-id").first()
    enrol_agent(token=enrolment_token)
    token = PersonalToken.objects.get(user=owner)
    program = RequestContext(ip="192.0.2.7", user_agent="deploy/1.0 (a program with quite a long name of its own)")
    with request_context(program):
        open_session(user=owner, method="password")
    session = TokenSession.objects.get(user=owner)
    for user_agent in ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "curl/8.5.0"):
        browser_session = BrowserSession.objects.create(
            session_key=new_id().hex, user=owner, method="password", ip="2001:db8:1234:5678:9abc:def0:1234:5678",
            user_agent=user_agent, signed_in_at=now, expire_date=now + timedelta(days=14),
        )  # fmt: skip
    passkey = Passkey.objects.create(
        user=owner, name="The laptop in the office of the northern hemisphere", credential_id=b"1", public_key=b""
    )
    make_recovery_codes(actor=actor, user=owner)
    confirmation = EmailConfirmationHMAC(EmailAddress.objects.create(user=owner, email="second@acme.example"))
    return Persona(
        owner,
        {
            "organization": acme.slug,
            "project": cast.project.public_id,
            "member": cast.developer.public_id,
            "key": cast.key.public_id,
            "role": role.public_id,
            "invitation": invitations[0].public_id,
            "export": export.public_id,
            "grant": grant.public_id,
            "event": event.public_id,
            "domain": domain.public_id,
            "email_domain": email_domain.public_id,
            "handover_address": handover_address.public_id,
            "resource_id": resource.public_id,
            "connection": connected.connection.public_id,
            "endpoint": hooked.endpoint.public_id,
            "delivery": hooked.delivered.public_id,
            "token": token.public_id,
            "passkey": passkey.public_id,
            "agent": agent.public_id,
            "session": session.public_id,
            "browser_session": browser_session.public_id,
            "orgs:invitation.token": INVITATION_TOKEN,
            "account_confirm_email.key": confirmation.key,
            "account_reset_password_from_key.uidb36": user_pk_to_url_str(owner),
            "account_reset_password_from_key.key": default_token_generator.make_token(owner),
        },
    )


def empty() -> Persona:
    """A new owner, whose lists have nothing in them."""
    owner = person("nadia@initech.example")
    initech = create_organization(actor=SYSTEM, owner=owner, name="Initech", slug="initech")
    with tenant_scope(initech.id):
        project = create_project(actor=SYSTEM, name="Printer", slug="printer")
    return Persona(owner, {"organization": initech.slug, "project": project.public_id})
