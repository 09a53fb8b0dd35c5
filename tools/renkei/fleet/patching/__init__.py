"""How far the country is patched: what machines said of themselves, held against the signed catalogues.

states = PatchStates(path)
taking = Taking(states, Believer(anchor), now)                # what came from terminals, verified, kept:
taking.read(files_of(folder))                                 #   in files, a wave's post among them
take_by_line(taking, hub, url)                                #   by line
report = survey(fleet, states, catalogues, …, question)       # where every machine stands, and stood
"""
