"""The clerk's status page of a terminal: on loopback only, for the signed-in users of one permitted group.

`door` says who may come in (the group's file with its ticket, sessions), `guard` what every request must be and every
answer carries, `standing` what the page says, `words` how, `app` has the pages and what their buttons do, `server` is
its thread in the agent's service.
"""
