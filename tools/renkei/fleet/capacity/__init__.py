"""How long a month's updates and notices take to every endpoint: a simulation hour by hour, and what to change."""
