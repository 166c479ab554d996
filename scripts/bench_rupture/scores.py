"""Precision, recall, F1 and rates with their intervals, and what is right in an episode."""

import collections
import math

STEPS = ["validate_courage", "renegotiate", "talk_about_process"]
STANCES = ["receives", "defends"]


def share(right, of):
    """A share with its Wilson interval."""
    if not of:
        return {"right": 0, "n": 0, "share": None, "low": None, "high": None}
    z, p = 1.96, right / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return {"right": right, "n": of, "share": p, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def rate(count, minutes):
    """Events per 50 minutes with the exact Poisson interval."""

    def below(mean):  # probability of at most `count` events
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)) if mean else 1.0

    def solve(test):
        low, high = 0.0, count + 10.0 + 10 * math.sqrt(count + 1)
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if test(middle) else (low, middle)
        return low

    upper = solve(lambda mean: below(mean) > 0.025)
    lower = 0.0 if count == 0 else solve(lambda m: 1 - below(m) + math.exp(count * math.log(max(m, 1e-9)) - m - math.lgamma(count + 1)) < 0.025)
    per = 50 / minutes if minutes else 0.0
    return {"count": count, "minutes": round(minutes, 1), "per_50": count * per, "low": lower * per, "high": upper * per}


def f1(pairs, label):
    """Precision, recall and F1 of a label over (true, said) pairs."""
    hit = sum(t == label == s for t, s in pairs)
    said, true = sum(s == label for _, s in pairs), sum(t == label for t, _ in pairs)
    precision, recall = hit / said if said else None, hit / true if true else None
    return {"precision": precision, "recall": recall, "f1": 2 * hit / (said + true) if said + true else None, "n": true}


def macro(pairs, labels):
    each = {label: f1(pairs, label) for label in labels}
    values = [e["f1"] or 0.0 for e in each.values() if e["n"]]
    return {"macro_f1": sum(values) / len(values) if values else None, "n": len(pairs), "by_label": each}


def covers(flag, marker):
    """Whether a flag lies where a marker is: its turn, or between the ends of its run."""
    return flag.get("since", flag["turn"]) <= marker["turn"] and flag["turn"] >= marker.get("since", marker["turn"])


def passages(episodes, said):
    """Precision of flags and recall of markers and episodes."""
    flags, hits, kinds = [], collections.Counter(), collections.Counter()
    for episode, one in zip(episodes, said):
        for flag in (m for e in one["episodes"] for m in e["markers"]):
            here = [m for m in episode["markers"] if covers(flag, m)]
            flags.append((flag, bool(here), any(m["kind"] == flag["kind"] for m in here), any(m["tier"] == "explicit" for m in here)))
    out = {"precision": {}, "precision_by_kind": {}, "recall_by_kind": {}}
    for tier in ("explicit", "possible", "both"):
        of = [f for f in flags if tier in ("both", f[0]["tier"])]
        out["precision"][tier] = {
            "place": share(sum(f[1] for f in of), len(of)),
            "kind": share(sum(f[2] for f in of), len(of)),
            "truly_explicit": share(sum(f[3] for f in of), len(of)),
        }
    for kind in sorted({f[0]["kind"] for f in flags}):
        of = [f for f in flags if f[0]["kind"] == kind]
        out["precision_by_kind"][kind] = share(sum(f[2] for f in of), len(of))
    found_explicit = total_explicit = 0
    for episode, one in zip(episodes, said):
        of = [m for e in one["episodes"] for m in e["markers"]]
        for marker in episode["markers"]:
            for tier in (marker["tier"], "both"):
                kinds[marker["kind"], tier] += 1
                kinds["all", tier] += 1
                if any(covers(flag, marker) for flag in of):
                    hits[marker["kind"], tier] += 1
                    hits["all", tier] += 1
            if marker["tier"] == "explicit":
                total_explicit += 1
                found_explicit += any(covers(f, marker) and f["tier"] == "explicit" for f in of)
    for (kind, tier), count in sorted(kinds.items()):
        out["recall_by_kind"].setdefault(kind, {})[tier] = share(hits[kind, tier], count)
    positive = [(e, o) for e, o in zip(episodes, said) if e["markers"]]
    negative = [o for e, o in zip(episodes, said) if not e["markers"]]
    out["episode_recall"] = share(sum(bool(matching(e, o)) for e, o in positive), len(positive))
    out["explicit_found_as_explicit"] = share(found_explicit, total_explicit)
    out["negatives_flagged"] = share(sum(bool(o["episodes"]) for o in negative), len(negative))
    tiers = [{m["tier"] for e in o["episodes"] for m in e["markers"]} for o in negative]
    out["negatives_flagged_explicit"] = share(sum("explicit" in t for t in tiers), len(negative))
    return out


def matching(episode, one):
    """The found episodes that flag a marked passage of this one."""
    return [e for e in one["episodes"] if any(covers(f, m) for f in e["markers"] for m in episode["markers"])]


def within(episodes, said, only_found, forced=False):
    """Replies, readings, repair and outcome. `forced` lets a baseline speak where it flagged nothing."""
    stance, kinds, reading, outcome, steps = [], [], [], [], {s: [] for s in STEPS}
    for episode, one in zip(episodes, said):
        if not episode["markers"]:
            continue
        found = matching(episode, one)
        if not found and forced:
            found = [one["forced"]]
        if not found and only_found:
            continue
        stances, done = {}, {}
        for e in reversed(found):  # where two cover a turn, the first one's word counts
            stances |= e["stances"]
            done |= e["kinds"] or {}
        for reply in episode["replies"]:
            if reply["stance"] in STANCES:
                stance.append((reply["stance"], stances.get(reply["turn"], "missing")))
            true, said_kinds = {k.rsplit(".", 1)[-1] for k in reply["kinds"]}, done.get(reply["turn"], set())
            if "forced" not in one:  # a baseline names no kinds
                kinds += [(k in true, k in said_kinds) for k in true | said_kinds]
        reading.append((episode["reading"], found[0]["reading"] if found else "missing"))
        outcome.append((episode["outcome"], found[0]["outcome"] if found else "missing"))
        for step in STEPS:
            steps[step].append((episode["repair"][step], any(e["repair"].get(step) for e in found)))
    every = [pair for pairs in steps.values() for pair in pairs]
    enough = [p for p in reading if p[0] != "not_enough_said"]
    return {
        "episodes": len(reading),
        "replies": macro(stance, STANCES),
        "reply_kinds": f1(kinds, True),
        "reading": share(sum(t == s for t, s in reading), len(reading)),
        "reading_where_enough_said": share(sum(t == s for t, s in enough), len(enough)),
        "reading_by_kind": {r: f1(reading, r) for r in sorted({t for t, _ in reading})},
        "outcome": share(sum(t == s for t, s in outcome), len(outcome)),
        "repair": {"all": f1(every, True)} | {s: f1(steps[s], True) for s in STEPS},
    }
