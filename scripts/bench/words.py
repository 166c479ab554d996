"""How written words are compared: both sides of a comparison go through the same rules.

Lower case; punctuation and hyphens dropped; numbers, Mr, Mrs, Dr and % written as words; contractions
written out where there is one reading (it's: it is, don't: do not; a possessive stays); okay is ok,
gonna is going to; colour and its kind spelled color. The sounds uh, um, er, ah, hm, mm, mm-hm and uh-huh
are left out of both, since references disagree on them; yeah and no are words.
"""

import re
import unicodedata

FILLERS = re.compile(r"u+(h+m*|m+)|er+m*|a+h+|h+m+|m{2,}|m+-?h+m+|uh+-?h+u+[hm]+")
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
WHOLE = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "okay": "ok", "gonna": "going to",
    "wanna": "want to", "gotta": "got to", "cannot": "can not", "can't": "can not",
    "won't": "will not", "shan't": "shall not", "let's": "let us", "cos": "because",
    "'cause": "because", "grey": "gray", "alright": "all right",
}  # fmt: skip
IS_AFTER = {"it", "he", "she", "that", "what", "there", "here", "who", "where", "how", "when", "this"}
ENDINGS = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will", "'m": "am"}
BRITISH = re.compile(r"\b(col|fav|hon|lab|neighb|harb|hum|rum|endeav|behavi|splend)our")


def number_words(value):
    """A whole number under a million million in words, without "and"."""
    if value < 20:
        return [ONES[value]]
    if value < 100:
        return [TENS[value // 10]] + (number_words(value % 10) if value % 10 else [])
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if value >= size:
            rest = number_words(value % size) if value % size else []
            return number_words(value // size) + [name] + rest
    raise AssertionError(value)


def spoken_number(text, counted):
    """Digits as a reader says them: 1864 as a year unless `counted`, 3.5 with "point", 21st."""
    match = re.fullmatch(r"(\d{1,12})(?:\.(\d+))?(st|nd|rd|th|s)?", text)
    if not match:
        return [text]
    whole, fraction, ending = match.groups()
    value = int(whole)
    if not counted and len(whole) == 4 and 1100 <= value <= 1999 and not fraction:
        late = value % 100
        low = ["hundred"] if late == 0 else (["oh"] if late < 10 else []) + number_words(late)
        words = number_words(value // 100) + low
    else:
        words = number_words(value)
    if fraction:
        words += ["point"] + [ONES[int(digit)] for digit in fraction]
    if ending == "s":
        words[-1] = words[-1][:-1] + "ies" if words[-1].endswith("y") else words[-1] + "s"
    elif ending:
        last = words[-1]
        words[-1] = ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return words


def normalise(token):
    """One written word as the list of words it is compared as; empty for fillers and punctuation."""
    token = unicodedata.normalize("NFKC", token).lower().replace("’", "'").replace("‘", "'")
    if FILLERS.fullmatch(re.sub(r"[^a-z-]", "", token).strip("-")):
        return []
    token, commas = re.subn(r"(?<=\d),(?=\d{3})", "", token)  # a comma or dollars: no year
    counted = commas > 0 or "$" in token
    token = token.replace("%", " percent ").replace("&", " and ")
    token = re.sub(r"\$(\d+)", r"\1 dollars ", token)
    token = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w\s'.]|_", " ", token)
    words = []
    for part in token.split():
        for word in (WHOLE.get(part) or WHOLE.get(part.strip("'")) or part.strip("'")).split():
            for ending, full in ENDINGS.items():
                if word.endswith(ending) and len(word) > len(ending):
                    words += [word[: -len(ending)], full]
                    break
            else:
                if word.endswith("'s") and word[:-2] in IS_AFTER:
                    words += [word[:-2], "is"]
                elif word[0].isdigit():
                    words += spoken_number(word, counted)
                elif not FILLERS.fullmatch(word):
                    words.append(BRITISH.sub(r"\1or", word))
    return words


def spread(text, start, end):
    """The words of a text as (word, time) with times estimated by letters, in seconds."""
    tokens = text.split()
    letters = sum(len(token) + 1 for token in tokens) or 1
    words, passed = [], 0
    for token in tokens:
        middle = start + (end - start) * (passed + (len(token) + 1) / 2) / letters
        passed += len(token) + 1
        words += [(word, middle) for word in normalise(token)]
    return words


def is_filler(token):
    """Whether a written word is one of the sounds that are left out."""
    return bool(FILLERS.fullmatch(re.sub(r"[^a-z-]", "", token.lower()).strip("-")))
