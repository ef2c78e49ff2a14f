"""Settings of sign-in that are the same everywhere: Django's and allauth's."""

AUTH_USER_MODEL = "orgs.User"
AUTHENTICATION_BACKENDS = ["sso.backends.PasswordBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "sso.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {
    "add_email": "sso.forms.addresses.NewAddressForm",
    "login": "sso.forms.sign_in.PasswordForm",
    "signup": "sso.forms.new_account.SignUpForm",
    "reset_password": "sso.forms.passwords.PasswordResetForm",
    "reset_password_from_key": "sso.forms.passwords.NewPasswordForm",
}
ACCOUNT_SIGNUP_FORM_CLASS = "sso.forms.sign_up.SignUpNameForm"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = "strict"
# Guessing and mails are slowed down by config.kernel.throttling; the rest of allauth's own limits stay.
ACCOUNT_RATE_LIMITS = dict.fromkeys(("login", "login_failed", "reset_password", "reauthenticate"))
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
# Google, GitHub and organizations' providers are flows of ours (sso.social, sso.protocols). Of allauth's socialaccount
# the table of accounts is used (sso.services.social_sign_ins), and no provider of it is installed.
# Second factors, passkeys included, are ours (orgs.services.second_factor): of allauth's mfa nothing is installed.
SESSION_ENGINE = "orgs.sessions"
# Routes that people are led to where a gate asks for more, by the code of the problem.
TENANTRY_PAGES_OF_PROBLEMS = {
    "second_factor_required": "sso:second-factor",
    "sso_required": "sso:required",
    "recent_proof_required": "sso:confirm",
}
