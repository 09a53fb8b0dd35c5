"""Who planned a wave and who approves it: two people, two keys, one digest.

The people are a file that ministry IT keeps: `{"NAME": "public key, PEM", …}`. The ledger keeps their signed words, so
that a wave whose plan was changed after its approval runs nowhere.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import DocumentError, Signer, key_id
from renkei.exchange.updates import Consent
from renkei.fleet.waves.plan import Plan, PlanError
from renkei.fleet.waves.state import WaveState

_LIMIT: Final = 256 * 1024

People = Mapping[str, ec.EllipticCurvePublicKey]


def read_people(file: Path) -> People:
    """Read the people and their keys.

    Raises:
        PlanError: it can't be read, a key is none (P-256), or two people have the same.
    """
    try:
        with file.open("rb") as stream:
            found = json.loads(stream.read(_LIMIT))
        keys = {str(name): load_pem_public_key(str(pem).encode()) for name, pem in dict(found).items()}
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PlanError(f'{file} must hold people and their keys, {{"NAME": "PEM"}}: {error}') from error
    people = {name: key for name, key in keys.items() if isinstance(key, ec.EllipticCurvePublicKey)}
    if len(people) != len(keys) or len({key_id(key) for key in people.values()}) != len(keys):
        raise PlanError(f"{file}: each person needs a key of the curve P-256 that nobody else has")
    return people


def plan_consent(plan: Plan, signer: Signer, now: datetime) -> bytes:
    """Sign a plan as the one who made it."""
    return _sign(plan, plan.planner, "planner", signer, now)


def approve(state: WaveState, person: str, signer: Signer, people: People, now: datetime) -> bytes:
    """Return a person's signed approval, once it would let the wave run.

    Raises:
        PlanError: he planned it, isn't among the people, or the key isn't his.
    """
    envelope = _sign(state.plan, person, "approver", signer, now)
    check_consents(state.plan, state.planned, envelope, people)
    return envelope


def check_consents(plan: Plan, planned: bytes, approval: bytes, people: People) -> None:
    """Let a wave run whose plan two different people have signed.

    Raises:
        PlanError: it isn't approved, or one of the two words doesn't hold; the text says which and what to do.
    """
    if not approval:
        raise PlanError(f"wave {plan.id} isn't approved: somebody else than {plan.planner} signs it by `wave approve`")
    planner = _open(plan, planned, "planner", people)
    approver = _open(plan, approval, "approver", people)
    if planner.person != plan.planner:
        raise PlanError(f"the plan was made by {plan.planner}, but {planner.person} signed as its planner")
    if approver.person == planner.person:
        raise PlanError(f"{approver.person} planned wave {plan.id}: somebody else must approve it")


def _sign(plan: Plan, person: str, role: str, signer: Signer, now: datetime) -> bytes:
    words = {"wave": str(plan.id), "plan_sha256": plan.sha256, "person": person, "role": role}
    return Consent.read({**words, "at": whole_seconds(now)}).sign(signer)


def _open(plan: Plan, envelope: bytes, role: str, people: People) -> Consent:
    for person, key in people.items():
        try:
            consent = Consent.open(envelope, key)
        except DocumentError:
            continue
        if (consent.person, consent.role, consent.wave) != (person, role, plan.id):
            break
        if consent.plan_sha256 != plan.sha256:
            raise PlanError(f"wave {plan.id} isn't the plan that its {role} signed: plan it anew")
        return consent
    raise PlanError(f"the {role}'s word on wave {plan.id} isn't signed by the key of whom it names, or he isn't known")
