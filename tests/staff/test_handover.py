"""What staff may do with handover addresses, on record."""

from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from sso.models import HandoverAddress
from sso.services.handover_addresses import register_handover_address
from tests.staff.test_actions import act, recorded

ADDRESS = "https://app.acme.example/signed-in"


def test_staff_remove_an_address(cast, staff):
    with tenant_scope(cast.acme.id):
        row = register_handover_address(actor=SYSTEM, project_id=cast.project.id, address=ADDRESS)
    assert act(staff, "sso/handoveraddress", row, "remove").status_code == 302
    assert recorded(cast, "handover_address.removed", cast.acme.id).target_label == ADDRESS
    with tenant_scope(cast.acme.id):
        assert not HandoverAddress.objects.exists()
