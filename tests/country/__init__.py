"""A country under waves of updates: 1,892 agents of our own, a hub of our own, and what happens to them, by a seed.

- `wire`: requests into the hub's application, in this process
- `machine`: a Windows that is updated, with what may go wrong with it
- `terminal`: an agent's home, its machine, and when it next has something to do
- `world`: time, the hub, the ministry's controller, which is killed now and then
- `building`: a country is built, and mended
- `statements`: what must hold, whatever happened
- `cost`: what a wave costs the controller
- `month`: how long a month's patching takes

Real are: the agent's updates (orders, permits, course, its store's SQL, its words by line), the hub's application and
store, the client, the engine, the ledger, the halting rule, all keys, certificates and signatures. Simulated are: time,
Windows, the agent's other tables (which updates only note facts in), TLS and HTTP between the two, and whoever carries
media. Time goes from event to event: an agent is woken when something may have changed for it, and an exchange in which
nothing would pass is only noted.
"""
