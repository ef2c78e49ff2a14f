"""Verifying keys for other programs."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import service
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.permissions import Permission
from keys.serializers.verification import KeyBatch, KeyQuestion, VerificationRecord, VerificationRecords
from keys.verification import Question, verify


class KeyVerification(ApiView):
    """One key."""

    access = {"POST": service(Permission.KEYS_VERIFY, across=True)}

    @operation("verify_key", VerificationRecord, body=KeyQuestion)
    def post(self, request: Request) -> Response:
        """Whether a key of the caller's organization may pass. A key of any other organization is `not_found`."""
        answers = verify([Question(**self.read())], admission=self.admission)
        return Response(VerificationRecord(answers[0]).data)


class KeyVerifications(ApiView):
    """Several keys."""

    access = {"POST": service(Permission.KEYS_VERIFY, across=True)}

    @operation("verify_keys", VerificationRecords, body=KeyBatch)
    def post(self, request: Request) -> Response:
        """The same for up to 100 keys, answered in order."""
        questions = [Question(**question) for question in self.read()["keys"]]
        answers = verify(questions, admission=self.admission)
        return Response(VerificationRecords({"data": answers}).data)
