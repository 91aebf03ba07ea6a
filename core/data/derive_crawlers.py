#!/usr/bin/env python3
"""Derives crawlers.tsv from the npm package crawler-user-agents (MIT).

    npm pack crawler-user-agents@1.60.0 && tar xzf crawler-user-agents-1.60.0.tgz
    python3 derive_crawlers.py package/crawler-user-agents.json > crawlers.tsv

The package's patterns are regular expressions, nearly all of them plain text. The judge matches plain text
only (one pass of Aho-Corasick, ASCII case folded), so each pattern becomes one or more literals: `^` stays,
letter classes that only vary the case fold away, alternatives are spelled out, and a gap keeps its longest part.
"""
import itertools
import json
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


def main(path):
    rows = {}
    with open(path, encoding="utf-8") as source:
        crawlers = json.load(source)
    for crawler in crawlers:
        tag = (crawler.get("tags") or ["other"])[0]
        for spelling in literals(parser.parse(crawler["pattern"])):
            part = max(spelling.lower().split("\0"), key=len)
            if len(part.strip(ANCHOR + " ")) >= SHORTEST and re.fullmatch(r"[\x20-\x7e]+", part):
                rows.setdefault(part, tag)
    print("# Derived from crawler-user-agents 1.60.0 (MIT, see NOTICE) by derive_crawlers.py: literal, tag; `^` anchors.")
    for part in sorted(rows):
        print(f"{part}\t{rows[part]}")


main(sys.argv[1])
