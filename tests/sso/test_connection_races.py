"""Two people change connections at once, over two real connections to the database."""

from functools import partial

import pytest
from django.utils import timezone

from config.kernel.errors import Conflict
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import SignInPolicy
from sso.models import Configuration, Connection
from sso.providers import provider_of
from sso.services.activation import activate_configuration
from sso.services.configurations import change_configuration
from sso.services.connections import create_connection, delete_connection, update_connection
from sso.services.metadata import warn_of_certificates
from tests.at_once import at_once
from tests.sso.providers import ENTITY_ID, SSO_URL, certificate

TRIES = 4


def saml(number=1, *, days=400, sso_url=SSO_URL):
    return provider_of(
        "saml", {"entity_id": ENTITY_ID, "sso_url": sso_url, "certificates": [certificate(number, days=days)]}
    )


def in_scope(organization, *works):
    """What each of them answers, or the code of its conflict."""

    def run(work):
        try:
            with tenant_scope(organization.id):
                return work()
        except Conflict as error:
            return error.code

    return at_once([partial(run, work) for work in works])


@pytest.fixture
def acme(committed_cast):
    return committed_cast.acme


def test_of_the_last_two_connections_of_an_enforcing_organization_one_stays(acme):
    for _ in range(TRIES):
        with tenant_scope(acme.id):
            SignInPolicy.objects.all().delete()
            Connection.objects.all().delete()
            first, second = (
                create_connection(actor=SYSTEM, name=name, provider=saml(), enabled=True).id for name in "AB"
            )
            SignInPolicy.objects.create(enforcement="required", required_from=timezone.now())
        outcomes = in_scope(
            acme,
            partial(delete_connection, actor=SYSTEM, connection_id=first),
            partial(update_connection, actor=SYSTEM, connection_id=second, enabled=False),
        )
        assert outcomes.count("sso_enforced") == 1, outcomes
        with tenant_scope(acme.id):
            assert Connection.objects.filter(is_enabled=True).count() == 1


def test_a_draft_that_goes_live_while_it_is_replaced_leaves_one_live_configuration(acme):
    with tenant_scope(acme.id):
        made = create_connection(actor=SYSTEM, name="A", provider=saml(), enabled=True)
    for number in range(TRIES):
        with tenant_scope(acme.id):
            draft = change_configuration(
                actor=SYSTEM, connection_id=made.id, provider=saml(sso_url=f"https://idp.acme.example/{number}")
            )
        newer = saml(sso_url=f"https://idp.acme.example/{number}/newer")
        outcomes = in_scope(
            acme,
            partial(activate_configuration, actor=SYSTEM, configuration_id=draft.id),
            partial(change_configuration, actor=SYSTEM, connection_id=made.id, provider=newer),
        )
        with tenant_scope(acme.id):
            rows = Configuration.objects.filter(connection=made)
            assert rows.filter(state="live").count() == 1
            assert rows.get(state="draft").sso_url == newer.sso_url
            is_activated = rows.get(state="live").id == draft.id
        assert (outcomes[0] == "configuration_replaced") == (not is_activated)


def test_two_workers_warn_of_a_certificate_once(acme):
    with tenant_scope(acme.id):
        create_connection(actor=SYSTEM, name="A", provider=saml(days=5), enabled=True)
    assert sorted(in_scope(acme, warn_of_certificates, warn_of_certificates)) == [0, 1]


def test_two_connections_of_the_same_name_at_once_are_one(acme):
    def make():
        return create_connection(actor=SYSTEM, name="A", provider=saml()).name

    assert sorted(in_scope(acme, make, make)) == ["A", "name_taken"]
