"""Waves of updates over the country: planned, approved by somebody else, run by orders and permits, halting themselves.

- `plan`: who, in which group, when, how many bytes; planner and approver sign its digest
- `state`: what the acts of the ledger add up to
- `engine`: a turn of the wave: take evidence, judge, halt or let the next machines begin
- `post`, `line`: how orders, permits and evidence travel: a folder that somebody carries, or the hub
- `watch`: what the hub sees of machines' exchanges
"""
