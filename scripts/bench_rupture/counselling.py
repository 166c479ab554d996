"""Ordinary counselling from the shared folder, and what undertone says of it."""

import collections
import csv
import functools
import json
import random
import re

from .baselines import KEYWORDS, keyword
from .program import WORDS_A_MINUTE, analyze, found_in
from .scores import macro, rate

BEHAVIOURS = ["reflection", "question", "input", "other"]


def murmurs(texts):
    """Short answers inside the other's turn: AnnoMI cuts that turn in two and marks the cut with hyphens."""
    around = zip(texts, texts[1:], texts[2:])
    return {
        i + 1 for i, (a, b, c) in enumerate(around) if len(b.split()) <= 3 and a.endswith("-") and c.startswith("-")
    }


@functools.cache
def annomi(shared):
    """AnnoMI's sessions: id, quality, video, turns with behaviours, starts in seconds."""
    rows = collections.OrderedDict()
    with open(shared / "annomi-dev.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["transcript_id"], []).append(row)
    sessions = []
    for name, of in rows.items():
        of.sort(key=lambda r: int(r["utterance_id"]))
        clock = [sum(int(p) * s for p, s in zip(r["timestamp"].split(":"), (3600, 60, 1))) for r in of]
        last = len(of[-1]["utterance_text"].split()) * 60 / WORDS_A_MINUTE
        sessions.append(
            {
                "id": name,
                "quality": of[0]["mi_quality"],
                "video": of[0]["video_url"],
                "turns": [(r["interlocutor"], r["utterance_text"]) for r in of],
                "murmurs": murmurs([r["utterance_text"].strip() for r in of]),
                "times": [c - clock[0] for c in clock],
                "minutes": (clock[-1] - clock[0] + last) / 60,
                "behaviours": {
                    i: r["main_therapist_behaviour"].replace("therapist_input", "input")
                    for i, r in enumerate(of)
                    if r["interlocutor"] == "therapist"
                },
            }
        )
    return sessions


def mibot(shared):
    """MIBot's chats; the utterances of one volley are one turn. Typed, so minutes come from words."""
    sessions = []
    for path in sorted((shared / "mibot").glob("*.json")):
        turns = []
        for said in json.loads(path.read_text(encoding="utf-8"))["utterances"]:
            speaker = "client" if said["speaker"] == "client" else "therapist"
            if turns and turns[-1][0] == speaker:
                turns[-1] = (speaker, f"{turns[-1][1]} {said['text']}")
            else:
                turns.append((speaker, said["text"]))
        words = sum(len(t.split()) for _, t in turns)
        sessions.append({"id": path.stem[:8], "turns": turns, "times": None, "murmurs": set(), "minutes": words / WORDS_A_MINUTE})
    return sessions


def flags_of(binary, sessions):
    """Tells each session what is found in it, once."""
    for session in (s for s in sessions if "found" not in s):
        analysis, _ = analyze(binary, session["turns"], session["times"], session["murmurs"])
        session["found"] = found_in(analysis)


def rates(sessions, flags):
    """Flags per 50 minutes by tier, of (session, flag) pairs."""
    minutes = sum(s["minutes"] for s in sessions)
    out = {t: rate(sum(f["tier"] == t for _, f in flags), minutes) for t in ("explicit", "possible")}
    return out | {"both": rate(len(flags), minutes), "sessions": len(sessions)}


def keyword_flags(sessions):
    out = []
    for s in sessions:
        for speaker, text in s["turns"]:
            if speaker == "client" and keyword(text, KEYWORDS):
                out.append((s, {"tier": "explicit"}))
    return out


def all_flags(sessions):
    return [(s, m) for s in sessions for e in s["found"]["episodes"] for m in e["markers"]]


def behaviours(sessions):
    """Macro-F1 of what the therapist does, with a bootstrap over videos, beside two baselines."""
    triples = [
        (s["video"], true, s["found"]["behaviours"].get(i, "other" if i in s["murmurs"] else "missing"), s["turns"][i][1])
        for s in sessions
        for i, true in s["behaviours"].items()
    ]
    if all(said == "missing" for _, _, said, _ in triples):
        return None
    videos = collections.defaultdict(list)
    for video, true, said, _ in triples:
        videos[video].append((true, said))
    chance, names, samples = random.Random(5), sorted(videos), []
    for _ in range(1000):
        drawn = [pair for _ in names for pair in videos[chance.choice(names)]]
        samples.append(macro(drawn, BEHAVIOURS)["macro_f1"])
    samples.sort()
    guess = lambda text: "question" if "?" in text else "other" if len(text.split()) < 4 else "reflection" if re.search(r"\byou\b", text.lower()) else "input"
    most = collections.Counter(true for _, true, _, _ in triples).most_common(1)[0][0]
    return {
        "undertone": macro([t[1:3] for t in triples], BEHAVIOURS) | {"low": samples[25], "high": samples[974], "videos": len(names)},
        "key words": macro([(t[1], guess(t[3])) for t in triples], BEHAVIOURS),
        "most frequent": macro([(t[1], most) for t in triples], BEHAVIOURS),
    }
