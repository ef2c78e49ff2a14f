"""What identity providers say, checked: OpenID Connect and SAML 2.0. Nothing here knows people or writes rows."""
