"""Whole talks, in which strain is said here and there: written ones, and AnnoMI's as two readers marked them."""

from .program import analyze, found_in
from .scores import STANCES, covers, macro, share

# As many of the therapist's turns after a marker belong to it as WINDOW of src/rupture/episodes.rs has.
WINDOW = 3


def stretches(talk):
    """Markers that are answered together: between two of them lie at most WINDOW turns of the therapist."""
    together = []
    for marker in sorted(talk["markers"], key=lambda m: m["turn"]):
        if together and (marker["turn"] - together[-1][-1]["turn"]) // 2 <= WINDOW:
            together[-1].append(marker)
        else:
            together.append([marker])
    return together


def markers_of(episodes):
    return [marker for episode in episodes for marker in episode["markers"]]


def place(flags, marks):
    """Flags in place, by tier; `marks` holds the markers of each talk."""
    of = [(flag["tier"], any(covers(flag, m) for m in marked)) for found, marked in zip(flags, marks) for flag in found]
    tiers = {tier: [right for t, right in of if tier in ("both", t)] for tier in ("explicit", "possible", "both")}
    return {tier: share(sum(rights), len(rights)) for tier, rights in tiers.items()}


def found(flags, groups):
    """How many of these groups of markers hold one that is flagged."""
    hit = [any(covers(flag, m) for flag in here for m in group) for here, of in zip(flags, groups) for group in of]
    return share(sum(hit), len(hit))


def written(binary, talks):
    """What the program finds in written talks."""
    said = [found_in(analyze(binary, [(t["speaker"], t["text"]) for t in talk["turns"]])[0]) for talk in talks]
    flags = [markers_of(of["episodes"]) for of in said]
    stances = []
    for talk, of in zip(talks, said):
        told = {turn: stance for episode in of["episodes"] for turn, stance in episode["stances"].items()}
        stances += [(r["stance"], told[r["turn"]]) for r in talk["replies"] if r["stance"] in STANCES and r["turn"] in told]
    calm = [here for talk, here in zip(talks, flags) if not talk["markers"]]
    return {
        "talks": len(talks),
        "calm": len(calm),
        "precision": place(flags, [talk["markers"] for talk in talks]),
        "found": found(flags, [stretches(talk) for talk in talks]),
        "markers": found(flags, [[[m] for m in talk["markers"]] for talk in talks]),
        "calm_flags": sum(map(len, calm)),
        "replies": macro(stances, STANCES),
    }


def annomi(sessions, readers):
    """What was found in AnnoMI's sessions, beside what two readers marked there, and the readers beside each other.

    An episode counts for recall if both readers marked it in the same place and its first reader was sure of it."""
    first, second = ({row["session"]: row["episodes"] for row in readers if row["reader"] == name} for name in ("a", "b"))
    flags = [markers_of(s["found"]["episodes"]) for s in sessions]
    one, other = ([markers_of(of[s["id"]]) for s in sessions] for of in (first, second))
    both = [
        [e["markers"] for e in first[s["id"]] if e["sure"] and any(covers(x, m) for x in theirs for m in e["markers"])]
        for s, theirs in zip(sessions, other)
    ]
    return {
        "sessions": len(sessions),
        "readers": found(other, [[[m] for m in of] for of in one]),
        "precision": place(flags, [a + b for a, b in zip(one, other)]),
        "found": found(flags, both),
        "markers": found(flags, [[[m] for m in of if any(covers(x, m) for x in theirs)] for of, theirs in zip(one, other)]),
    }
