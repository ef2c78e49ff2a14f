"""REST routes of keys, below /api/v1/."""

from django.urls import path

from keys.api.agents import (
    AgentEnrolment,
    AgentEnrolmentToken,
    AgentRenewal,
    AgentRevocation,
    Agents,
    OneAgent,
)
from keys.api.bootstrap import Bootstrap, BootstrapAvailability
from keys.api.imports import KeyImport
from keys.api.key_policies import OneKeyPolicy
from keys.api.keys import KeyRelease, KeyRevocation, KeyRotation, Keys, OneKey
from keys.api.leaks import LeakReports
from keys.api.licences import LicenceVerification
from keys.api.service_grants import GrantWithdrawal, OneServiceGrant, ServiceAccounts, ServiceGrants
from keys.api.sessions import BrowserSessions, OneBrowserSession, OneSession, Sessions
from keys.api.sign_in import Login, Logout, LogoutEverywhere, Refresh
from keys.api.tokens import OneToken, Tokens
from keys.api.tracking import Tracking
from keys.api.usage import OrganizationUsage, OrganizationUsageFile, ProjectUsage, ProjectUsageFile
from keys.api.verification import KeyVerification, KeyVerifications
from keys.api.whoami import WhoAmI

KEYS = "orgs/<str:organization>/projects/<str:project>/keys"
KEY = f"{KEYS}/<str:key>"
GRANTS = "orgs/<str:organization>/service-grants"
GRANT = f"{GRANTS}/<str:grant>"
AGENTS = "orgs/<str:organization>/projects/<str:project>/agents"
AGENT = f"{AGENTS}/<str:agent>"

urlpatterns = [
    path("auth/bootstrap", Bootstrap.as_view(), name="api-bootstrap"),
    path("auth/bootstrap-status", BootstrapAvailability.as_view(), name="api-bootstrap-status"),
    path("auth/login", Login.as_view(), name="api-login"),
    path("auth/refresh", Refresh.as_view(), name="api-refresh"),
    path("auth/logout", Logout.as_view(), name="api-logout"),
    path("auth/logout-everywhere", LogoutEverywhere.as_view(), name="api-logout-everywhere"),
    path("whoami", WhoAmI.as_view(), name="api-whoami"),
    path(KEYS, Keys.as_view(), name="api-keys"),
    path(f"{KEYS}/import", KeyImport.as_view(), name="api-key-import"),
    path(KEY, OneKey.as_view(), name="api-key"),
    path(f"{KEY}/rotate", KeyRotation.as_view(), name="api-key-rotate"),
    path(f"{KEY}/revoke", KeyRevocation.as_view(), name="api-key-revoke"),
    path(f"{KEY}/release", KeyRelease.as_view(), name="api-key-release"),
    path("orgs/<str:organization>/key-policy", OneKeyPolicy.as_view(), name="api-key-policy"),
    path("keys/report-leak", LeakReports.as_view(), name="api-keys-report-leak"),
    path("keys/verify", KeyVerification.as_view(), name="api-keys-verify"),
    path("keys/verify-batch", KeyVerifications.as_view(), name="api-keys-verify-batch"),
    path("orgs/<str:organization>/service-accounts", ServiceAccounts.as_view(), name="api-service-accounts"),
    path(GRANTS, ServiceGrants.as_view(), name="api-service-grants"),
    path(GRANT, OneServiceGrant.as_view(), name="api-service-grant"),
    path(f"{GRANT}/withdrawal", GrantWithdrawal.as_view(), name="api-service-grant-withdrawal"),
    path("licenses/verify", LicenceVerification.as_view(), name="api-licenses-verify"),
    path("track", Tracking.as_view(), name="api-track"),
    path("orgs/<str:organization>/usage", OrganizationUsage.as_view(), name="api-usage"),
    path("orgs/<str:organization>/usage.csv", OrganizationUsageFile.as_view(), name="api-usage-file"),
    path("orgs/<str:organization>/projects/<str:project>/usage", ProjectUsage.as_view(), name="api-project-usage"),
    path(
        "orgs/<str:organization>/projects/<str:project>/usage.csv",
        ProjectUsageFile.as_view(),
        name="api-project-usage-file",
    ),
    path(AGENTS, Agents.as_view(), name="api-agents"),
    path(AGENT, OneAgent.as_view(), name="api-agent"),
    path(f"{AGENT}/enrolment-token", AgentEnrolmentToken.as_view(), name="api-agent-enrolment-token"),
    path(f"{AGENT}/revoke", AgentRevocation.as_view(), name="api-agent-revoke"),
    path("agents/enroll", AgentEnrolment.as_view(), name="api-agents-enroll"),
    path("agents/refresh", AgentRenewal.as_view(), name="api-agents-refresh"),
    path("me/sessions", Sessions.as_view(), name="api-sessions"),
    path("me/sessions/<str:session>", OneSession.as_view(), name="api-session"),
    path("me/browser-sessions", BrowserSessions.as_view(), name="api-browser-sessions"),
    path("me/browser-sessions/<str:browser_session>", OneBrowserSession.as_view(), name="api-browser-session"),
    path("me/tokens", Tokens.as_view(), name="api-tokens"),
    path("me/tokens/<str:token>", OneToken.as_view(), name="api-token"),
]
