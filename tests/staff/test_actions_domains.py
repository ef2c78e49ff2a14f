"""What staff may change of domains, recorded with the member of staff as its actor."""

from django.test import Client

from config.kernel.tenancy.scope import tenant_scope
from projects.models import Domain, Project, SeenDomain
from projects.services.domains import note_seen, register_domain
from tests.cast import Cast
from tests.staff.test_actions import act, recorded


def is_system(cast: Cast) -> bool:
    with tenant_scope(cast.acme.id):
        return Project.objects.get(id=cast.project.id).is_system


def test_a_project_is_exempted_from_the_limit_of_domains_and_counted_again(staff: Client, cast: Cast):
    page = "projects/project"
    assert act(staff, page, cast.project, "count").status_code == 404, "it does not apply"
    assert act(staff, page, cast.project, "exempt").status_code == 302
    assert is_system(cast)
    assert recorded(cast, "project.updated", cast.acme.id).data == {"changes": {"is_system": [False, True]}}
    assert act(staff, page, cast.project, "count").status_code == 302
    assert not is_system(cast)


def test_a_domain_is_removed_and_a_seen_host_forgotten(staff: Client, cast: Cast):
    with tenant_scope(cast.acme.id):
        owner = cast.principal(cast.owner)
        domain = register_domain(actor=owner, project_id=cast.project.id, domain="shop.example.com")
        note_seen(actor=owner, project_id=cast.project.id, host="other.example.org")
        seen = SeenDomain.objects.get()
    assert act(staff, "projects/domain", domain, "remove").status_code == 302
    assert recorded(cast, "domain.removed", cast.acme.id).target_label == "shop.example.com"
    assert act(staff, "projects/seendomain", seen, "forget").status_code == 302
    assert recorded(cast, "domain.forgotten", cast.acme.id).data["hosts"] == ["other.example.org"]
    with tenant_scope(cast.acme.id):
        assert not Domain.objects.exists()
        assert not SeenDomain.objects.exists()
