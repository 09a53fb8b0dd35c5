"""The one list of updates from which both ways are fed: the signed catalogue for orders and media, approvals for WSUS.

importing    packages as they come, held against the list that came with them
laying       their way into a folder: all of them under their names, each whole, or none
listing      who imported, approved or declined what, and what may therefore be signed
words        the signed words that this rests on
rings        what WSUS is told of it
patterns     a day's antivirus patterns, which need no list
"""
