"""The durable story of each wave: who planned and approved it, who was let in when, what became of each machine."""
