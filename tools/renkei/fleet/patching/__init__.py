"""How far the country is patched: what machines said of themselves, held against the signed catalogues.

states = PatchStates(path)
take(states, read_folder(folder), Believer(anchor))          # what came from terminals, verified, kept
report = survey(fleet, states, catalogues, question)          # where every machine stands, and stood
"""
