#!/usr/bin/env python3
"""Derives browsers.txt from the npm packages user-agents (BSD-2-Clause) and header-generator (Apache-2.0).

    npm pack user-agents@2.1.198 header-generator@2.1.88 && for p in *.tgz; do tar xzf $p --one-top-level; done
    python3 derive_browsers.py user-agents-*/package header-generator-*/package > browsers.txt

user-agents tells which user agents visit sites, and how often. Many of them are not people's: browser tools that
emulate a phone send a handful of known devices with versions of Chrome from 40 to 60 and made-up build numbers.
Those become a section of their own, for bots to wear. A weight is the package's share to the power of 0.6, since
the shares are those of one network of sites; its sum has no meaning. header-generator tells which Accept,
Accept-Encoding and Sec-CH-UA go with a browser.
"""
import collections
import json
import re
import sys
import zipfile

MOST_PEOPLE = 240
MOST_EMULATED = 24
EMULATED = re.compile(r"Chrome/[3-6]\d\.")
MISSING = "*MISSING_VALUE*"


def family(agent):
    """Whose engine it is; None for none of the big three."""
    if "Firefox/" in agent and "Seamonkey" not in agent:
        return "firefox"
    if "Chrome/" in agent:
        return "chromium"
    return "safari" if "AppleWebKit" in agent else None


def visitors(package):
    """(weight, device, user agent), the most frequent first, and the emulated ones."""
    shares, devices = collections.Counter(), {}
    for row in json.load(open(f"{package}/dist/user-agents.json", encoding="utf-8")):
        shares[row["userAgent"]] += row["weight"]
        devices[row["userAgent"]] = "desktop" if row["deviceCategory"] == "desktop" else "mobile"
    ranked = sorted(shares, key=lambda agent: (-shares[agent], agent))
    emulated = [agent for agent in ranked if EMULATED.search(agent)]
    people = [agent for agent in ranked if not EMULATED.search(agent) and family(agent)]
    rows = [(max(1, round(1000 * shares[agent] ** 0.6)), devices[agent], agent) for agent in people]
    firefox = [row for row in rows if family(row[2]) == "firefox"]
    rest = [row for row in rows if family(row[2]) != "firefox"]
    return rest[: MOST_PEOPLE - len(firefox)] + firefox, emulated[:MOST_EMULATED]


def headers(package):
    """Accept and Accept-Encoding of each family, and Sec-CH-UA by brand and version: the likeliest of each."""
    with zipfile.ZipFile(f"{package}/data_files/header-network-definition.zip") as archive:
        network = json.loads(archive.read(archive.namelist()[0]))
    nodes = {node["name"]: node["conditionalProbabilities"] for node in network["nodes"]}
    counted = {name: collections.defaultdict(collections.Counter) for name in ("accept", "accept-encoding")}
    for name, by_family in counted.items():
        for agent, values in nodes[name]["deeper"].items():
            for value, share in values.items():
                if family(agent) and value != MISSING:
                    by_family[family(agent)][value] += share
    likeliest = {name: {kind: values.most_common(1)[0][0] for kind, values in by_family.items()}
                 for name, by_family in counted.items()}
    spelled = {}
    for value in next(node for node in network["nodes"] if node["name"] == "sec-ch-ua")["possibleValues"]:
        found = re.search(r'"(Google Chrome|Microsoft Edge)";v="(\d+)"', value)
        if found:
            spelled.setdefault((found[1], int(found[2])), value)
    return likeliest, spelled


def main():
    people, emulated = visitors(sys.argv[1])
    likeliest, hints = headers(sys.argv[2])
    print("# Derived from user-agents 2.1.198 (BSD-2-Clause) and header-generator 2.1.88 (Apache-2.0), see NOTICE, by")
    print("# derive_browsers.py. Tab-separated.")
    print("[headers]")
    for kind in ("chromium", "firefox", "safari"):
        print(kind, likeliest["accept"][kind], likeliest["accept-encoding"][kind], sep="\t")
    print("[hints]")
    for (brand, version), value in sorted(hints.items()):
        print(brand, version, value, sep="\t")
    print("[people]")
    for row in people:
        print(*row, sep="\t")
    print("[emulated]")
    print(*emulated, sep="\n")


if __name__ == "__main__":
    main()
