"""Our decisions inside allauth's flows of other parties' sign-ins."""

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Google, GitHub, and the identity providers of organizations."""
