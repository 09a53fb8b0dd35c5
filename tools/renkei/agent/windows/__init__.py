"""What only a Windows terminal has: the service, its installation, commands for it (docs/windows-agent.md)."""
