"""The hub's durable state: the contract (`contract`) and its SQLite implementation (`sqlite`)."""
