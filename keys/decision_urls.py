"""Routes of the AuthZEN Authorization API 1.0, at the addresses that the standard gives them."""

from django.urls import path

from keys.api.decisions import (
    ActionSearch,
    Configuration,
    Evaluation,
    Evaluations,
    ResourceSearch,
    SubjectSearch,
)

urlpatterns = [
    path("access/v1/evaluation", Evaluation.as_view(), name="access-evaluation"),
    path("access/v1/evaluations", Evaluations.as_view(), name="access-evaluations"),
    path("access/v1/search/subject", SubjectSearch.as_view(), name="access-search-subject"),
    path("access/v1/search/resource", ResourceSearch.as_view(), name="access-search-resource"),
    path("access/v1/search/action", ActionSearch.as_view(), name="access-search-action"),
    path(".well-known/authzen-configuration", Configuration.as_view(), name="access-configuration"),
]
