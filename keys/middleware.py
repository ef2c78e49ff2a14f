"""What surrounds the requests that service accounts sign."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from keys.signatures import sign_answer


class SignedAnswersMiddleware:
    """Signs every answer to a request that was accepted by its signature, errors included.

    It is the outermost, so that no answer goes past it and nothing that it signs is changed after it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sign_answer(request, response)
        return response
