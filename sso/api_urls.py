"""REST routes of sign-in."""

from django.urls import URLPattern, path

from sso.api import connections
from sso.api.handover import HandoverAddresses, HandoverExchanges, OneHandoverAddress
from sso.api.programs import Devices, DeviceTokens, SocialLogin

CONNECTIONS = "orgs/<str:organization>/sso-connections"
CONNECTION = f"{CONNECTIONS}/<str:connection>"

HANDOVER = "orgs/<str:organization>/projects/<str:project>/handover-addresses"

urlpatterns: list[URLPattern] = [
    path(CONNECTIONS, connections.Connections.as_view(), name="api-sso-connections"),
    path(CONNECTION, connections.OneConnection.as_view(), name="api-sso-connection"),
    path(f"{CONNECTION}/ending", connections.ConnectionEnding.as_view(), name="api-sso-connection-ending"),
    path(f"{CONNECTION}/draft", connections.ConnectionDraft.as_view(), name="api-sso-connection-draft"),
    path(f"{CONNECTION}/log", connections.ConnectionLog.as_view(), name="api-sso-connection-log"),
    path(f"{CONNECTION}/group-mappings", connections.GroupMappings.as_view(), name="api-sso-group-mappings"),
    path(
        f"{CONNECTION}/group-mappings/<str:mapping>",
        connections.OneGroupMapping.as_view(),
        name="api-sso-group-mapping",
    ),
    path("sso/handover/exchange", HandoverExchanges.as_view(), name="api-handover-exchange"),
    path(HANDOVER, HandoverAddresses.as_view(), name="api-handover-addresses"),
    path(f"{HANDOVER}/<str:handover_address>", OneHandoverAddress.as_view(), name="api-handover-address"),
    path("auth/device", Devices.as_view(), name="api-device"),
    path("auth/device/token", DeviceTokens.as_view(), name="api-device-token"),
    path("auth/social", SocialLogin.as_view(), name="api-social-login"),
]
