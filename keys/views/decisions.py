"""The dashboard page that tries access decisions: who can do what, and why."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from config.kernel.access import organization
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.permissions import DESCRIPTIONS, Permission
from keys.decisions.callers import onlooker
from keys.decisions.evaluating import evaluate_batch
from keys.decisions.loading import organization_facts
from keys.decisions.wire import NO_ATTRIBUTES, Batch, Question, Semantic
from keys.forms.decisions import ACTIONS, DecisionForm
from orgs.models import Membership
from projects.models import Project

SUGGESTED = 100


class DecisionPage(Page):
    """Asks the decision maker what programs would be told. Nothing is changed, so the question is in the address."""

    access = {"GET": organization(Permission.MANAGE_MEMBERS)}
    template_name = "keys/decisions.html"
    navigation = "decisions"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        context = {
            "actions": [(action, action) for action in ACTIONS],
            "people": Membership.objects.with_people().order_by("-id")[:SUGGESTED],
            "projects": Project.objects.active().order_by("-id")[:SUGGESTED],
            "given": {name: request.GET.get(name, "") for name in ("subject", "action", "resource")},
        }
        if "subject" not in request.GET:
            return self.show(context)
        form = DecisionForm(request.GET, organization=self.admission.organization)
        if not form.is_valid():
            return self.show({**context, "form": form}, status=FORM_INVALID)
        return self.show({**context, "form": form, **self.decided(form)})

    def decided(self, form: DecisionForm) -> dict[str, Any]:
        """The answer to the question, and everything else that the subject may do there."""
        wanted = form.cleaned_data
        questions = [Question(wanted["subject"], action, wanted["resource"], NO_ATTRIBUTES) for action in ACTIONS]
        answer = evaluate_batch(
            Batch([*questions], Semantic.EXECUTE_ALL),
            caller=onlooker(self.admission.principal),
            organization=organization_facts(self.admission.organization),
        )
        by_action = dict(zip(ACTIONS, answer["evaluations"], strict=True))
        allowed = [(action, DESCRIPTIONS[Permission(action)]) for action in ACTIONS if by_action[action]["decision"]]
        return {
            "answer": by_action[wanted["action"]],
            "allowed": allowed,
            "subject": wanted["subject"][1],
            "resource": wanted["resource"][1],
            "action": wanted["action"],
        }
