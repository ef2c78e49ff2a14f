"""The settings of signing in with Google and GitHub: one client for browsers, another one for command lines."""

from dataclasses import dataclass

from config.environment import Environment


@dataclass(frozen=True)
class SocialSettings:
    """How one of them is reached, and what we are called there. A way in whose client id is empty is off."""

    url: str
    client_id: str = ""
    client_secret: str = ""
    cli_client_id: str = ""
    cli_client_secret: str = ""


def read_social_settings(environment: Environment) -> dict[str, SocialSettings]:
    """Of `google` and `github`. Declares the variables, so that docs/settings.md has them."""
    environment.section("Signing in with Google and GitHub")
    google = SocialSettings(
        url=environment.text("TENANTRY_GOOGLE_ISSUER", "https://accounts.google.com", "Who signs Google's tokens."),
        client_id=environment.text(
            "TENANTRY_GOOGLE_CLIENT_ID",
            "",
            "The client of browsers; its redirect address is `/login/google/callback` below `TENANTRY_URL`. Without "
            "one nobody signs in with Google in a browser.",
        ),
        client_secret=environment.text("TENANTRY_GOOGLE_CLIENT_SECRET", "", "Its secret."),
        cli_client_id=environment.text(
            "TENANTRY_GOOGLE_CLI_CLIENT_ID",
            "",
            "The client of command lines, of Google's kind `Desktop app`. Without one they cannot sign in with Google.",
        ),
    )
    github = SocialSettings(
        url=environment.text(
            "TENANTRY_GITHUB_URL", "https://github.com", "Where GitHub is; the address of an Enterprise Server is one."
        ),
        client_id=environment.text(
            "TENANTRY_GITHUB_CLIENT_ID",
            "",
            "The client of browsers; its redirect address is `/login/github/callback` below `TENANTRY_URL`. Without "
            "one nobody signs in with GitHub in a browser.",
        ),
        client_secret=environment.text("TENANTRY_GITHUB_CLIENT_SECRET", "", "Its secret."),
        cli_client_id=environment.text(
            "TENANTRY_GITHUB_CLI_CLIENT_ID", "", "The client of command lines. Without one they cannot use GitHub."
        ),
        cli_client_secret=environment.text(
            "TENANTRY_GITHUB_CLI_CLIENT_SECRET",
            "",
            "Its secret, by which GitHub tells us that a token was made for this client.",
        ),
    )
    return {"google": google, "github": github}


def problems_of_social(social: dict[str, SocialSettings], *, debug: bool) -> list[str]:
    """One sentence for each client without its secret, and for each address that is not safe."""
    google, github = social["google"], social["github"]
    found = [
        f"{name}: set the secret that belongs to the client."
        for name, client_id, secret in (
            ("TENANTRY_GOOGLE_CLIENT_SECRET", google.client_id, google.client_secret),
            ("TENANTRY_GITHUB_CLIENT_SECRET", github.client_id, github.client_secret),
            ("TENANTRY_GITHUB_CLI_CLIENT_SECRET", github.cli_client_id, github.cli_client_secret),
        )
        if client_id and not secret
    ]
    for name, client, other in (
        ("TENANTRY_GOOGLE_CLI_CLIENT_ID", google.cli_client_id, google.client_id),
        ("TENANTRY_GITHUB_CLI_CLIENT_ID", github.cli_client_id, github.client_id),
    ):
        if client and client == other:
            found.append(f"{name}: make a client of its own for command lines.")
    for name, url in (("TENANTRY_GOOGLE_ISSUER", google.url), ("TENANTRY_GITHUB_URL", github.url)):
        if not url.startswith(("https://", "http://") if debug else "https://"):
            found.append(f"{name}: name an address that begins with https://.")
    return found
