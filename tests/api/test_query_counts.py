"""No list asks more often because it is longer."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Agent, Key, PersonalToken, TokenSession
from orgs.models import CustomRole, Invitation, Membership, Organization, User
from projects.models import Project, ProjectMembership, Resource
from tests.webhooks.rows import endpoint_rows
from webhooks.models import Delivery, Endpoint

ACME = "/api/v1/orgs/acme"
ROCKET = f"{ACME}/projects/rocket"


def role(number):
    return CustomRole.objects.create(name=f"Role {number}", permissions=["view_org"])


def member(number):
    user = User.objects.create(email=f"m{number}@acme.example")
    return Membership.objects.create(user=user, role="custom", custom_role=role(number))


def add_organization(cast, number):
    organization = Organization.objects.create(name=f"Number {number}", slug=f"number-{number}")
    with tenant_scope(organization.id):
        Membership.objects.create(user=cast.owner, role="custom", custom_role=role(number))


def add_member(cast, number):
    member(number)


def add_invitation(cast, number):
    Invitation.objects.create(
        email=f"i{number}@acme.example",
        role="custom",
        custom_role=role(number),
        token_hash=bytes([number]) * 32,
        expires_at=timezone.now() + timedelta(days=1),
        invited_by=cast.admin,
    )


def add_role(cast, number):
    role(number)


def add_project(cast, number):
    Project.objects.create(name=str(number), slug=f"p{number}")


def add_resource(cast, number):
    Resource.objects.create(service="warehouse", kind="dataset", name=str(number), project=cast.project)


def add_project_member(cast, number):
    ProjectMembership.objects.create(project=cast.project, membership=member(number), role="viewer")


def add_key(cast, number):
    Key.objects.create(
        project=cast.project, kind="secret", mode="live", name=str(number), digest=bytes([number]) * 32,
        start="sk_live_abcd", created_by="usr_x", replaces=cast.key,
    )  # fmt: skip


def add_token(cast, number):
    PersonalToken.objects.create(
        user=cast.owner, organization=cast.acme, name=str(number), digest=bytes([number]) * 32, start="pat_abcd"
    )


def add_agent(cast, number):
    Agent.objects.create(
        project=cast.project, name=str(number), enrolment_digest=bytes([number]) * 32,
        enrolment_expires_at=timezone.now(), created_by="usr_x",
    )  # fmt: skip


def add_session(cast, number):
    TokenSession.objects.create(
        user=cast.owner, organization=cast.acme, method="password", last_used_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip


def add_endpoint(cast, number):
    endpoint_rows(description=str(number))


def add_delivery(cast, number):
    endpoint = Endpoint.objects.first() or endpoint_rows().endpoint
    Delivery.objects.create(endpoint=endpoint, event_id=new_id(), event="key.created", due_at=timezone.now())


LISTS = [
    ("/api/v1/orgs", add_organization),
    ("/api/v1/whoami", add_organization),
    (f"{ACME}/members", add_member),
    (f"{ACME}/invitations", add_invitation),
    (f"{ACME}/roles", add_role),
    (f"{ACME}/projects", add_project),
    (f"{ROCKET}/members", add_project_member),
    (f"{ACME}/resources", add_resource),
    (f"{ROCKET}/keys", add_key),
    ("/api/v1/me/tokens", add_token),
    ("/api/v1/me/sessions", add_session),
    (f"{ROCKET}/agents", add_agent),
    (f"{ACME}/audit-events", add_key),
    (f"{ACME}/webhook-endpoints", add_endpoint),
    (f"{ACME}/webhook-deliveries", add_delivery),
]


@pytest.mark.parametrize(("path", "add"), LISTS, ids=[path for path, _ in LISTS])
def test_a_list_of_twenty_asks_as_often_as_one_of_two(api, cast, path, add):
    def counted(numbers):
        for number in numbers:
            if add is add_organization:
                add(cast, number)
            else:
                with tenant_scope(cast.acme.id):
                    add(cast, number)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = client.get(path)
        assert answer.status_code == 200
        return len(captured), len(json_rows(answer))

    client = api(cast.owner)
    few, short = counted([1, 2])
    many, long = counted(range(3, 21))
    assert many == few
    assert long >= short
    if path != f"{ACME}/audit-events":
        assert long - short == 18


def json_rows(answer):
    body = answer.json()
    return body.get("data", body.get("organizations"))


def test_verifying_a_hundred_keys_asks_as_often_as_one(api, cast):
    counts = []
    for number in (1, 100):
        with CaptureQueriesContext(connection) as captured:
            api(cast.secret_key).post("/api/v1/keys/verify-batch", {"keys": [cast.secret_key] * number})
        counts.append(len(captured))
    assert counts[0] == counts[1]
