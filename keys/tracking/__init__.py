"""Taking in what projects report of their use. `intake.track` is the way in.

`events` reads and checks what was sent, `intake` gathers the requests that come at the same time, and `writing` puts
them into PostgreSQL in one transaction.
"""
