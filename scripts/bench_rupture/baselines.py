"""What is set beside undertone: a list of key words, naive Bayes, the most frequent label."""

import collections
import math
import re

from .program import plain
from .scores import STANCES, STEPS

# Written once, from the rubric's names and a look at train; not tuned.
KEYWORDS = {
    "complaint_progress": "not helping|isn't helping|not working|isn't working|no better|nothing has changed|"
    "nothing's changed|getting worse|feel worse|in circles|going nowhere|no progress|no difference|"
    "any difference|same as before|still the same|what are we doing|good is this|worth coming",
    "complaint_therapist": "you don't listen|not listening|don't understand me|judging me|you don't care|you forgot|"
    "not hearing me|you weren't|you always|you never|you think i'm|you keep|don't feel heard|you said you",
    "complaint_activity": "worksheet|homework|waste of time|these sheets|breathing thing|stupid exercise|these questions|"
    "the diary|the numbers|what's the point of|why do we|do we have to|the exercise",
    "complaint_parameters": "you're late|waiting for you|cancelled|too expensive|have to be here|made me come|"
    "fifty minutes|sent me|kept me waiting|only here because",
    "rejecting": "that's not it|that's wrong|i disagree|won't work|that's ridiculous|that's nonsense|that's not what i|"
    "doesn't work for me|not going to happen|not true",
    "self_defence": "are you saying|i'm not making|it's not my fault|i'm not lying|not that i'm|i did try|so it's my fault",
    "pressure": "just tell me|or i'm done|you need to|i want you to|yes or no|last chance|give me an answer",
    "minimal_responses": "i guess|whatever|dunno|i don't know|not really|nothing really",
    "shutdown": "don't want to talk|forget it|never mind|leave it|doesn't matter|not going there|i'm done",
    "topic_shift": "anyway|by the way|did i tell you|before i forget|oh,",
    "deference": "whatever you think|you're the expert|you know best|you're right|up to you",
    "hopelessness": "no point|hopeless|nothing will help|can't help me|give up|useless|i'm broken|what's the use",
    "avoidance": "in general|people generally|rather not|generally speaking|one could",
}
REPLY_KEYWORDS = {
    "receives": "thank you|thanks for|i'm sorry|makes sense|i missed|got that wrong|tell me more|what would you|"
    "how is it for you|between us|frustrating|glad|that's fair|no wonder|must have been|must be|of course|i was too|"
    "shall we|would you like|i'd like to understand|what was it like",
    "defends": "but |because|actually|process|takes time|you said|last week|need to|have to|you should|don't worry|"
    "normal|resist|avoid|important|people|research|studies|i understand|training|perhaps|didn't you|rule",
}
STEP_KEYWORDS = {
    "validate_courage": "thank you|thanks for|makes sense|glad|understandable|brave|courage|no wonder|fair",
    "renegotiate": "shall we|should we|what would you|could we|instead|how would you like|what would help",
    "talk_about_process": "between us|right now|here with me|i notice|with me|in here",
}
READING_KEYWORDS = {
    "ambivalence_about_change": "part of me|half of me|scared to|don't want to get better|not ready|don't want it to",
    "small_relational_breach": "you don't|you didn't|you forgot|you said|you never|judg|listen|you always|you think i",
    "goal_or_method_mismatch": "homework|sheet|exercise|what to do|practical|goal|not what i|came for|i wanted|forms",
}


def keyword(text, lists):
    """The first list with a phrase in the text, or None."""
    text = text.lower().replace("’", "'")
    return next((name for name, phrases in lists.items() if any(p in text for p in phrases.split("|"))), None)


def grams(text):
    words = re.findall(r"[a-z']+", text.lower().replace("’", "'"))
    return words + [f"{a} {b}" for a, b in zip(words, words[1:])]


class NaiveBayes:
    """Multinomial, add-one, over words and pairs of words; all labels equally likely beforehand."""

    def __init__(self, examples):
        self.counts, self.labels = collections.defaultdict(collections.Counter), collections.Counter()
        for text, label in examples:
            self.labels[label] += 1
            self.counts[label].update(grams(text))
        self.known = len({gram for counter in self.counts.values() for gram in counter})
        self.sums = {label: sum(counter.values()) for label, counter in self.counts.items()}

    def __call__(self, texts):
        return [self.one(text) for text in texts]

    def one(self, text):
        def score(label):
            total = 0.0
            for gram in grams(text):
                total += math.log((self.counts[label][gram] + 1) / (self.sums[label] + self.known))
            return total

        return max(self.labels, key=score)


def examples_of(train):
    """Texts with labels out of the train split, for each of the tasks a baseline can learn."""
    out = {"marker": [], "stance": [], "reading": [], **{step: [] for step in STEPS}}
    for episode in train:
        kinds = {m["turn"]: m["kind"] for m in episode["markers"]}
        for place, turn in enumerate(episode["turns"]):
            if turn["speaker"] == "client":
                out["marker"].append((turn["text"], kinds.get(place, "none")))
        for reply in episode["replies"]:
            text = episode["turns"][reply["turn"]]["text"]
            if reply["stance"] in STANCES:
                out["stance"].append((text, reply["stance"]))
            kinds_of = {plain(k) for k in reply["kinds"]}
            heard = [{"validate", "thank"} & kinds_of, {"renegotiate"} & kinds_of, {"here_and_now"} & kinds_of]
            for step, said in zip(STEPS, heard):
                out[step].append((text, "yes" if said else "no"))
        if episode["markers"]:
            out["reading"].append((client_text(episode), episode["reading"]))
    return out


def client_text(episode):
    return " ".join(t["text"] for t in episode["turns"] if t["speaker"] == "client")


def baseline(name, episodes, labellers):
    """What a baseline says of each episode, in the shape of `found_in`."""
    places = [(e, i) for e in range(len(episodes)) for i in range(len(episodes[e]["turns"]))]
    text_of = {(e, i): episodes[e]["turns"][i]["text"] for e, i in places}
    client = [p for p in places if episodes[p[0]]["turns"][p[1]]["speaker"] == "client"]
    therapist = [p for p in places if episodes[p[0]]["turns"][p[1]]["speaker"] == "therapist"]
    kinds = dict(zip(client, labellers["marker"]([text_of[p] for p in client])))
    stances = dict(zip(therapist, labellers["stance"]([text_of[p] for p in therapist])))
    steps = {s: dict(zip(therapist, labellers[s]([text_of[p] for p in therapist]))) for s in STEPS}
    readings = labellers["reading"]([client_text(e) for e in episodes])
    out = []
    for n in range(len(episodes)):
        flags = [(i, kinds[n, i]) for e, i in client if e == n and kinds[n, i] not in (None, "none")]
        first = flags[0][0] if flags else 0
        window = [i for e, i in therapist if e == n and i > first][:3]
        markers = [{"turn": i, "since": i, "kind": k, "tier": "explicit", "quote": ""} for i, k in flags]
        repair = {s: any(steps[s][n, i] == "yes" for i in window) for s in STEPS}
        said = {"markers": markers, "stances": {i: stances[n, i] for i in window}, "kinds": None}
        said["outcome"] = outcome([s for s in said["stances"].values() if s in STANCES])
        said |= {"reading": readings[n], "repair": repair}
        out.append({"episodes": [said] if markers else [], "forced": said})
    return out


def outcome(stances):
    """By the order of what receives and what defends; a baseline knows no finer."""
    if not stances:
        return "unclear"
    if stances[0] == "defends":
        return "explained_first"
    return "mixed" if "defends" in stances else "received_first"


def keyword_labellers():
    def each(lists, otherwise):
        return lambda texts: [keyword(t, lists) or otherwise for t in texts]

    out = {step: (lambda texts, p={"yes": STEP_KEYWORDS[step]}: [keyword(t, p) or "no" for t in texts]) for step in STEPS}
    out |= {"marker": each(KEYWORDS, "none"), "stance": each(REPLY_KEYWORDS, "defends")}
    return out | {"reading": each(READING_KEYWORDS, "not_enough_said")}


def majority_labellers(train):
    examples = examples_of(train)
    most = {task: collections.Counter(label for _, label in pairs).most_common(1)[0][0] for task, pairs in examples.items()}
    out = {task: (lambda texts, label=label: [label] * len(texts)) for task, label in most.items()}
    commonest = collections.Counter(k for _, k in examples["marker"] if k != "none").most_common(1)[0][0]
    return out | {"marker": lambda texts: [commonest] * len(texts)}
