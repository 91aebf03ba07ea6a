#!/usr/bin/env python3
"""Trains the network's weights from labelled access logs. Needs Python 3.9 and numpy, nothing else.

    sallyport replay site.log --json > site.jsonl
    train.py --site site.jsonl site-labels.tsv [--site ...] --out weights.bin

A site is what `sallyport replay --json` wrote and a tab-separated file of labels (a header `line label ...`, then
`bot`, `human` or anything else for unknown). With two sites or more it first trains on all but one and tests on that
one, for each in turn: what a model does on a site it has never seen is the only honest figure. The same input and
seed give the same weights, byte for byte, on the same numpy.

The network is 7 -> 64 -> 32 -> 16 -> 1 with batch normalisation, ReLU and dropout 0.3, trained by Adam on binary
cross-entropy. All weights and batch-norm scales are kept at 0 or above, so no feature that looks more like a bot
can ever lower the score. Batch norm is folded into the weights that are written (`core/src/model.rs` reads them).
"""

import argparse
import json
import struct
import sys

import numpy as np

FEATURES = ["request_rate", "user_agent", "endpoint_pattern", "timing_regularity", "request_entropy",
            "failed_login_rate", "burst"]
RATE, AGENT, ENDPOINT, TIMING, ENTROPY, LOGINS, BURST = range(7)
LAYERS = [7, 64, 32, 16, 1]
FEATURE_VERSION = 2
DROPOUT = 0.3
EPSILON = 1e-5
# Share of the training rows whose user agent is made to look like a browser's, so that behaviour carries weight.
MASKED = 0.5
# How much more a person counts than a bot: refusing people is the worse mistake.
PERSON_WEIGHT = 4.0
# Share of the total weight that goes to the rows of `prior`.
PRIOR_WEIGHT = 0.1
# Share of each batch that is taught by the linear model instead of by labels (see `scattered`).
TAUGHT = 0.4
# Batch norm's shift at the start: units begin in their linear range and learn where to bend.
SHIFT = 2.0


class Site:
    """Feature rows of one log: x (n, 7), y (n,) 1 for bots, client (n,) numbers from 0, weight (n,)."""

    def __init__(self, decisions, labels, column):
        names, *rows = (line.rstrip("\n").split("\t") for line in open(labels, encoding="utf-8"))
        if column not in names:
            sys.exit(f"{labels}: no column `{column}`, it has {', '.join(names[1:])}")
        at = names.index(column)
        known = {int(row[0]): row[at] == "bot" for row in rows if row[at] in ("bot", "human")}
        x, y, clients = [], [], []
        for line in open(decisions, encoding="utf-8"):
            row = json.loads(line)
            if row["line"] in known:
                x.append(row["features"])
                y.append(known[row["line"]])
                clients.append(row["client"])
        if not 0 < sum(y) < len(y):
            sys.exit(f"{labels}: needs both bots and people among the lines of {decisions}")
        self.name = decisions
        self.x = np.array(x, dtype=np.float64)
        self.y = np.array(y, dtype=np.float64)
        _, self.client = np.unique(clients, return_inverse=True)
        self.weight = self.weights()

    def weights(self):
        """A client's rows count as the square root of their number; both classes, then, PERSON_WEIGHT to 1."""
        weight = np.bincount(self.client)[self.client] ** -0.5
        bots = self.y == 1
        weight[bots] /= weight[bots].sum()
        weight[~bots] *= PERSON_WEIGHT / weight[~bots].sum()
        return weight

    def per_client(self, score):
        """The mean score of each client, and whether it is a bot."""
        count = np.bincount(self.client)
        return np.bincount(self.client, score) / count, np.bincount(self.client, self.y) / count > 0.5


def prior(people, rng, count):
    """What the access log of a harmless site hardly shows, made from rows of people:

    0  stuffing: nearly nothing but failed logins          a bot      a sixth
    1  burst: many pages at once and without a pause       a bot      a sixth
    2  scan: nearly nothing but errors and probes          a bot      a sixth
    3  mistyping: a login tried two or three times         a person   half

    Without them the weights of features that are nearly always 0 in training would stay random.
    """
    x = people[rng.integers(len(people), size=count)].copy()
    kind = np.minimum(rng.integers(6, size=count), 3)

    def put(which, feature, low, high):
        rows = kind == which
        x[rows, feature] = rng.uniform(low, high, rows.sum())

    put(0, LOGINS, 0.8, 0.98)
    put(0, ENDPOINT, 0.6, 0.95)
    put(0, ENTROPY, 0.8, 1.0)
    put(0, RATE, 0.2, 0.8)
    put(1, BURST, 0.6, 0.95)
    put(1, RATE, 0.5, 0.95)
    put(1, TIMING, 0.6, 1.0)
    put(2, ENDPOINT, 0.93, 1.0)
    put(2, ENTROPY, 0.4, 0.9)
    put(2, RATE, 0.1, 0.6)
    put(3, LOGINS, 0.25, 0.65)
    put(3, ENDPOINT, 0.3, 0.8)
    put(3, ENTROPY, 0.5, 1.0)
    put(3, RATE, 0.1, 0.3)
    return x, (kind != 3).astype(np.float64)


def linear(x, y, weight, steps=3000, decay=1e-3):
    """Logistic regression with coefficients of at least 0: (coefficients (k,), intercept). x is (n, k)."""
    columns = x.shape[1]
    theta, first, second = np.append(np.ones(columns), 0.0), np.zeros(columns + 1), np.zeros(columns + 1)
    x = np.column_stack([x, np.ones(len(x))])
    for step in range(1, steps + 1):
        gradient = x.T @ (weight * (1.0 / (1.0 + np.exp(-x @ theta)) - y))
        gradient[:-1] += decay * theta[:-1]
        first += 0.1 * (gradient - first)
        second += 0.001 * (np.square(gradient) - second)
        theta -= 0.02 * first / (1 - 0.9 ** step) / (np.sqrt(second / (1 - 0.999 ** step)) + 1e-9)
        np.maximum(theta[:-1], 0.0, out=theta[:-1])
    return theta[:-1], theta[-1]


def scattered(rows, rng):
    """Points around the rows, over the whole range of every feature. Without them a network that may only rise
    learns a floor: all its units are dead below the usual values, and everything quiet scores the same."""
    stretched = rows * rng.uniform(0.0, 1.8, rows.shape) + rng.uniform(0.0, 0.15, rows.shape)
    return np.clip(stretched, 0.0, 1.0)


class Network:
    """The network with its optimiser's state. Shapes: weights (in, out), everything else (out,)."""

    def __init__(self, rng):
        self.rng = rng
        self.parameters, self.running = [], []
        for inputs, outputs in zip(LAYERS, LAYERS[1:]):
            self.parameters.append({
                "w": np.abs(rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, outputs))),
                "b": np.zeros(outputs), "g": np.ones(outputs), "s": np.full(outputs, SHIFT),
            })
            self.running.append({"mean": np.zeros(outputs), "var": np.ones(outputs)})
        self.moments = [{k: [np.zeros_like(v), np.zeros_like(v)] for k, v in p.items()} for p in self.parameters]
        self.step = 0

    def forward(self, x):
        """The logits (n,) of a training batch, and what the way back needs."""
        kept = []
        for index, (p, running) in enumerate(zip(self.parameters, self.running)):
            z = x @ p["w"] + p["b"]
            if index == len(self.parameters) - 1:
                kept.append((x,))
                return z[:, 0], kept
            mean, var = z.mean(0), z.var(0)
            running["mean"] += 0.1 * (mean - running["mean"])
            running["var"] += 0.1 * (var - running["var"])
            deviation = np.sqrt(var + EPSILON)
            normal = (z - mean) / deviation
            out = normal * p["g"] + p["s"]
            gate = (out > 0) * (self.rng.random(out.shape) >= DROPOUT) / (1.0 - DROPOUT)
            kept.append((x, normal, deviation, gate))
            x = out * gate

    def backward(self, error, kept):
        """Gradients of all parameters from the error (n,) at the logits."""
        gradients = [None] * len(kept)
        error = error[:, None]
        for index in reversed(range(len(kept))):
            p, held = self.parameters[index], kept[index]
            gradient = {"g": 0.0, "s": 0.0}
            if len(held) > 1:
                _, normal, deviation, gate = held
                error = error * gate
                gradient["g"], gradient["s"] = (error * normal).sum(0), error.sum(0)
                error = error * p["g"]
                error = (error - error.mean(0) - normal * (error * normal).mean(0)) / deviation
            gradient["w"], gradient["b"] = held[0].T @ error, error.sum(0)
            gradients[index] = gradient
            error = error @ p["w"].T
        return gradients

    def update(self, gradients, rate):
        """One step of Adam, then back to weights and scales of at least 0."""
        self.step += 1
        for p, gradient, moments in zip(self.parameters, gradients, self.moments):
            for key, value in p.items():
                first, second = moments[key]
                first += 0.1 * (gradient[key] - first)
                second += 0.001 * (np.square(gradient[key]) - second)
                unbiased = first / (1 - 0.9 ** self.step), second / (1 - 0.999 ** self.step)
                value -= rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
                if key in ("w", "g"):
                    np.maximum(value, 0.0, out=value)

    def folded(self):
        """Weights and biases per layer with batch norm folded in, float32."""
        layers = []
        for index, (p, running) in enumerate(zip(self.parameters, self.running)):
            w, b = p["w"], p["b"]
            if index < len(self.parameters) - 1:
                scale = p["g"] / np.sqrt(running["var"] + EPSILON)
                w, b = w * scale, (b - running["mean"]) * scale + p["s"]
            layers.append((w.astype(np.float32), b.astype(np.float32)))
        return layers


def train(sites, seed, epochs, batch, rate):
    """The folded layers of a network trained on these sites."""
    rng = np.random.default_rng(seed)
    x, y = np.concatenate([s.x for s in sites]), np.concatenate([s.y for s in sites])
    weight = np.concatenate([s.weight / s.weight.sum() for s in sites])
    extra_x, extra_y = prior(x[y == 0], rng, len(x) // 5)
    x, y = np.concatenate([x, extra_x]), np.concatenate([y, extra_y])
    weight = np.concatenate([weight / weight.sum() * (1 - PRIOR_WEIGHT),
                             np.full(len(extra_x), PRIOR_WEIGHT / len(extra_x))])
    masked = x.copy()
    masked[:, AGENT] = 0.0
    every = (np.concatenate([x, masked]), np.concatenate([y, y]),
             np.concatenate([weight * (1 - MASKED), weight * MASKED]))
    # The simplest model carries over best to sites never seen: it teaches what lies between and beyond the rows.
    teacher = linear(*every)
    network = Network(rng)
    steps, taught = max(1, len(x) // batch), int(batch * TAUGHT)
    for step in range(epochs * steps):
        # Drawing rows by their weight keeps the gradients even.
        rows = rng.choice(len(x), size=batch, p=weight)
        xs, ys = x[rows], y[rows]
        xs[rng.random(batch) < MASKED, AGENT] = 0.0
        xs[:taught] = scattered(xs[:taught], rng)
        ys[:taught] = 1.0 / (1.0 + np.exp(-(xs[:taught] @ teacher[0] + teacher[1])))
        logits, kept = network.forward(xs)
        error = (1.0 / (1.0 + np.exp(-logits)) - ys) / batch
        progress = step / (epochs * steps)
        network.update(network.backward(error, kept), rate * 0.5 * (1.0 + np.cos(np.pi * progress)))
    layers = network.folded()
    # Dropout in a network without negative weights makes it timid: its log-odds are stretched to fit the labels.
    slope, shift = linear(infer(layers, every[0])[:, None], *every[1:])
    layers[-1] = ((layers[-1][0] * slope).astype(np.float32), (layers[-1][1] * slope + shift).astype(np.float32))
    return layers


def infer(layers, x):
    """Logits (n,) as core computes them."""
    x = x.astype(np.float32)
    for w, b in layers[:-1]:
        x = np.maximum(x @ w + b, 0.0)
    return np.clip((x @ layers[-1][0] + layers[-1][1])[:, 0], -8.0, 8.0)


def encode(layers):
    """The binary form that core reads: `SPNN`, feature version, zero, then per layer weights and biases."""
    values = np.concatenate([np.concatenate([w.ravel(), b]) for w, b in layers])
    return struct.pack("<4sHH", b"SPNN", FEATURE_VERSION, 0) + values.astype("<f4").tobytes()


def auc(score, bot):
    """Area under the ROC curve; ties count half."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    bots, people = bot.sum(), (~bot).sum()
    return (rank[bot].sum() - bots * (bots + 1) / 2.0) / (bots * people)


def report(layers, site):
    """ROC-AUC per request, per client by its mean score, and per client of six requests or more; with the user agent
    as it is, and with every client claiming a browser."""
    cells = []
    for label, claim in (("as it is", 1.0), ("masked", 0.0)):
        x = site.x.copy()
        x[:, AGENT] *= claim
        logits = infer(layers, x)
        score, bot = site.per_client(1.0 / (1.0 + np.exp(-logits)))
        longer = np.bincount(site.client) >= 6
        cells.append(f"user agent {label}: {auc(logits, site.y == 1):.3f} requests, {auc(score, bot):.3f} clients, "
                     f"{auc(score[longer], bot[longer]):.3f} longer")
    return "; ".join(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--site", nargs=2, action="append", required=True, metavar=("DECISIONS", "LABELS"))
    parser.add_argument("--column", default="label", help="the column of labels (default: label)")
    parser.add_argument("--out", help="where to write the weights trained on all sites")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.003, help="Adam's rate at the start; falls along a cosine")
    args = parser.parse_args()
    sites = [Site(*paths, args.column) for paths in args.site]
    settings = (args.seed, args.epochs, args.batch, args.rate)
    for held_out in sites if len(sites) > 1 else []:
        layers = train([site for site in sites if site is not held_out], *settings)
        print(f"never seen {held_out.name}: {report(layers, held_out)}")
    layers = train(sites, *settings)
    for site in sites:
        print(f"trained on {site.name}: {report(layers, site)}")
    if args.out:
        with open(args.out, "wb") as file:
            file.write(encode(layers))


if __name__ == "__main__":
    main()
