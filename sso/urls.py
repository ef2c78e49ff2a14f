"""Routes of sign-in."""

from django.urls import URLPattern, path

from sso.views import (
    account,
    confirm,
    connection_log,
    connection_tests,
    connections,
    development,
    devices,
    enforced,
    handover,
    handover_addresses,
    identities,
    mailed,
    openid_connect,
    passkeys,
    policy,
    provider_logout,
    saml,
    second_factor,
    security,
    sign_in,
    social,
)

app_name = "sso"

PROJECT = "orgs/<str:organization>/projects/<str:project>"

SIGN_IN = "orgs/<str:organization>/sign-in/"
CONNECTION = f"{SIGN_IN}connections/<str:connection>/"

urlpatterns: list[URLPattern] = [
    path(SIGN_IN, connections.ConnectionList.as_view(), name="connections"),
    path(f"{SIGN_IN}new/", connections.ConnectionCreate.as_view(), name="connection-create"),
    path(f"{SIGN_IN}panel/", connections.ConnectionPanel.as_view(), name="panel"),
    path(CONNECTION, connections.ConnectionDetail.as_view(), name="connection"),
    path(f"{CONNECTION}configuration/", connections.ConnectionConfigure.as_view(), name="connection-configure"),
    path(f"{CONNECTION}discard-draft/", connections.ConnectionDiscard.as_view(), name="connection-discard"),
    path(f"{CONNECTION}settings/", connections.ConnectionSettings.as_view(), name="connection-settings"),
    path(f"{CONNECTION}groups/", connections.ConnectionGroups.as_view(), name="connection-groups"),
    path(
        f"{CONNECTION}groups/<str:mapping>/remove/",
        connections.ConnectionGroupRemove.as_view(),
        name="connection-group-remove",
    ),
    path(f"{CONNECTION}log/", connection_log.ConnectionLog.as_view(), name="connection-log"),
    path(f"{CONNECTION}people/", identities.ConnectionPeople.as_view(), name="connection-people"),
    path(
        f"{CONNECTION}people/<str:identity>/unlink/",
        identities.ConnectionPersonUnlink.as_view(),
        name="connection-person-unlink",
    ),
    path(f"{CONNECTION}test/", connection_tests.ConnectionTestPage.as_view(), name="connection-test"),
    path(f"{CONNECTION}delete/", connections.ConnectionDelete.as_view(), name="connection-delete"),
    path("login", sign_in.SignInPage.as_view(), name="sign-in-bare"),
    path("login/", sign_in.SignInPage.as_view(), name="sign-in"),
    path("login/ways/", sign_in.WaysPage.as_view(), name="sign-in-ways"),
    path("login/mail/", mailed.MailSignIn.as_view(), name="mail-sign-in"),
    path("login/code/", mailed.MailedCode.as_view(), name="mailed-code"),
    path("login/link/<str:token>/", mailed.MailedLink.as_view(), name="mailed-link"),
    path("login/development/", development.DevelopmentSignIn.as_view(), name="development-sign-in"),
    path("sso/handover/", handover.HandoverStart.as_view(), name="handover-start"),
    path("sso/handover/continue/", handover.HandoverContinue.as_view(), name="handover-continue"),
    path(f"{PROJECT}/handover/", handover_addresses.HandoverAddresses.as_view(), name="handover-addresses"),
    path(
        f"{PROJECT}/handover/<str:handover_address>/remove/",
        handover_addresses.HandoverAddressRemove.as_view(),
        name="handover-address-remove",
    ),
    path("device/", devices.DevicePage.as_view(), name="device"),
    path("login/passkey/", passkeys.PasskeyLogin.as_view(), name="passkey-login"),
    path("login/passkey/challenge/", passkeys.PasskeyChallenge.as_view(), name="passkey-challenge"),
    path("login/second-factor/", second_factor.SecondFactorPage.as_view(), name="second-factor"),
    path(
        "login/second-factor/challenge/",
        second_factor.SecondFactorChallenge.as_view(),
        name="second-factor-challenge",
    ),
    path("confirm/", confirm.ConfirmPage.as_view(), name="confirm"),
    path("reauthenticate/", account.Reauthenticate.as_view(), name="reauthenticate"),
    path("email/", account.EmailChange.as_view(), name="email"),
    path("password/change/", account.PasswordChange.as_view(), name="password-change"),
    path("password/set/", account.PasswordSet.as_view(), name="password-set"),
    path("password/reset/", account.PasswordReset.as_view(), name="password-reset"),
    path("profile/security/", security.SecurityPage.as_view(), name="security"),
    path("profile/security/authenticator/", security.AuthenticatorPage.as_view(), name="authenticator"),
    path("profile/security/authenticator/remove/", security.AuthenticatorRemove.as_view(), name="authenticator-remove"),
    path("profile/security/recovery-codes/", security.RecoveryCodesPage.as_view(), name="recovery-codes"),
    path("profile/security/passkeys/add/", security.PasskeyAdd.as_view(), name="passkey-add"),
    path("profile/security/passkeys/challenge/", security.NewPasskeyChallenge.as_view(), name="new-passkey-challenge"),
    path("profile/security/passkeys/<str:passkey>/remove/", security.PasskeyRemove.as_view(), name="passkey-remove"),
    # Also written by sso/addresses.py: identity providers have these typed in.
    path("sso/<str:connection>/start", openid_connect.StartView.as_view(), name="start"),
    path("sso/<str:connection>/callback", openid_connect.CallbackView.as_view(), name="callback"),
    path("sso/<str:connection>/logout", provider_logout.ProviderLogoutView.as_view(), name="provider-logout"),
    path("sso/<str:connection>/acs", saml.AssertionConsumerView.as_view(), name="acs"),
    path("sso/<str:connection>/finish", saml.FinishView.as_view(), name="finish"),
    path("sso/<str:connection>/metadata", saml.MetadataView.as_view(), name="metadata"),
    path("sso/required/", enforced.SsoRequiredPage.as_view(), name="required"),
    path("sso/break-glass/", enforced.BreakGlassPage.as_view(), name="break-glass"),
    path("orgs/<str:organization>/sign-in/policy/", policy.PolicyPage.as_view(), name="policy"),
    path(
        "orgs/<str:organization>/sign-in/policy/break-glass/",
        policy.BreakGlassCodesPage.as_view(),
        name="break-glass-codes",
    ),
    path(
        "orgs/<str:organization>/sign-in/policy/break-glass/<str:member>/withdraw/",
        policy.BreakGlassWithdraw.as_view(),
        name="break-glass-withdraw",
    ),
    # Below the paths of sign-in that are fixed.
    path("login/<str:provider>/start", social.SocialStart.as_view(), name="social-start"),
    path("login/<str:provider>/callback", social.SocialCallback.as_view(), name="social-callback"),
]
