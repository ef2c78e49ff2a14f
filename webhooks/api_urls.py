"""REST routes of webhooks."""

from django.urls import path

from webhooks.api import deliveries, endpoints

ENDPOINTS = "orgs/<str:organization>/webhook-endpoints"
ENDPOINT = f"{ENDPOINTS}/<str:endpoint>"
DELIVERIES = "orgs/<str:organization>/webhook-deliveries"
DELIVERY = f"{DELIVERIES}/<str:delivery>"

urlpatterns = [
    path(ENDPOINTS, endpoints.Endpoints.as_view(), name="api-webhook-endpoints"),
    path(ENDPOINT, endpoints.OneEndpoint.as_view(), name="api-webhook-endpoint"),
    path(f"{ENDPOINT}/deletion", endpoints.EndpointDeletion.as_view(), name="api-webhook-endpoint-deletion"),
    path(f"{ENDPOINT}/rotate-secret", endpoints.EndpointSecret.as_view(), name="api-webhook-endpoint-secret"),
    path(f"{ENDPOINT}/signing-key", endpoints.EndpointSigningKey.as_view(), name="api-webhook-endpoint-signing-key"),
    path(f"{ENDPOINT}/test", endpoints.EndpointTest.as_view(), name="api-webhook-endpoint-test"),
    path(f"{ENDPOINT}/replay", endpoints.EndpointReplay.as_view(), name="api-webhook-endpoint-replay"),
    path(DELIVERIES, deliveries.Deliveries.as_view(), name="api-webhook-deliveries"),
    path(DELIVERY, deliveries.OneDelivery.as_view(), name="api-webhook-delivery"),
    path(f"{DELIVERY}/attempts", deliveries.DeliveryAttempts.as_view(), name="api-webhook-attempts"),
    path(f"{DELIVERY}/replay", deliveries.DeliveryReplay.as_view(), name="api-webhook-delivery-replay"),
]
