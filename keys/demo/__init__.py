"""The demo: a small believable world, so that every page has something on it. `seeding.seed` is the way in."""
