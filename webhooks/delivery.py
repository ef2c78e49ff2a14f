"""The whole way of what is due: fan out, claim, send, record."""

import time
from datetime import timedelta

from django.utils import timezone

from config.kernel.tenancy.models import new_id
from webhooks.claiming import Claim, Claims
from webhooks.fan_out import fan_out
from webhooks.recording import Result, give_up, record_results
from webhooks.sending import Answer, Call, Sender
from webhooks.signing import signatures

CONNECTIONS = 100
ROOM = 10


def deliver_due() -> int:
    """Delivers what is due now, in this thread. Returns how many attempts were made."""
    while fan_out():
        continue
    claims, sender, attempts = Claims(), Sender(CONNECTIONS), 0
    try:
        while taken := claims.take(sender.room, room=ROOM):
            give_up([claim for claim in taken if claim.body is None], timezone.now())
            for claim in taken:
                if claim.body is not None:
                    sender.begin(call_of(claim))
            results = []
            while sender.calls:
                results += [result_of(answer) for answer in sender.wait(1.0)]
            record_results(results)
            attempts += len(results)
    finally:
        sender.close()
    return attempts


def call_of(claim: Claim) -> Call:
    """The signed request of a delivery."""
    timestamp, body = int(time.time()), claim.body or b""
    headers = [
        f"webhook-id: {claim.message_id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signatures(claim.target.keys, claim.message_id, timestamp, body)}",
        *claim.target.headers,
    ]
    return Call(claim.target.url, headers, body, (claim, new_id()))


def result_of(answer: Answer) -> Result:
    """What an answer means for its delivery."""
    claim, attempt_id = answer.call.token
    ended = timezone.now()
    return Result(claim, answer, attempt_id, ended - timedelta(milliseconds=answer.milliseconds), ended)
