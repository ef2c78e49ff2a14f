"""Dashboard routes of webhooks."""

from django.urls import path

from webhooks.views import catalogue, changes, deliveries, endpoints, secrets

app_name = "webhooks"

WEBHOOKS = "orgs/<str:organization>/webhooks/"
ENDPOINT = f"{WEBHOOKS}<str:endpoint>/"
DELIVERY = f"{ENDPOINT}deliveries/<str:delivery>/"

urlpatterns = [
    path("orgs/<str:organization>/panels/webhooks/", endpoints.EndpointPanel.as_view(), name="panel"),
    path(WEBHOOKS, endpoints.EndpointList.as_view(), name="list"),
    path(f"{WEBHOOKS}new/", endpoints.EndpointCreate.as_view(), name="create"),
    path(f"{WEBHOOKS}events/", catalogue.EventCatalogue.as_view(), name="catalogue"),
    path(ENDPOINT, endpoints.EndpointDetail.as_view(), name="endpoint"),
    path(f"{ENDPOINT}test/", deliveries.EndpointTest.as_view(), name="test"),
    path(f"{ENDPOINT}deliveries/", deliveries.DeliveryList.as_view(), name="deliveries"),
    path(f"{ENDPOINT}replay/", deliveries.EndpointReplay.as_view(), name="replay"),
    path(DELIVERY, deliveries.DeliveryDetail.as_view(), name="delivery"),
    path(f"{DELIVERY}replay/", deliveries.DeliveryReplay.as_view(), name="delivery-replay"),
    path(f"{ENDPOINT}settings/", changes.EndpointSettings.as_view(), name="settings"),
    path(f"{ENDPOINT}edit/", changes.EndpointEdit.as_view(), name="edit"),
    path(f"{ENDPOINT}headers/", changes.EndpointHeaders.as_view(), name="headers"),
    path(f"{ENDPOINT}enable/", changes.EndpointEnable.as_view(), name="enable"),
    path(f"{ENDPOINT}disable/", changes.EndpointDisable.as_view(), name="disable"),
    path(f"{ENDPOINT}delete/", changes.EndpointDelete.as_view(), name="delete"),
    path(f"{ENDPOINT}rotate-secret/", secrets.SecretRotate.as_view(), name="rotate-secret"),
    path(f"{ENDPOINT}signing-key/", secrets.SigningKeyMake.as_view(), name="signing-key"),
    path(f"{ENDPOINT}signing-key/remove/", secrets.SigningKeyRemove.as_view(), name="signing-key-remove"),
]
