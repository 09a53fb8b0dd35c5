"""What travels by line also travels by medium: the same sealed parcels, receipts, and what is needed to verify them.

    DIR/renkei-medium.json              the registration: whose exchange the medium serves, signed
    DIR/renkei-012271-ministry-20261123T034500Z-5f1c/
        cover.json                      signed: for whom, on which medium, how many of what, the digest of the listing
        SHA256SUMS                      every other file with its digest; `sha256sum --check` reads it
        entries/2.json                  the exporter's directory entries
        entries/crl.pem                 the newest list of revoked certificates that it knows
        entries/renewal-request.json    of an endpoint whose certificate ends; back comes renewal-answer.json
        profile.json                    which encodings it reads
        horizon.json                    the ministry's: what is on the medium is all there is up to a moment
        documents/00001-receipt.json    envelopes: receipts, then voids, then manifests in the order of their streams
        sealed/DIGEST                   the sealed bytes of a manifest

Entries and documents are in compact form (`.bin`) for whoever is known to read it. An export appears under its name
only when it is complete, is taken whole or not at all, and once: its cover's id is remembered. Until it is noted as
taken it may be read again, so a medium that was pulled out half way loses nothing. Then it is deleted.
"""

from renkei.agent.media.exporting import Export, export
from renkei.agent.media.importing import Import, import_all
from renkei.agent.media.inspecting import Found, Standing, inspect
from renkei.agent.media.registration import MediaError, read_registration, register

__all__ = [
    "Export",
    "Found",
    "Import",
    "MediaError",
    "Standing",
    "export",
    "import_all",
    "inspect",
    "read_registration",
    "register",
]
