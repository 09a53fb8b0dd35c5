"""The command lines `renkei`, `renkei-hub` and `renkei-agent`."""
