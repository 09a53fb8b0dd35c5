"""The controls of a Windows terminal: `inventory/controls/`, a row a control.

table = read_controls(ROOT / "inventory" / "controls" / "windows.yml")
plan = make_plan(table, Profile.DEDICATED)         # what a machine must hold
registry_file(plan)                                # … as the platform's own file
judge(plan, state)                                 # … and whether it does
"""
