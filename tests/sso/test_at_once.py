"""Signing up and in at the same moment, over real connections."""

import re

from allauth.socialaccount.models import SocialAccount
from django.test import Client

from orgs.models import BrowserSession, User
from sso.services.mailed_sign_ins import digest_of_request, issue, new_request
from sso.services.social_sign_ins import person_of
from sso.social import Identity
from tests.at_once import at_once
from tests.cast import PASSWORD, Cast


def test_two_who_sign_up_with_one_address_make_one_account_and_see_the_same(committed_cast: Cast):
    form = {"name": "N", "email": "twice@new.example", "password1": PASSWORD}
    answers = at_once([lambda: Client().post("/signup/", form) for _ in range(4)])
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/confirm-email/")}
    assert User.objects.filter(email="twice@new.example").count() == 1


def test_one_link_pressed_four_times_signs_in_once(committed_cast: Cast):
    issued = issue(
        user=committed_cast.owner, email=committed_cast.owner.email, request_digest=digest_of_request(new_request()),
        next_path="",
    )  # fmt: skip
    answers = at_once([lambda: Client().post(f"/login/link/{issued.token}/") for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [302, 404, 404, 404]
    assert BrowserSession.objects.filter(user=committed_cast.owner).count() == 1
    assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", issued.code)


def test_a_strangers_first_sign_in_with_google_twice_makes_one_account(committed_cast: Cast):
    identity = Identity("google", "7", "nora@new.example", "Nora")
    people = at_once([lambda: person_of(identity) for _ in range(4)])
    assert len({user.id for user in people}) == 1
    assert User.objects.filter(email="nora@new.example").count() == 1
    assert SocialAccount.objects.count() == 1
