"""What an organization demands of its keys."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.permissions import Permission
from keys.models import KeyPolicy
from keys.serializers.key_policies import KeyPolicyChanges, KeyPolicyRecord
from keys.services.key_policies import locked_key_policy, set_key_policy


class OneKeyPolicy(ApiView):
    """Everybody may know it. It binds those who manage keys, so it is set by those who manage members."""

    access = {"GET": organization(Permission.VIEW_ORG), "PATCH": organization(Permission.MANAGE_MEMBERS)}

    @operation("get_key_policy", KeyPolicyRecord)
    def get(self, request: Request, organization: str) -> Response:
        """What the organization demands, and which keys of before do not keep it."""
        return self.answer(KeyPolicy.objects.current(), KeyPolicyRecord)

    @operation("update_key_policy", KeyPolicyRecord, body=KeyPolicyChanges, matches=True)
    def patch(self, request: Request, organization: str) -> Response:
        """Changes what the organization demands of keys from now on. Keys that are there go on as they are."""
        current = self.admission.organization
        with self.matching(lambda: locked_key_policy(current), KeyPolicyRecord):
            policy = set_key_policy(actor=self.admission.principal, organization=current, **self.read())
        return self.answer(policy, KeyPolicyRecord)
