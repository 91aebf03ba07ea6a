#!/usr/bin/env python3
"""Derives crawlers.txt from the npm package crawler-user-agents (MIT).

    npm pack crawler-user-agents@1.60.0 && tar xzf crawler-user-agents-1.60.0.tgz
    python3 derive_crawlers.py package/crawler-user-agents.json ../tests/data/browsers*.txt > crawlers.txt

The package's patterns are regular expressions, nearly all of them plain text. The judge looks for plain text only, so
each pattern becomes one or more literals as agents.txt writes them: `^` stays, letter classes that only vary the case
fold away, alternatives are spelled out, and a gap keeps its longest part. A literal is a word, unless one of the
package's own examples of the pattern goes on beside it. What hits a browser even so is dropped, and told on stderr.
"""
import itertools
import json
import os
import re
import sys
from re import _parser as parser

SHORTEST = 3
CATEGORIES = {
    "search-engine": "search", "ai-crawler": "ai_training", "feed-reader": "feed", "seo": "seo", "monitoring": "monitoring",
    "social-preview": "preview", "archiver": "archive", "scanner": "scanner", "http-library": "library",
    "browser-automation": "tool",
}


def spellings(tokens):
    """All literal spellings of a parsed pattern; a list of parts is cut at whatever is not a literal."""
    found = [""]
    for op, value in tokens:
        name = str(op)
        if name == "LITERAL":
            choices = [chr(value)]
        elif name == "AT" and str(value) == "AT_BEGINNING":
            choices = ["^"]
        elif name == "IN" and len({chr(v).lower() for o, v in value if str(o) == "LITERAL"}) == 1:
            choices = [chr(value[0][1])]
        elif name == "SUBPATTERN":
            choices = spellings(value[3])
        elif name == "BRANCH":
            choices = [c for branch in value[1] for c in spellings(branch)]
        else:
            choices = ["\0"]  # a gap
        found = [a + b for a, b in itertools.product(found, choices)]
    return found


def is_word(character):
    return character.isalnum() and character.isascii()


def hits(literal, text):
    """Whether a literal, as agents.txt writes it, is found in a lowercased text: as core/src/agents/table.rs finds it."""
    at_start, open_left, open_right = literal[0] == "^", literal[0] == "*", literal[-1] == "*"
    plain = literal[at_start or open_left : len(literal) - open_right]
    at = text.find(plain)
    while at >= 0 and not (at_start and at > 0):
        end = at + len(plain)
        left = open_left or at == 0 or not is_word(plain[0]) or not is_word(text[at - 1])
        right = open_right or end == len(text) or not is_word(plain[-1]) or not is_word(text[end])
        if left and right:
            return True
        at = text.find(plain, at + 1)
    return False


def lines(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), encoding="utf-8") as source:
        yield from (line.rstrip("\n") for line in source)


def by_hand():
    """The literals of agents.txt, with the category that each is of."""
    category = None
    for line in lines("agents.txt"):
        if line.startswith("["):
            category = line[1:-1]
        elif line and not line.startswith("#"):
            yield line.split("\t")[0], category


def as_words(part, examples):
    """The literal with the ends open that the examples need open: of those found, as many as can be."""
    ends = [part, part + "*", *([] if part[0] == "^" else ["*" + part, "*" + part + "*"])]
    return max(ends, key=lambda literal: (sum(hits(literal, text) for text in examples), -literal.count("*")))


def main(path, *browser_files):
    browsers = set()
    for name in browser_files:
        with open(name, encoding="utf-8") as source:
            browsers |= {line.strip().lower() for line in source if line.strip() and line[0] != "#"}
    everything = "\n".join(sorted(browsers))
    with open(path, encoding="utf-8") as source:
        crawlers = json.load(source)
    known, found = list(by_hand()), {}
    people = [literal for literal, category in known if category in ("person", "text_browser", "app")]
    generic = [literal for literal, category in known if literal[0] == "*"]
    for crawler in crawlers:
        category = CATEGORIES.get((crawler.get("tags") or ["other"])[0], "other")
        examples = [text.lower() for text in crawler["instances"]]
        for spelling in spellings(parser.parse(crawler["pattern"])):
            part = max(spelling.lower().split("\0"), key=len)
            if len(part.strip("^ ")) < SHORTEST or not re.fullmatch(r"[\x20-\x7e]+", part):
                continue
            literal = as_words(part, examples)
            plain = literal.strip("^*")
            for narrower in dict.fromkeys((literal, literal.strip("*"))):
                hit = plain in everything and [text for text in browsers if hits(narrower, text)
                    and not any(hits(person, text) and len(person) > len(plain) for person in people)]
                if not hit:
                    break
                print(f"drops {narrower!r}: {hit[0]}", file=sys.stderr)
            else:
                continue
            is_known = any(other.strip("^*") == plain for other, _ in known)
            needed = category != "other" or not any(other.strip("*") in plain for other in generic)
            if needed and not is_known:
                found.setdefault(narrower, category)
    shorter = sorted(found, key=len)
    def is_covered(literal):
        covers = lambda other: found[other] == found[literal] and "*" + other.strip("*") + "*" == other and other.strip("*") in literal
        return any(covers(other) for other in shorter if other != literal)
    print("# Derived from crawler-user-agents 1.60.0 (MIT, see NOTICE) by derive_crawlers.py; written as agents.txt is.")
    for category in sorted(set(found.values())):
        print(f"[{category}]", *sorted(l for l in found if found[l] == category and not is_covered(l)), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
