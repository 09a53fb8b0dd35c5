"""Bytes that flow over many lines out of one: a fluid, hour by hour, shared fairly where the one line is full.

In each hour every endpoint asks for what waits for it, at most what its line carries. What isn't limited (notices) goes
first, on its own line and on the common one. What may take only a share of the line comes after, in the order of its
kinds. Where all ask for more than the common line carries, they get equal parts, and who needs less than that gets all
(max-min fairness, as TCP's flows of equal weight come near to).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_HALF_A_BYTE = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What is to flow. H hours, N endpoints, K kinds; all in bytes, rates in bytes an hour.

    Attributes:
        line: (N), what each line carries.
        limit: (H, N), what all kinds but the first may take of it.
        egress: what the common line carries.
        arrivals: (K, H, N), what is there from the beginning of an hour on.
    """

    line: Array
    limit: Array
    egress: float
    arrivals: Array


@dataclass(frozen=True, slots=True)
class Course:
    """How it flowed.

    Attributes:
        load: what was to flow.
        served: (K, H, N), what went in each hour.
        rate: (H, N), what each endpoint's limited kinds have in each hour while all who wait flow at once.
        full: (H), the hours in which the common line was the bound of some.
    """

    load: Load
    served: Array
    rate: Array
    full: NDArray[np.bool_]

    def finished(self, kind: int) -> Array:
        """Give (N) the hours since the beginning after which all of a kind was there; infinity where it never was.

        Within the hour in which it ends, it flows at the rate that the endpoint has while all who wait for something
        flow at once, and is there at the hour's end at the latest.
        """
        served, ahead = self.served[kind], self.served[min(kind, 1) : kind].sum(axis=0)
        carried = np.cumsum(served, axis=0)
        total = self.load.arrivals[kind].sum(axis=0)
        hour = (carried < total - _HALF_A_BYTE).sum(axis=0)
        within = np.minimum(hour, len(served) - 1)
        columns = np.arange(served.shape[1])
        last = ahead[within, columns] + served[within, columns]
        rate = self.rate[within, columns] if kind else self.load.line
        part = np.divide(last, rate, out=np.zeros_like(last), where=rate > 0)
        return np.where(hour < len(served), hour + np.minimum(part, 1.0), np.inf)


def fair(wanted: Array, capacity: float) -> tuple[Array, float]:
    """Share a capacity: everybody at most the same level, nobody more than he wants, nothing left that somebody wants.

    Returns:
        What each gets, and the level; infinity where all get what they want.
    """
    if wanted.sum() <= capacity:
        return wanted, np.inf
    ordered = np.sort(wanted)
    # the level if all from a place on are cut to it: what the smaller ones leave, in equal parts
    left = capacity - np.concatenate(([0.0], np.cumsum(ordered)[:-1]))
    levels = left / np.arange(len(ordered), 0, -1)
    level = float(levels[np.argmax(levels <= ordered)])
    return np.minimum(wanted, level), level


def flow(load: Load) -> Course:
    """Let it flow, hour by hour, and nothing before it is there."""
    kinds, hours, endpoints = load.arrivals.shape
    waiting = np.zeros((kinds, endpoints))
    served, rate = np.zeros_like(load.arrivals), np.zeros((hours, endpoints))
    full = np.zeros(hours, dtype=np.bool_)
    for hour in range(hours):
        waiting += load.arrivals[:, hour]
        first, cut = fair(np.minimum(waiting[0], load.line), load.egress)
        allowed = np.maximum(np.minimum(load.limit[hour], load.line - first), 0.0)
        granted, level = fair(np.minimum(waiting[1:].sum(axis=0), allowed), max(load.egress - first.sum(), 0.0))
        # what each could draw while all who wait draw at once: who is done sooner leaves more, which isn't counted
        _, at_once = fair(np.where(waiting[1:].sum(axis=0) > 0, allowed, 0.0), max(load.egress - first.sum(), 0.0))
        rate[hour] = np.minimum(allowed, at_once)
        full[hour] = bool(np.isfinite(min(cut, level)))
        served[0, hour] = first
        for kind in range(1, kinds):
            taken = np.minimum(waiting[kind], granted)
            served[kind, hour] = taken
            granted = granted - taken
        waiting -= served[:, hour]
    return Course(load, served, rate, full)
