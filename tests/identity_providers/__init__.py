"""Identity providers that others wrote, run on this machine, and people who sign in at them without a browser."""
