"""Composes two-channel sessions from single utterances: two people in a computed room.

Nothing here is recorded: seats, walls, leak, noise, hum, overlaps, short answers and quiet passages are
drawn from a seed, so that a session can be made again and its truth is known to the sample.
"""

import json
import pathlib

import numpy as np

RATE = 16_000  # Hz
OWN_DBFS = -24.0  # level of a voice at its own microphone while it speaks
QUIET_DB = -25.0  # a quiet turn against the others

# What the two microphones hear. `bleed` in dB: the other voice against the same voice at its own
# microphone; `t60` the room's reverberation in seconds; `mouth` metres from mouth to own microphone.
# `moved`: what is different after both have changed their seats, a third and again two thirds of the way
# through (back to how it was). `late`: seconds by which the second microphone's recorder was begun late.
# `gain`: of the second microphone, in dB against the first.
CONDITIONS = {
    "clean": {"bleed": None, "t60": None, "mouth": 0.2, "noise": -75.0, "hum": None},
    "bleed20": {"bleed": -20.0, "t60": 0.2, "mouth": 0.2, "noise": -70.0, "hum": None},
    "bleed8": {"bleed": -8.0, "t60": 0.35, "mouth": 0.2, "noise": -48.0, "hum": -55.0},
    "desk4": {"bleed": -4.0, "t60": 0.35, "mouth": 0.5, "noise": -50.0, "hum": -55.0},
    "uneven": {"bleed": -4.0, "t60": 0.35, "mouth": 0.5, "noise": -50.0, "hum": -55.0, "gain": -10.0},
    "quiet": {"bleed": -20.0, "t60": 0.2, "mouth": 0.2, "noise": -72.0, "hum": None},
    "moving": {"bleed": -20.0, "t60": 0.35, "mouth": 0.2, "noise": -55.0, "hum": None, "moved": {"bleed": -6.0}},
    "late": {"bleed": -12.0, "t60": 0.35, "mouth": 0.2, "noise": -55.0, "hum": None, "late": 0.15},
}


def db(value):
    return 10.0 ** (value / 20.0)


def levels(samples):
    """Level of each 10 ms in dB."""
    frame = RATE // 100
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    return 10.0 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def active_level(samples):
    """Level in dB while a voice speaks: frames within 30 dB of the loudest."""
    level = levels(samples)
    active = level[level > level.max() - 30.0]
    return 10.0 * np.log10(np.mean(10.0 ** (active / 10.0)))


def where_heard(samples):
    """Of each 10 ms whether the voice is heard: 35 dB under the loudest, and 12 dB over the recording's own
    noise where that is more, for at least 30 ms."""
    level = levels(samples)
    least = max(level.max() - 35.0, min(np.percentile(level, 5) + 12.0, level.max() - 20.0))
    return np.convolve(level > least, np.ones(3), "same") > 2.5


def trimmed(samples):
    """Cut to where the voice is heard."""
    heard = np.flatnonzero(where_heard(samples))
    frame = RATE // 100
    return samples[heard[0] * frame : (heard[-1] + 1) * frame]


def voice(samples):
    """Seconds from the beginning of an utterance to where the voice begins, and from where it ends to the end.

    Some readers' files begin or end with a click, or with a piece of the word that they were cut from: up to 160 ms of
    sound that 120 ms or more of something 20 dB under the loud parts set apart. No voice begins or ends there.
    """
    level = levels(samples)
    loud = level > np.percentile(level, 90) - 20.0

    def before(loud):
        # The stretches that are loud, gaps of up to 20 ms among them.
        grown = np.convolve(loud, np.ones(3)) > 0.5
        joined = np.convolve(grown, np.ones(3), "valid") > 2.5
        edges = np.flatnonzero(np.diff(np.concatenate(([False], joined, [False]))))
        begun = 0
        for (start, end), (following, _) in zip(edges.reshape(-1, 2), edges.reshape(-1, 2)[1:]):
            if start - begun > 10 or end - start > 16 or following - end < 12:
                break
            begun = following
        return begun / 100

    return before(loud), before(loud[::-1])


def pauses_left_out(samples):
    """Where the voice is heard, and a tenth of a second around it, one after the other."""
    heard = np.convolve(where_heard(samples), np.ones(21), "same") > 0.5
    return samples[: len(heard) * (RATE // 100)][np.repeat(heard, RATE // 100)]


# ---- utterances -----------------------------------------------------------------------------------


def listed(folder):
    """The utterances of a folder as (path, text, speaker).

    Known are a manifest.json (a list of objects with file, text and speaker), LibriSpeech's *.trans.txt,
    and X.flac or X.wav beside X.txt. Where no speaker is given it is the name up to the first - or _.
    """
    manifest = folder / "manifest.json"
    if manifest.exists():
        for entry in json.loads(manifest.read_text(encoding="utf-8")):
            yield folder / entry["file"], entry["text"], str(entry["speaker"])
        return
    for path in sorted(folder.rglob("*.trans.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, text = line.split(" ", 1)
            yield path.with_name(name + ".flac"), text.lower(), name.split("-")[0]
    for path in sorted([*folder.rglob("*.flac"), *folder.rglob("*.wav")]):
        text = path.with_suffix(".txt")
        if text.exists():
            yield path, text.read_text(encoding="utf-8").strip(), path.stem.replace("_", "-").split("-")[0]


def load(folders):
    """Utterances by speaker: {speaker: [{"samples", "text"}]}, at one level."""
    from faster_whisper import decode_audio

    voices = {}
    for folder in folders:
        for path, text, speaker in listed(pathlib.Path(folder)):
            samples = trimmed(decode_audio(str(path), sampling_rate=RATE).astype(np.float64))
            samples *= db(OWN_DBFS - active_level(samples))
            ramp = np.linspace(0.0, 1.0, RATE // 200)
            samples[: len(ramp)] *= ramp
            samples[-len(ramp) :] *= ramp[::-1]
            voices.setdefault(speaker, []).append({"samples": samples, "text": text, "voice": voice(samples)})
    return voices


def is_short(utterance):
    return len(utterance["text"].split()) <= 2


# ---- the room -------------------------------------------------------------------------------------


def impulse(source, microphone, size, t60):
    """Impulse response of a box-shaped room by mirror images (Allen and Berkley 1979), no filtering."""
    # Sabine: the share of amplitude a wall gives back.
    volume = np.prod(size)
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    kept = np.sqrt(max(0.0, 1.0 - min(0.95, 0.161 * volume / (surface * t60))))
    length = int(min(t60, 0.6) * RATE)
    reach = int(np.ceil(343.0 * length / RATE / (2 * min(size)))) + 1
    out = np.zeros(length)
    steps = np.arange(-reach, reach + 1)
    axes = []
    for axis in range(3):
        # Images at 2nL + s and 2nL - s, with |2n| and |2n - 1| reflections.
        place = np.concatenate([2 * steps * size[axis] + source[axis], 2 * steps * size[axis] - source[axis]])
        count = np.concatenate([np.abs(2 * steps), np.abs(2 * steps - 1)])
        axes.append((place - microphone[axis], count))
    (x, nx), (y, ny), (z, nz) = axes
    distance = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2)
    bounces = nx[:, None, None] + ny[None, :, None] + nz[None, None, :]
    late = np.round(distance / 343.0 * RATE).astype(int)
    near = late < length
    np.add.at(out, late[near], kept ** bounces[near] / np.maximum(distance[near], 0.05))
    return out


def seats(random, condition):
    """The four impulse responses: from speaker to microphone."""
    size = np.array([random.uniform(3.5, 5.0), random.uniform(3.0, 4.5), random.uniform(2.4, 2.8)])
    apart = random.uniform(1.2, 2.5)
    middle = size[:2] / 2 + random.uniform(-0.3, 0.3, 2)
    turn = random.uniform(0, 2 * np.pi)
    away = np.array([np.cos(turn), np.sin(turn)])
    mouths = [np.append(middle + side * apart / 2 * away, random.uniform(1.1, 1.3)) for side in (-1, 1)]
    microphones = []
    for side, mouth in zip((1, -1), mouths):
        at = mouth.copy()
        at[:2] += side * away * condition["mouth"] * 0.6
        at[2] -= condition["mouth"] * 0.8
        microphones.append(at)
    for point in (*mouths, *microphones):
        np.clip(point, 0.1, size - 0.1, out=point)
    return [[impulse(mouth, microphone, size, condition["t60"]) for microphone in microphones] for mouth in mouths]


def convolve(samples, response):
    size = 1 << int(np.ceil(np.log2(len(samples) + len(response))))
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(samples)]


def room_noise(random, length, dbfs):
    """Ventilation and traffic: falls 6 dB an octave, with a little hiss."""
    white = random.standard_normal(length)
    spectrum = np.fft.rfft(white)
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    shape = 1.0 / np.maximum(hertz, 60.0) + 1.0 / 6000.0
    shape[hertz < 30.0] = 0.0
    samples = np.fft.irfft(spectrum * shape, length)
    return samples * db(dbfs) / np.sqrt(np.mean(samples**2))


def hum(random, length, dbfs):
    """Mains: 50 Hz and its harmonics."""
    time = np.arange(length) / RATE
    samples = sum(
        np.sin(2 * np.pi * 50.0 * n * time + random.uniform(0, 6.28)) / n for n in (1, 2, 3, 4, 5, 7, 9)
    )
    return samples * db(dbfs) / np.sqrt(np.mean(samples**2))


def in_the_room(random, condition, dry, speech):
    """What the two microphones hear of the two voices (both of shape [2, n]), without noise.

    Levels are those of `speech`, of each voice, without the pauses between turns: what a room still sounds of in
    a pause is none.
    """
    if not condition["t60"]:
        return dry.copy()
    heard = np.zeros(dry.shape)
    responses = seats(random, condition)
    for channel in (0, 1):
        direct = int(np.argmax(np.abs(responses[channel][channel])))
        loud = speech[channel][: 60 * RATE]
        for into in (0, 1):
            # The way to the own microphone is taken as no time: the reference is its clock.
            response = responses[channel][into][direct:]
            level = OWN_DBFS + (0.0 if into == channel else condition["bleed"])
            voice = convolve(loud, response)
            heard[into] += convolve(dry[channel], response) * db(level - active_level(voice))
    return heard


def add_noise(random, condition, heard):
    """Adds the room's noise to what the two microphones hear, and sets the second one's gain."""
    for own in heard:
        own += room_noise(random, len(own), condition["noise"])
        if condition["hum"] is not None:
            own += hum(random, len(own), condition["hum"])
    heard[1] *= db(condition.get("gain", 0.0))


def in_one_room(path, name, seed):
    """A recording of two people, a channel each, as if they had sat in the room of a condition: samples [n, 2]."""
    from faster_whisper import decode_audio

    condition, random = CONDITIONS[name], np.random.default_rng(seed)
    dry = np.array(decode_audio(str(path), sampling_rate=RATE, split_stereo=True), dtype=np.float64)
    for own in dry:
        own *= db(OWN_DBFS - active_level(own))
    heard = in_the_room(random, condition, dry, [pauses_left_out(own) for own in dry])
    add_noise(random, condition, heard)
    return heard.T


# Where a segment lies, and where in it there is a voice.
EDGES = ("start", "end", "voice_start", "voice_end")


# ---- a conversation -------------------------------------------------------------------------------


def conversation(voices, name, seed, minutes):
    """A session of a condition: samples of shape [n, 2] and its reference.

    Two speakers alternate. One turn in seven comes in 0.5 to 1.5 s early (overlap); one in four is
    followed by a short answer; a short answer may also fall on top of the other's turn (backchannel).
    """
    condition = CONDITIONS[name]
    random = np.random.default_rng(seed)
    short = [utterance for own in voices.values() for utterance in own if is_short(utterance)]
    long = {speaker: [u for u in own if not is_short(u)] for speaker, own in voices.items()}
    talkers = random.permutation([speaker for speaker, own in long.items() if len(own) > 1])[:2]
    if len(talkers) < 2:
        raise ValueError("utterances of at least two speakers are needed")
    left = [[long[speaker][i] for i in random.permutation(len(long[speaker]))] for speaker in talkers]
    # Each person keeps one voice for short answers, whoever recorded it.
    answers = [[], []]
    for place, index in enumerate(random.permutation(len(short))):
        answers[place % 2].append(short[index])
    for side, speaker in enumerate(talkers):
        own = [u for u in voices[speaker] if is_short(u)]
        answers[side] = own or answers[side]
    segments, at, side = [], 1.0, int(random.integers(2))

    def put(channel, utterance, start, kind):
        end = start + len(utterance["samples"]) / RATE
        gain = db(QUIET_DB) if kind == "quiet" else 1.0
        before, after = utterance["voice"]
        segments.append(
            {"channel": channel, "start": start, "end": end, "text": utterance["text"], "kind": kind}
            | {"voice_start": start + before, "voice_end": end - after}
            | {"samples": utterance["samples"] * gain}
        )
        return end

    while at < minutes * 60 and left[side]:
        utterance = left[side].pop()
        kind = "quiet" if name == "quiet" and random.random() < 0.3 else "turn"
        start = at
        at = put(side, utterance, start, kind)
        length = at - start
        if answers[1 - side] and kind == "turn" and length > 4.0 and random.random() < 0.6:
            murmur = answers[1 - side][random.integers(len(answers[1 - side]))]
            put(1 - side, murmur, start + random.uniform(1.0, length - 2.5), "backchannel")
        if answers[1 - side] and random.random() < 0.25:
            reply = answers[1 - side][random.integers(len(answers[1 - side]))]
            at = put(1 - side, reply, at + random.uniform(0.25, 0.9), "answer")
            at += random.uniform(0.3, 1.0)
            side = 1 - side  # The one who spoke goes on.
        elif kind == "turn" and length > 4.0 and random.random() < 0.15:
            at -= random.uniform(0.5, 1.5)
        else:
            at += min(12.0, random.lognormal(-0.5, 0.9))
        side = 1 - side
    length = round((max(s["end"] for s in segments) + 1.0) * RATE)
    dry = np.zeros((2, length))
    for segment in segments:
        first = round(segment["start"] * RATE)
        samples = segment.pop("samples")
        dry[segment["channel"], first : first + len(samples)] += samples
    speech = [own[own != 0.0] for own in dry]
    heard = in_the_room(random, condition, dry, speech)
    if "moved" in condition:
        moved = in_the_room(random, condition | condition["moved"], dry, speech)
        place = np.arange(length) / length
        # They take two seconds over it.
        share = np.clip((1.0 / 6.0 - np.abs(place - 0.5)) * length / RATE / 2.0 + 0.5, 0.0, 1.0)
        heard = heard * (1.0 - share) + moved * share
    if "late" in condition:
        late = round(condition["late"] * RATE)
        heard = np.pad(heard, ((0, 0), (0, late)))
        heard[1] = np.roll(heard[1], late)
        length += late
        for segment in segments:
            for edge in EDGES:
                segment[edge] += condition["late"] * (segment["channel"] == 1)
    add_noise(random, condition, heard)
    segments.sort(key=lambda segment: segment["start"])
    for segment in segments:
        segment.update({edge: round(float(segment[edge]), 3) for edge in EDGES})
    return heard.T, {"condition": name, "seed": seed, "segments": segments}


# ---- nobody speaks --------------------------------------------------------------------------------


def bursts(random, length, each, pause, make):
    """Sounds one after another: `make(n)` gives n samples; each and pause are ranges in seconds."""
    out = np.zeros(length)
    at = round(random.uniform(*pause) * RATE)
    while at < length:
        n = min(round(random.uniform(*each) * RATE), length - at)
        out[at : at + n] = make(n)
        at += n + round(random.uniform(*pause) * RATE)
    return out


def band(random, n, low, high):
    spectrum = np.fft.rfft(random.standard_normal(n))
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum *= np.exp(-(np.maximum(0, low - hertz) + np.maximum(0, hertz - high)) / 300.0)
    samples = np.fft.irfft(spectrum, n)
    return samples / (np.sqrt(np.mean(samples**2)) + 1e-9)


def breathing(random, length):
    def breath(n):
        return band(random, n, 400, 2500) * np.sin(np.pi * np.arange(n) / n) ** 2

    return bursts(random, length, (0.8, 1.6), (0.4, 1.2), breath) * db(-42.0)


def paper(random, length):
    def rustle(n):
        grains = (random.random(n) < 0.004) * random.standard_normal(n)
        return convolve(grains, np.exp(-np.arange(400) / 60.0) * random.standard_normal(400))

    return bursts(random, length, (0.2, 1.5), (0.5, 4.0), rustle) * db(-34.0)


def typing(random, length):
    def key(n):
        return band(random, n, 1500, 6000) * np.exp(-np.arange(n) / 80.0)

    return bursts(random, length, (0.03, 0.04), (0.06, 0.4), key) * db(-36.0)


def music(random, length):
    """Chords and a tune through a wall: nothing above about 700 Hz."""
    out, at = np.zeros(length), 0
    while at < length:
        n = min(RATE // 2, length - at)
        time = np.arange(n) / RATE
        root = 110.0 * 2 ** (random.integers(0, 12) / 12)
        for step in (0, 4, 7, 12 + random.choice([0, 2, 4, 5, 7, 9])):
            for harmonic in (1, 2, 3):
                out[at : at + n] += np.sin(2 * np.pi * root * 2 ** (step / 12) * harmonic * time) * np.exp(-time * 3) / harmonic**2
        at += n
    spectrum = np.fft.rfft(out)
    spectrum *= 1.0 / (1.0 + (np.fft.rfftfreq(length, 1 / RATE) / 700.0) ** 4)
    out = np.fft.irfft(spectrum, length)
    return out * db(-45.0) / np.sqrt(np.mean(out**2))


def crying(random, length):
    """Sobs: short voiced cries in a row, falling in pitch, with a gasp between."""

    def sob(n):
        time = np.arange(n) / RATE
        pitch = random.uniform(300, 520) * np.exp(-time * random.uniform(0.3, 1.2)) * (1 + 0.03 * np.sin(2 * np.pi * 6 * time))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        shape = np.abs(np.sin(2 * np.pi * random.uniform(1.5, 2.5) * time)) ** 0.7 * np.sin(np.pi * np.arange(n) / n)
        gasp = band(random, n, 600, 3500) * 0.15
        return (voice + gasp) * shape

    return bursts(random, length, (0.6, 1.8), (0.3, 2.5), sob) * db(-30.0)


def laughing(random, length):
    def laugh(n):
        time = np.arange(n) / RATE
        phase = 2 * np.pi * np.cumsum(random.uniform(180, 320) * (1 + 0.1 * np.sin(2 * np.pi * 5 * time))) / RATE
        voice = sum(np.sin(k * phase) / k**1.2 for k in range(1, 10)) + 0.3 * band(random, n, 500, 3000)
        return voice * (np.sin(2 * np.pi * 4.8 * time) > 0) * np.exp(-time)

    return bursts(random, length, (0.8, 1.8), (1.0, 4.0), laugh) * db(-30.0)


def nothing_said(seed, minutes, noises):
    """A session in which nobody speaks: samples [n, 2] and [(kind, start, end)] in seconds.

    `noises` are further recordings of noise, as sample arrays.
    """
    random = np.random.default_rng(seed)
    makers = {
        "digital silence": lambda n: np.zeros(n),
        "quiet room": lambda n: room_noise(random, n, -70.0),
        "loud ventilation": lambda n: room_noise(random, n, -40.0),
        "hum": lambda n: hum(random, n, -40.0) + room_noise(random, n, -65.0),
        "breathing": lambda n: breathing(random, n) + room_noise(random, n, -65.0),
        "paper": lambda n: paper(random, n) + room_noise(random, n, -62.0),
        "typing": lambda n: typing(random, n) + room_noise(random, n, -62.0),
        "music": lambda n: music(random, n) + room_noise(random, n, -60.0),
        "crying": lambda n: crying(random, n) + room_noise(random, n, -65.0),
        "laughing": lambda n: laughing(random, n) + room_noise(random, n, -65.0),
    }
    for index, noise in enumerate(noises):
        makers[f"recorded noise {index + 1}"] = lambda n, noise=noise: np.resize(noise, n) * db(
            -38.0 - active_level(noise)
        )
    length = round(minutes * 60 * RATE)
    piece = length // len(makers)
    out, kinds = np.zeros((length, 2)), []
    for index, (kind, make) in enumerate(makers.items()):
        first = index * piece
        samples = make(piece)
        loud = int(random.integers(2))
        out[first : first + piece, loud] = samples
        if kind != "digital silence":
            out[first : first + piece, 1 - loud] = np.roll(samples, 60) * db(-10.0) + room_noise(random, piece, -68.0)
        kinds.append((kind, first / RATE, (first + piece) / RATE))
    return out, kinds


def save(path, samples):
    """Writes samples of shape [n, channels] as a 16-bit WAV."""
    import wave

    whole = np.clip(np.round(samples * 32767.0), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(whole.tobytes())
