#!/usr/bin/env python3
"""Picks browsers.txt from the user agents of three packages (see NOTICE); prints one user agent a line.

    python3 derive_browsers.py user-agents.json devices.txt test_ua.yaml test_device.yaml test_os.yaml > browsers.txt

What says of itself that it is a program (an address to write to, `crawl`, `spider`, …) is no browser. Of the rest all are
taken that a pattern of a crawler list would hit without looking at words, up to 200 of each rare kind, and every so many
of the others.
"""
import json
import re
import sys

PROGRAM = re.compile(
    r"https?:|www\.|@|crawl|spider|scrap|headless|phantomjs|slimerjs|bot\b|bots\b|libwww|curl|python|java/|wget|feed|"
    r"monitor|prefetch|preview|openvas|nutch|larbin|slurp|rss|checker|validator|search engine|archiver|httrack|proxy|"
    r"wordpress/|catchpoint|synapse|vagabondo|zyborg|speedy|genieo|splash version|ms-rtc|phpcrawl|okhttp|facebookexternalhit",
    re.I,
)
BROWSER = re.compile(r"^(Mozilla/|Opera/|HbbTV|SAMSUNG|LG|SonyEricsson|Nokia|UCWEB|BlackBerry|MOT-|Lynx/|w3m/|Links \(|ELinks)")
RARE = [
    r"Instagram", r"FBAN|FB_IAB", r"TikTok|musical_ly|Bytedance", r"MicroMessenger", r" Line/", r"Snapchat", r"Pinterest",
    r"Viber", r"Twitter", r"LinkedIn", r"GSA/", r"Tizen|SMART-TV", r"web0s|webos|NetCast", r"VIERA|Panasonic", r"HbbTV", r"AFT[A-Z]",
    r"BRAVIA", r"PlayStation", r"Nintendo", r"Xbox", r"QtCarBrowser|Tesla", r"PaleMoon", r"Waterfox", r"SeaMonkey",
    r"Iceweasel|IceCat|Basilisk|K-Meleon", r"Opera Mini", r"UCBrowser|UCWEB", r"SamsungBrowser", r"Silk/", r"MiuiBrowser", r"HuaweiBrowser",
    r"YaBrowser", r"Vivaldi", r"Focus/|Klar/", r"DuckDuckGo", r"Puffin", r"QQBrowser", r"CUBOT", r"KaiOS|KAIOS", r"Trident|MSIE",
    r"Edg[A]?/", r"CriOS", r"FxiOS", r"Roku", r"Kindle", r"Konqueror|Epiphany|Falkon|Midori", r"Lynx|w3m|Links", r"Camino|Galeon", r"sogou",
    r"fever|butterfly|blackboard|fluid|wired|robot",
]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as source:
        if path.endswith(".json"):
            return {entry["userAgent"] for entry in json.load(source)}
        if path.endswith(".txt"):
            return {line.strip() for line in source}
        import yaml

        return {case["user_agent_string"].strip() for case in yaml.load(source, Loader=yaml.CSafeLoader)["test_cases"]}


def main(recent, *others):
    everything = set().union(*map(read, others)) | read(recent)
    clean = sorted(
        text for text in everything
        if BROWSER.match(text) and not PROGRAM.search(text) and text.isprintable() and text.isascii() and len(text) <= 300
    )
    picked = read(recent) & set(clean)
    for kind in RARE:
        hits = [text for text in clean if re.search(kind, text, re.I)]
        picked.update(hits[:: max(1, len(hits) // 120)][:150])
    rest = [text for text in clean if text not in picked]
    picked.update(rest[:: max(1, len(rest) // 1_400)])
    print(*sorted(picked), sep="\n")


main(*sys.argv[1:])
