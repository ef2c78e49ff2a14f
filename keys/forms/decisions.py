"""Trying a decision in the dashboard."""

from django import forms

from config.kernel.permissions import DESCRIPTIONS
from keys.decisions.facts import ResourceType, SubjectType
from keys.decisions.wire import LONGEST_TEXT, Name
from orgs.models import Membership, Organization
from orgs.models.user import normalize_email
from projects.models import Project
from projects.resource_names import PREFIX

SUBJECTS = {
    "usr_": SubjectType.USER,
    "key_": SubjectType.KEY,
    "agt_": SubjectType.AGENT,
    "svc_": SubjectType.SERVICE_ACCOUNT,
}
ACTIONS = sorted(permission.value for permission in DESCRIPTIONS)


class DecisionForm(forms.Form):
    """Who, what, and with what. The cleaned `subject` and `resource` are names as decisions take them."""

    subject = forms.CharField(max_length=LONGEST_TEXT)
    action = forms.ChoiceField(choices=[(action, action) for action in ACTIONS])
    resource = forms.CharField(max_length=LONGEST_TEXT, required=False)

    def __init__(self, *args: object, organization: Organization, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # handed on as they came
        self.organization = organization

    def clean_subject(self) -> Name:
        text: str = self.cleaned_data["subject"]
        if "@" in text:
            member = Membership.objects.with_people().filter(user__email=normalize_email(text)).first()
            if member is None:
                raise forms.ValidationError("No member of this organization has this address.")
            return SubjectType.USER.value, member.public_id
        for prefix, subject_type in SUBJECTS.items():
            if text.startswith(prefix):
                return subject_type.value, text
        raise forms.ValidationError("Write a member's address, or an id such as usr_…, key_…, agt_… or svc_….")

    def clean_resource(self) -> Name:
        text: str = self.cleaned_data["resource"]
        if not text or text == self.organization.public_id:
            return ResourceType.ORGANIZATION.value, self.organization.public_id
        if text.startswith(PREFIX):
            return ResourceType.RESOURCE.value, text
        project = Project.objects.by_reference(text)
        if project is None:
            raise forms.ValidationError("Write a project's slug or id, a trn, or nothing for the whole organization.")
        return ResourceType.PROJECT.value, project.public_id
