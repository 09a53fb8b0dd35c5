"""The exchange without I/O: signed documents, sealing, parcels, mailboxes, receipts, the journal."""
