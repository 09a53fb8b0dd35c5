"""Linux hosts and network devices: what the controller found on them, and what they are to have.

found = read_found(Path("build/hosts/lab"))                     # ansible/playbooks/look.yml puts it there
choice = resolve(found.values(), NOW)                           # exact versions, once, for every ring
"""
