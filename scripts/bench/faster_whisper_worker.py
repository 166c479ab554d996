"""One session through faster-whisper, inside its virtual environment; the words as JSON on stdout.

Arguments: session, folder of the model, beam, and raw or gate. The gate is the plain one that anybody
would write: a channel is silenced where it is not louder than the other by 3 dB over 200 ms, held for
300 ms to both sides.
"""

import importlib.metadata
import json
import os
import sys

RATE = 16_000


def gated(channels):
    import numpy as np

    frame = RATE // 100
    count = min(map(len, channels)) // frame
    power = [
        np.convolve((c[: count * frame].reshape(-1, frame) ** 2).mean(axis=1), np.ones(20) / 20, "same")
        for c in channels
    ]
    out = []
    for own, other, samples in zip(power, reversed(power), channels):
        louder = own > other * 2.0
        held = np.convolve(louder, np.ones(61), "same") > 0.5
        out.append(samples[: count * frame] * np.repeat(held, frame).astype(samples.dtype))
    return out


def main():
    session, model, beam, mode = sys.argv[1:]
    from faster_whisper import WhisperModel, decode_audio

    usage = os.times()
    spent = usage.user + usage.system
    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
    channels = decode_audio(session, sampling_rate=RATE, split_stereo=True)
    found = []
    for samples in gated(channels) if mode == "gate" else channels:
        segments, _ = whisper.transcribe(samples, language="en", beam_size=int(beam), vad_filter=True)
        found.append([{"start": s.start, "end": s.end, "text": s.text} for s in segments])
    version = importlib.metadata.version("faster-whisper")
    json.dump({"start_cpu_s": spent, "version": version, "channels": found}, sys.stdout)


main()
