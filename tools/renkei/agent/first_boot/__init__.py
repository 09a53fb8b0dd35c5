"""The first boot of a terminal: check its medium, install, enrol, exchange, report (docs/runbooks/media.md)."""
