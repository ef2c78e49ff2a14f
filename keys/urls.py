"""Dashboard routes of keys."""

from django.urls import path

from keys.views import agents, decisions, imports, keys, listing, service_grants, sessions, terms, tokens, usage
from keys.views.github_leaks import receive_github_leaks
from keys.views.key_set import key_set

app_name = "keys"

ORGANIZATION = "orgs/<str:organization>/"
KEYS = f"{ORGANIZATION}projects/<str:project>/keys/"
AGENTS = f"{ORGANIZATION}projects/<str:project>/agents/"
GRANTS = f"{ORGANIZATION}service-grants/"

urlpatterns = [
    path(".well-known/jwks.json", key_set, name="key-set"),
    path("leaks/github", receive_github_leaks, name="github-leaks"),
    path(f"{ORGANIZATION}panels/keys/", listing.KeyPanel.as_view(), name="panel"),
    path(f"{ORGANIZATION}decisions/", decisions.DecisionPage.as_view(), name="decisions"),
    path(f"{ORGANIZATION}keys/", listing.OrganizationKeyList.as_view(), name="all"),
    path(f"{ORGANIZATION}key-policy/", terms.KeyPolicyPage.as_view(), name="policy"),
    path(KEYS, listing.KeyList.as_view(), name="list"),
    path(f"{KEYS}import/", imports.KeyImportPage.as_view(), name="import"),
    path(f"{KEYS}new/", keys.KeyCreate.as_view(), name="create"),
    path(f"{KEYS}<str:key>/", keys.KeyDetail.as_view(), name="detail"),
    path(f"{KEYS}<str:key>/edit/", keys.KeyEdit.as_view(), name="edit"),
    path(f"{KEYS}<str:key>/limits/", terms.KeyTerms.as_view(), name="terms"),
    path(f"{KEYS}<str:key>/release/", terms.KeyRelease.as_view(), name="release"),
    path(f"{KEYS}<str:key>/rotate/", keys.KeyRotate.as_view(), name="rotate"),
    path(f"{KEYS}<str:key>/revoke/", keys.KeyRevoke.as_view(), name="revoke"),
    path(GRANTS, service_grants.GrantList.as_view(), name="grants"),
    path(f"{GRANTS}new/", service_grants.GrantCreate.as_view(), name="grant-create"),
    path(f"{GRANTS}<str:grant>/withdraw/", service_grants.GrantWithdraw.as_view(), name="grant-withdraw"),
    path(f"{ORGANIZATION}panels/usage/", usage.UsagePanel.as_view(), name="usage-panel"),
    path(f"{ORGANIZATION}usage/", usage.OrganizationUsagePage.as_view(), name="usage"),
    path(f"{ORGANIZATION}usage/download/", usage.OrganizationUsageFile.as_view(), name="usage-file"),
    path(f"{ORGANIZATION}projects/<str:project>/usage/", usage.ProjectUsagePage.as_view(), name="project-usage"),
    path(
        f"{ORGANIZATION}projects/<str:project>/usage/download/",
        usage.ProjectUsageFile.as_view(),
        name="project-usage-file",
    ),
    path(AGENTS, agents.AgentList.as_view(), name="agents"),
    path(f"{AGENTS}new/", agents.AgentCreate.as_view(), name="agent-create"),
    path(f"{AGENTS}<str:agent>/", agents.AgentDetail.as_view(), name="agent"),
    path(f"{AGENTS}<str:agent>/edit/", agents.AgentEdit.as_view(), name="agent-edit"),
    path(f"{AGENTS}<str:agent>/enrol/", agents.AgentEnrol.as_view(), name="agent-enrol"),
    path(f"{AGENTS}<str:agent>/revoke/", agents.AgentRevoke.as_view(), name="agent-revoke"),
    path("profile/sessions/", sessions.SessionList.as_view(), name="sessions"),
    path("profile/sessions/end/", sessions.SessionsEnd.as_view(), name="sessions-end"),
    path(
        "profile/sessions/browsers/<str:browser_session>/end/",
        sessions.BrowserSessionEnd.as_view(),
        name="browser-session-end",
    ),
    path("profile/sessions/<str:session>/end/", sessions.SessionEnd.as_view(), name="session-end"),
    path("profile/tokens/", tokens.TokenList.as_view(), name="tokens"),
    path("profile/tokens/new/", tokens.TokenCreate.as_view(), name="token-create"),
    path("profile/tokens/<str:token>/revoke/", tokens.TokenRevoke.as_view(), name="token-revoke"),
]
