"""What is right and wrong in a transcript of two speakers, against what was said.

References hold times of segments only. A word's time is estimated from its place in the segment by
letters. Wrong speaker and overlap kept rest on these estimates: a margin of 1.5 s, each word used once.
"""

import bisect

from words import spread

SPEAKERS = ("therapist", "client")
MARGIN = 1.5  # seconds by which an estimated time may be off
# What a second between two words of a pair counts beside a wrong word, and the most seconds that count: so little that
# thousands of them are no wrong word.
NEARER, FAR = 1e-7, 60.0


def align(said, heard):
    """The shortest way from `said` to `heard`, of (word, time, …), as pairs of positions; None where one has no word.

    Of ways that are as short it is that whose pairs are nearest in time: "thou also, thou also" of which one half was not
    written down could be either.
    """
    n, m = len(said), len(heard)

    def apart(i, j):
        one, two = said[i - 1], heard[j - 1]
        seconds = 0.0 if one[1] is None or two[1] is None else abs(one[1] - two[1])
        return (one[0] != two[0]) + NEARER * min(seconds, FAR)

    rows = [list(range(m + 1))]
    for i in range(1, n + 1):
        above, row = rows[-1], [i]
        for j in range(1, m + 1):
            row.append(min(above[j - 1] + apart(i, j), above[j] + 1, row[j - 1] + 1))
        rows.append(row)
    pairs, i, j = [], n, m
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + apart(i, j):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and rows[i][j] == rows[i - 1][j] + 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def overlaps(segments):
    """Stretches in which both channels have a segment."""
    found = []
    for one in (s for s in segments if s["channel"] == 0):
        for two in (s for s in segments if s["channel"] == 1):
            start, end = max(one["start"], two["start"]), min(one["end"], two["end"])
            if start < end:
                found.append((start, end))
    return found


def words_of_other(extra, other):
    """How many of `extra`, as (word, time), the other speaker said at about that time."""
    times = {}
    for word, at in other:
        times.setdefault(word, []).append(at)
    for at in times.values():
        at.sort()
    count = 0
    for word, at in extra:
        left = times.get(word, [])
        place = bisect.bisect_left(left, at - MARGIN)
        if place < len(left) and left[place] <= at + MARGIN:
            left.pop(place)
            count += 1
    return count


def score(segments, heard, fillers=None):
    """Scores `heard`, two lists of (word, start, end), against the reference. One entry a speaker, and all.

    `fillers` are two lists of times at which a sound such as mm-hm was written down.
    """
    both = overlaps(segments)
    result = {}
    said = [said_on(segments, channel) for channel in (0, 1)]
    plain = [[(word, at) for word, at, _ in own] for own in said]
    for channel, speaker in enumerate(SPEAKERS):
        ours, theirs = said[channel], heard[channel]
        pairs = align(ours, theirs)
        found = {i: j for i, j in pairs if i is not None and j is not None}
        right = {i for i, j in found.items() if ours[i][0] == theirs[j][0]}
        wrong = [(i, j) for i, j in pairs if i is None or i not in right]
        extra = [(theirs[j][0], (theirs[j][1] + theirs[j][2]) / 2) for _, j in wrong if j is not None]
        shared = {i for i, (_, at, _) in enumerate(ours) if any(a <= at <= b for a, b in both)}
        entry = {
            "words": len(ours),
            "substituted": sum(i is not None and j is not None for i, j in wrong),
            "missing": sum(j is None for _, j in wrong),
            "added": sum(i is None for i, _ in wrong),
            "wrong_speaker": words_of_other(extra, plain[1 - channel]),
            "overlap_words": len(shared),
            "overlap_kept": len(shared & right),
            "invented": sum(not near(segments, at) for _, at in extra),
            "edges": edges(segments, channel, ours, theirs, found),
        }
        for kind in ("answer", "backchannel", "quiet"):
            entry[kind], entry[kind + "_kept"] = kept(segments, channel, kind, ours, right, fillers)
        result[speaker] = entry
    return with_total(result)


def said_on(segments, channel):
    """The words of a channel as (word, estimated time, number of the segment)."""
    words = []
    for number, s in sorted(enumerate(segments), key=lambda pair: pair[1]["start"]):
        if s["channel"] == channel:
            words += [(word, at, number) for word, at in spread(s["text"], s["start"], s["end"])]
    return words


def near(segments, at):
    """Whether somebody speaks within a second of a time."""
    return any(s["start"] - 1.0 <= at <= s["end"] + 1.0 for s in segments)


def kept(segments, channel, kind, ours, right, fillers):
    """How many of a kind there are, and how many were written down: short ones whole, quiet ones by word."""
    of_kind = {n for n, s in enumerate(segments) if s["channel"] == channel and s.get("kind") == kind}
    words = {number: [] for number in of_kind}
    for i, (_, _, number) in enumerate(ours):
        if number in of_kind:
            words[number].append(i in right)
    if kind == "quiet":
        return sum(map(len, words.values())), sum(sum(own) for own in words.values())
    count = 0
    for number, own in words.items():
        s = segments[number]
        if own:
            count += all(own)
        elif fillers is not None:
            count += any(s["start"] - 0.5 <= at <= s["end"] + 0.5 for at in fillers[channel])
    return len(of_kind), count


def edges(segments, channel, ours, theirs, found):
    """Seconds by which the first word of each segment starts and its last one ends too late (early: < 0).

    Of those from where there is a voice, where the reference tells.
    """
    out = []
    for number, s in enumerate(segments):
        if s["channel"] != channel:
            continue
        at = [found[i] for i, (_, _, own) in enumerate(ours) if own == number and i in found]
        if at and theirs[at[0]][1] is not None:
            start, end = s.get("voice_start", s["start"]), s.get("voice_end", s["end"])
            out.append([round(theirs[at[0]][1] - start, 3), round(theirs[at[-1]][2] - end, 3)])
    return out


def with_total(result):
    keys = result[SPEAKERS[0]]
    result["both"] = {key: sum((result[s][key] for s in SPEAKERS), [] if key == "edges" else 0) for key in keys}
    for entry in result.values():
        errors = entry["substituted"] + entry["missing"] + entry["added"]
        entry["word_error"] = round(errors / entry["words"], 4) if entry["words"] else None
    return result


def edge_errors(edges):
    """Median and 95th percentile of how far edges are off, in seconds; None without any."""
    off = sorted(abs(value) for pair in edges for value in pair)
    if not off:
        return None
    return off[len(off) // 2], off[min(len(off) - 1, int(len(off) * 0.95))]
