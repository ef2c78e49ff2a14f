"""What staff and operators may do with e-mail domains, with a reason and on record."""

import pytest
from django.core.management import CommandError
from django.test import Client

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain
from orgs.services.email_domains import register_email_domain
from tests.api.rows import everything
from tests.cast import Cast
from tests.commands.test_operator_commands import answer, run
from tests.staff.test_actions import act, recorded
from tests.zones import Zone

PAGE = "orgs/emaildomain"


def register(cast: Cast) -> EmailDomain:
    with tenant_scope(cast.acme.id):
        return register_email_domain(actor=cast.principal(cast.owner), domain="acme.example")


def status_of(row: EmailDomain) -> str:
    with tenant_scope(row.org_id):
        return EmailDomain.objects.get(id=row.id).status


def test_staff_mark_a_domain_as_proven_with_a_reason(staff: Client, cast: Cast):
    row = register(cast)
    assert act(staff, PAGE, row, "prove").status_code == 422, "without a reason"
    assert status_of(row) == "pending"
    assert act(staff, PAGE, row, "prove", reason="Shown on paper").status_code == 302
    assert status_of(row) == "proven"
    assert recorded(cast, "email_domain.proven", cast.acme.id).data == {"how": "staff", "reason": "Shown on paper"}
    assert act(staff, PAGE, row, "prove", reason="Again").status_code == 404, "it does not apply"


def test_staff_find_a_proven_domain_and_check_it(staff: Client, cast: Cast, zone: Zone):
    row = register(cast)
    zone.texts[row.txt_name] = [row.txt_value]
    assert act(staff, PAGE, row, "check").status_code == 302
    assert status_of(row) == "proven"
    for words, found in (("ACME.example", True), (row.public_id, True), ("acme.test", False), ("x..y", False)):
        page = staff.get(f"/admin/{PAGE}/", {"q": words}).content.decode()
        assert (f"/admin/{PAGE}/{row.pk}/change/" in page) == found, words


def test_the_command_proves_a_registered_domain_and_one_that_is_not(cast: Cast):
    row = register(cast)
    out, err = run("prove_email_domain", "acme", "Acme.example", "--reason", "Shown on paper")
    assert (out, err) == ("", "acme.example is proven for Acme; no check of the DNS undoes it.\n")
    assert status_of(row) == "proven"
    told = answer("prove_email_domain", cast.acme.public_id, "bücher.example", "--reason", "They said so")
    assert (told["domain"], told["status"]) == ("xn--bcher-kva.example", "proven")
    with tenant_scope(cast.acme.id):
        events = AuditEvent.objects.filter(event="email_domain.proven").order_by("id")
        assert [(event.actor_id, event.data["reason"]) for event in events] == [
            ("command_line", "Shown on paper"),
            ("command_line", "They said so"),
        ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "acme.test", "--reason", "x"], "There is no organization nowhere"),
        (["acme", "gmail.com", "--reason", "x"], "Anybody can have an address at gmail.com"),
        (["acme", "acme.test"], "--reason"),
        (["acme", "acme.test", "--reason", " "], "Say why"),
        (["globex", "acme.example", "--reason", "x"], "Another organization has proven this domain"),
    ],
)
def test_the_command_refuses_and_changes_nothing(cast: Cast, arguments: list[str], words: str):
    register(cast)
    run("prove_email_domain", "acme", "acme.example", "--reason", "Shown on paper")
    before = everything()
    with pytest.raises(CommandError, match=words):
        run("prove_email_domain", *arguments)
    assert everything() == before
