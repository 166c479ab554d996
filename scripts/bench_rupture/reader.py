"""What a second reader made of the episodes, by the rubric alone, told where the strain is."""

import csv

from .scores import STEPS


def table(path):
    """The rows of a table that is parted by tabs, by the names in its head."""
    with open(path, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def second_reader(path, episodes):
    """As programs are heard, where the reader coded every one of these episodes that holds a marker; else None."""
    coded = {row["episode"]: row for row in table(path)}
    if any(e["markers"] and e["id"] not in coded for e in episodes):
        return None
    return [{"episodes": [as_told(coded[e["id"]], e)] if e["markers"] else []} for e in episodes]


def kinds_of(row):
    """The kinds of each reply that the reader heard, by its turn."""
    replies = (reply.split(":") for reply in row["replies"].split())
    return {int(turn): [] if kinds == "-" else kinds.split(",") for turn, kinds in replies}


def as_told(row, episode):
    turns = kinds_of(row)
    stances = {turn: stance(kinds) for turn, kinds in turns.items()}
    return {
        "markers": [{"since": m.get("since", m["turn"]), **m} for m in episode["markers"]],
        "reading": row["reading"],
        "stances": stances,
        "kinds": {turn: {kind.split(".")[1] for kind in kinds} for turn, kinds in turns.items()},
        "outcome": outcome([kinds for kinds in turns.values() if kinds]),
        "repair": repair([kind for kinds in turns.values() for kind in kinds]),
    }


def stance(kinds):
    sides = {kind.split(".")[0] for kind in kinds}
    return "mixed" if len(sides) == 2 else sides.pop() if sides else "unclear"


def outcome(turns):
    """Of the turns with a kind, in their order, as the rubric has it."""
    if not turns:
        return "unclear"
    stances, redirects = [stance(kinds) for kinds in turns], [set(kinds) == {"defends.redirect"} for kinds in turns]
    if all(redirects):
        return "not_taken_up"
    if redirects[0] and "receives" in stances[1:]:
        return "mixed"
    if stances[0] == "receives":
        return "mixed" if {"defends", "mixed"} & set(stances) else "received_first"
    return "explained_first" if stances[0] == "defends" else "mixed"


def repair(kinds):
    first = next((at for at, kind in enumerate(kinds) if kind.startswith("defends.")), len(kinds))
    heard = [{"receives.validate", "receives.thank"} & set(kinds[:first]), "receives.renegotiate" in kinds, "receives.here_and_now" in kinds]
    return dict(zip(STEPS, map(bool, heard)))
