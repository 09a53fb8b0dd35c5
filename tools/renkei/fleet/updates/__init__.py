"""The one list of updates from which both ways are fed: the signed catalogue for orders and media, approvals for WSUS.

importing    packages as they come, held against the list that came with them
listing      who imported, approved or declined what, and what may therefore be signed
"""
