"""Simulated Windows hosts for real Ansible: the double stands at the outermost wire, WS-Management over HTTPS.

`server` speaks to pywinrm and pypsrp, `engine` answers the scripts that Ansible sends, `modules` model what a module
does to a `host`. There is no PowerShell here: a green run proves roles, arguments, order and idempotence against these
models, and no more. What has no model fails loudly.
"""
