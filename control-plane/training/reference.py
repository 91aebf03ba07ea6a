#!/usr/bin/env python3
"""The same network in PyTorch, to hold Sallyport's trainer against. Needs torch; nothing in the build needs this script.

    reference.py vectors --out control-plane/training/pytorch.json
    reference.py time --csv train.csv --test test.csv [--epochs 10] [--batch-size 32] [--seed 1]

`vectors` writes what `control-plane/src/training/network/tests/parity.rs` reads: a recipe for starting weights and
rows that both sides compute, and the losses of 200 steps of PyTorch from there, dropout off.
`time` trains on one thread and prints seconds of training alone, ROC-AUC and log loss as JSON.
"""

import argparse
import csv
import json
import time

import torch
from torch import nn

LAYERS = [7, 64, 32, 16, 1]


def network(dropout):
    """7 -> 64 -> 32 -> 16 -> 1; the last layer gives log-odds."""
    layers = []
    for inputs, outputs in zip(LAYERS[:-2], LAYERS[1:-1]):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(LAYERS[-2], LAYERS[-1]))


class Hashed:
    """Numbers in [0, 1) that both languages draw alike: a 32-bit linear congruential generator (Numerical Recipes)."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state * 1664525 + 1013904223) % 2 ** 32
        return (self.state >> 8) / 2 ** 24

    def units(self, *shape):
        count = 1
        for size in shape:
            count *= size
        return torch.tensor([self.unit() for _ in range(count)], dtype=torch.float32).reshape(shape)


def vectors(args):
    """Weights are drawn input-major in [-1, 1) / sqrt(inputs), then biases alike; rows, targets and weights per step."""
    torch.set_num_threads(1)
    draw = Hashed(args.seed)
    model = network(0.0)
    dense = [layer for layer in model if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in dense:
            inputs, outputs = layer.in_features, layer.out_features
            layer.weight.copy_((2 * draw.units(inputs, outputs) - 1).T / inputs ** 0.5)
            layer.bias.copy_((2 * draw.units(outputs) - 1) / inputs ** 0.5)
    optimiser = torch.optim.Adam(model.parameters(), lr=args.rate)
    losses = []
    for _ in range(args.steps):
        x = draw.units(args.batch_size, 7)
        noise, weight = draw.units(args.batch_size), 0.5 + draw.units(args.batch_size)
        y = (x[:, 0] * x[:, 1] + x[:, 4] + 0.5 * noise > 1.0).float()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y, weight=weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    rows = draw.units(50, 7)
    with torch.no_grad():
        logits = model(rows)[:, 0].tolist()
    found = {"torch": torch.__version__, "seed": args.seed, "batch_size": args.batch_size, "rate": args.rate,
             "losses": losses, "evaluated": logits}
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(json.dumps(found, indent=1) + "\n")


def rows(path):
    """Features (n, 7) and labels (n,) of a CSV file with a header."""
    with open(path, encoding="utf-8") as file:
        values = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    table = torch.tensor(values, dtype=torch.float32)
    return table[:, :7].contiguous(), table[:, 7].contiguous()


def auc(score, bot):
    """Area under the ROC curve; ties count half."""
    values, place, count = torch.unique(score, return_inverse=True, return_counts=True)
    rank = (torch.cumsum(count, 0) - (count - 1) / 2)[place].double()
    bots, people = bot.sum().item(), (1 - bot).sum().item()
    return ((rank[bot == 1].sum() - bots * (bots + 1) / 2) / (bots * people)).item()


def measure(args):
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    (x, y), (test_x, test_y) = rows(args.csv), rows(args.test)
    model = network(0.3)
    optimiser = torch.optim.Adam(model.parameters(), lr=args.rate)
    loss_of = nn.BCEWithLogitsLoss()
    started = time.perf_counter()
    for _ in range(args.epochs):
        order = torch.randperm(len(x))
        for batch in order.split(args.batch_size):
            optimiser.zero_grad()
            loss_of(model(x[batch])[:, 0], y[batch]).backward()
            optimiser.step()
    seconds = time.perf_counter() - started
    model.eval()
    with torch.no_grad():
        logits = model(test_x)[:, 0]
        log_loss = loss_of(logits, test_y).item()
    print(json.dumps({"torch": torch.__version__, "seconds": seconds, "roc_auc": auc(logits, test_y), "log_loss": log_loss,
                      "epochs": args.epochs, "batch_size": args.batch_size, "rows": len(x)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("vectors", help="write the recorded losses")
    command.add_argument("--out", required=True)
    command.add_argument("--seed", type=int, default=20)
    command.add_argument("--steps", type=int, default=200)
    command.add_argument("--batch-size", type=int, default=32)
    command.add_argument("--rate", type=float, default=0.001)
    command.set_defaults(run=vectors)
    command = commands.add_parser("time", help="train on a CSV file and print JSON")
    command.add_argument("--csv", required=True)
    command.add_argument("--test", required=True)
    command.add_argument("--epochs", type=int, default=10)
    command.add_argument("--batch-size", type=int, default=32)
    command.add_argument("--rate", type=float, default=0.001)
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=measure)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
