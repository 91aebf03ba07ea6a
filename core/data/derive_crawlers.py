#!/usr/bin/env python3
"""Derives crawlers.txt from the npm package crawler-user-agents (MIT).

    npm pack crawler-user-agents@1.60.0 && tar xzf crawler-user-agents-1.60.0.tgz
    python3 derive_crawlers.py package/crawler-user-agents.json > crawlers.txt

The package's patterns are regular expressions, nearly all of them plain text. The judge matches plain text
only (one pass of Aho-Corasick, ASCII case folded), so each pattern becomes one or more literals: `^` stays,
letter classes that only vary the case fold away, alternatives are spelled out, and a gap keeps its longest part.
"""
import itertools
import json
import os
import re
import sys
from re import _parser as parser

ANCHOR = "^"
SHORTEST = 3


def literals(tokens):
    """All literal spellings of a parsed pattern; a list of parts is cut at whatever is not a literal."""
    spellings = [""]
    for op, value in tokens:
        name = str(op)
        if name == "LITERAL":
            choices = [chr(value)]
        elif name == "AT" and str(value) == "AT_BEGINNING":
            choices = [ANCHOR]
        elif name == "IN" and len({chr(v).lower() for o, v in value if str(o) == "LITERAL"}) == 1:
            choices = [chr(value[0][1])]
        elif name == "SUBPATTERN":
            choices = literals(value[3])
        elif name == "BRANCH":
            choices = [c for branch in value[1] for c in literals(branch)]
        else:
            choices = ["\0"]  # a gap
        spellings = [a + b for a, b in itertools.product(spellings, choices)]
    return spellings


def generic():
    """The parts that tools.txt finds anywhere: what holds one of them needs no line of its own."""
    with open(os.path.join(os.path.dirname(__file__), "tools.txt"), encoding="utf-8") as source:
        lines = (line.strip() for line in source)
        return [line for line in lines if line and line[0] not in "#[^"]


def main(path):
    tags = {}
    with open(path, encoding="utf-8") as source:
        crawlers = json.load(source)
    for crawler in crawlers:
        tag = (crawler.get("tags") or ["other"])[0]
        for spelling in literals(parser.parse(crawler["pattern"])):
            part = max(spelling.lower().split("\0"), key=len)
            if len(part.strip(ANCHOR + " ")) >= SHORTEST and re.fullmatch(r"[\x20-\x7e]+", part):
                tags.setdefault(part, tag)
    anywhere = generic() + [part for part in tags if not part.startswith(ANCHOR)]
    needed = [p for p in tags if not any(o in p for o in anywhere if o != p) and p not in generic()]
    print("# Derived from crawler-user-agents 1.60.0 (MIT, see NOTICE) by derive_crawlers.py: literals by [tag]; `^` anchors.")
    for tag in sorted(set(tags.values())):
        print(f"[{tag}]", *sorted(part for part in needed if tags[part] == tag), sep="\n")


main(sys.argv[1])
