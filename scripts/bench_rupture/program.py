"""Dialogues into undertone, analyses out, in the bench's own terms."""

import collections
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

WORDS_A_MINUTE = 150


class Failed(Exception):
    """Something could not be measured; the text says what and why."""


def transcript(turns, times=None, murmurs=()):
    """An undertone-transcript/1 of (speaker, text) pairs.

    `times` are starts in seconds, where known; `murmurs` are the places of turns inside the other's turn.
    """
    at, out, spans = 0.5, [], {"therapist": [], "client": []}
    for place, (speaker, text) in enumerate(turns):
        words = text.split() or ["…"]
        pace = 60 / WORDS_A_MINUTE
        if times:
            at = max(at, times[place])
            if place + 1 < len(times) and times[place + 1] > at:
                pace = min(pace, (times[place + 1] - at) / (len(words) + 1))
        put = [
            {"text": w, "start": round(at + i * pace, 3), "end": round(at + (i + 0.9) * pace, 3), "probability": 0.95}
            for i, w in enumerate(words)
        ]
        span = {"start": put[0]["start"], "end": put[-1]["end"]}
        inside = {"backchannel": True} if place in murmurs else {}
        out.append({"id": place + 1, "speaker": speaker, **span, **inside, "words": put})
        spans[speaker].append(span)
        at = span["end"] + (0.001 if times else 0.5)
    channel = {"own_dbfs": -25.0, "bleed_db": None, "noise_dbfs": -62.0}
    return {
        "schema": "undertone-transcript/1",
        "session": {
            "id": "01JDA7G7G0000000000000000A",
            "duration": round(at + 0.5, 3),
            "sample_rate": 16000,
            "untimed": times is None,
        },
        "language": "en",
        "model": {"name": "written", "sha256": "0" * 64, "engine": "none"},
        "speakers": [
            {"id": "therapist", "channel": 1, "role": "therapist"},
            {"id": "client", "channel": 2, "role": "client"},
        ],
        "turns": out,
        "overlaps": [],
        "pauses": [],
        "gaps": [],
        "activity": [{"speaker": s, "spans": spans[s]} for s in ("therapist", "client")],
        "separation": {
            "channels": [{"channel": 1, **channel}, {"channel": 2, **channel}],
            "margin_db": 6.0,
            "leaked_words": 0,
        },
        "created": "2026-01-01T00:00:00Z",
        "tool": "bench-rupture",
    }


def analyze(binary, turns, times=None, murmurs=()):
    """The analysis of a dialogue; see `analyze_transcript`."""
    return analyze_transcript(binary, transcript(turns, times, murmurs))


def analyze_transcript(binary, document):
    """The analysis of an undertone-transcript/1, with wall and CPU seconds and the peak of memory in bytes."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(json.dumps(document).encode())
        given.seek(0)
        child = subprocess.Popen([binary, "analyze", "--stdin", "--json"], stdin=given, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            tail = err.read().decode(errors="replace").strip().splitlines()[-3:]
            raise Failed(f"undertone analyze --stdin ended with {child.returncode}: {' / '.join(tail)}")
        analysis = json.loads(out.read())
    if analysis.get("schema") != "undertone-analysis/1":
        raise Failed(f"no undertone-analysis/1 but {analysis.get('schema')!r}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return analysis, {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": peak}


def places(document, turns):
    """For each turn of a recognised transcript the written turn that most of its words come from, or None."""
    role, out = {s["id"]: s["role"] for s in document["speakers"]}, {}
    for speaker in ("client", "therapist"):
        written = [(w, i) for i, (who, text) in enumerate(turns) if who == speaker for w in bare(text)]
        heard = [
            (w, turn["id"] - 1)
            for turn in document["turns"]
            if role[turn["speaker"]] == speaker
            for w in bare(" ".join(w["text"] for w in turn["words"] if not w.get("suspect")))
        ]
        blocks = difflib.SequenceMatcher(None, [w for w, _ in written], [w for w, _ in heard], autojunk=False)
        votes = collections.defaultdict(collections.Counter)
        for block in blocks.get_matching_blocks():
            for k in range(block.size):
                votes[heard[block.b + k][1]][written[block.a + k][1]] += 1
        out |= {turn: count.most_common(1)[0][0] for turn, count in votes.items()}
    return out


def bare(text):
    return re.findall(r"[a-z0-9']+", text.lower().replace("’", "'"))


def moved(found, place):
    """What was found in a recognised transcript, told by the written turns; what lies in none is at -1."""
    for episode in found["episodes"]:
        for marker in episode["markers"]:
            turn = place.get(marker["turn"], -1)
            marker["since"], marker["turn"] = place.get(marker["since"], turn), turn
        for key in ("stances", "kinds"):
            told = {}
            for turn, value in sorted(episode[key].items()):
                # A written turn that was cut in two: the first piece that says something counts.
                if told.get(place.get(turn, -1)) in (None, "unclear", set()):
                    told[place.get(turn, -1)] = value
            episode[key] = told
    return found


def plain(name):
    """`defends.rebut` and `rebut` are the same name."""
    return str(name).rsplit(".", 1)[-1]


def found_in(analysis):
    """The analysis in the terms of this script; turns counted from 0. None if it holds no episodes."""
    if "episodes" not in analysis:
        return None
    episodes = []
    for episode in analysis["episodes"]:
        markers = [episode["marker"], *episode.get("more_markers", [])]
        readings = episode["readings"]
        episodes.append(
            {
                "markers": [
                    {
                        "turn": m["turn"] - 1,
                        "since": (m.get("since") or m["turn"]) - 1,
                        "kind": m["kind"],
                        "tier": m["tier"],
                        "quote": m["quote"],
                    }
                    for m in markers
                ],
                "stances": {r["turn"] - 1: r["stance"] for r in episode["replies"]},
                "kinds": {r["turn"] - 1: {plain(k) for k in r["kinds"]} for r in episode["replies"]},
                "outcome": episode["outcome"],
                "reading": readings[0]["kind"] if readings else "not_enough_said",
                "repair": {r["step"]: bool(r["heard"]) for r in episode["repair"]},
            }
        )
    behaviours = {}
    for entry in analysis.get("behaviours") or []:
        behaviours[entry["turn"] - 1] = entry["behaviour"]
    return {"episodes": episodes, "behaviours": behaviours}
