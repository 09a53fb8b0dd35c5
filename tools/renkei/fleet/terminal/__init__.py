"""The linkage terminal: what it must be, what a machine is, and what each municipality has to buy."""
