"""The last step of every way in that is ours: a proof, then allauth's stages (second factor), then the session."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from config.kernel.pages import path_here
from config.kernel.sign_in import Method
from orgs.models import User

NEXT = "next"


def enter(
    request: HttpRequest, user: User, *, method: Method, next_path: str = "", email: str | None = None, **facts: Any
) -> HttpResponseBase:
    """Goes on with somebody who has just proven themselves; whoever was signed in before is signed out.

    `facts` as sso.adapter.proof_of reads them: texts. The rules are asked by the adapter, at the very end.
    """
    if request.user.is_authenticated:
        get_adapter(request).logout(request)
    name = "code" if method is Method.MAGIC_LINK else method.value
    record_authentication(request, user, method=name, email=email, **facts)
    return perform_login(request, Login(user=user, redirect_url=next_path or None, email=email))


def next_of(request: HttpRequest) -> str:
    """Where the person wants to go, a path here; empty otherwise."""
    return path_here(request.POST.get(NEXT) or request.GET.get(NEXT, ""))


def destination_of(request: HttpRequest) -> str:
    """Where the person goes on to: where they want to, else home."""
    return next_of(request) or "/"


def to_step(name: str, request: HttpRequest) -> HttpResponseBase:
    """On to the page of that name, which keeps where the person wants to go."""
    return redirect(address_of(name, next_of(request)))


def address_of(name: str, next_path: str, *arguments: str) -> str:
    """A page's address with where to go on from there. `arguments` are those of its path."""
    address = reverse(name, args=arguments)
    return f"{address}?{urlencode({NEXT: next_path})}" if next_path else address
