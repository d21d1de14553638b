"""What each key of a suite means, with an example that works: the words of docs/reference.md."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    meaning: str
    example: str


# Of the tables that describe data, docs/data.md explains the keys: `[tasks.x]` is not here.
SUITE = {
    "name": Key("of the suite; part of the run's folder name", 'name = "mine"'),
    "summary": Key("one line for `levelfield list suites` and the report", 'summary = "My flowers"'),
    "baseline": Key("the adapter that all others are compared with", 'baseline = "jax-grad"'),
    "study": Key("the question that the learning launches answer together; the report draws it", 'study = "capacity"'),
    "seed": Key("the first seed of launches, and that of their order", "seed = 1"),
    "budget": Key("time for speed launches; `blocks` is then the most that are made", 'budget = "4m"'),
    "time-limit": Key("seconds that a launch may take before it fails", "time-limit = 900"),
    "memory-limit": Key("what a launch may add to its parent's memory before it fails", 'memory-limit = "4GB"'),
    "peaks": Key("measure the device's peak first, about 10 s; without it, no share of the peak", "peaks = false"),
    "environments": Key(
        "interpreters and variables to compare, by name; see below", '[environments]\nolder = "old/bin/python"'
    ),
    "tasks": Key("your own data, by name; [keys](data.md#the-keys)", '[tasks.mine]\nfile = "mine.csv"\nlabel = "y"'),
    "models": Key("networks, by name; see below", "[models.wide]\nhidden = [512]"),
    "recipes": Key("ways to train, by name; see below", "[recipes.slow]\nlearning-rate = 0.001"),
    "speed": Key("launches that are timed; see below", '[[speed]]\ntask = "iris"\nmodel = "m"\nrecipe = "r"'),
    "learning": Key("launches that are evaluated; see below", '[[learning]]\ntask = "iris"\nmodel = "m"\nrecipe = "r"'),
}

ENVIRONMENT = {
    "python": Key(
        "the interpreter, relative to the suite; by default the one that runs levelfield", 'python = "old/bin/python"'
    ),
    "env": Key("variables of its launches; `default` may be given some, too", 'env = { OMP_PROC_BIND = "true" }'),
}

MODEL = {
    "hidden": Key("widths of the hidden layers; an empty list is a single-layer network", "hidden = [64, 32]"),
    "activation": Key("of the hidden layers", 'activation = "tanh"'),
    "dropout": Key("share of hidden units dropped in training", "dropout = 0.5"),
    "l2": Key("`l2` · Σ kernel² is added to the loss", "l2 = 0.002"),
}

RECIPE = {
    "optimizer": Key("its formula is in `tasks/recipe.py`", 'optimizer = "adam"'),
    "learning-rate": Key("η", "learning-rate = 0.01"),
    "momentum": Key("μ of `momentum` and `nesterov`", "momentum = 0.9"),
    "beta1": Key("of `adam` and `adamw`", "beta1 = 0.9"),
    "beta2": Key("of `adam` and `adamw`", "beta2 = 0.999"),
    "epsilon": Key("of `adam` and `adamw`, added after the bias correction", "epsilon = 1e-8"),
    "weight-decay": Key("of `adamw`, decoupled", "weight-decay = 0.01"),
    "batch-size": Key("samples of a step", "batch-size = 64"),
    "epochs": Key("passes over the training split; of a speed launch, `seconds` decides", "epochs = 50"),
    "early-stopping": Key(
        "a table with the keys below; without it, all epochs are trained", "early-stopping = { patience = 3 }"
    ),
}

EARLY_STOPPING = {
    "patience": Key("evaluations in a row without a better validation loss", "patience = 3"),
    "min-delta": Key("how much lower counts as better", "min-delta = 0.001"),
    "restore-best": Key("go back to the best snapshot at the end", "restore-best = false"),
}

PART = {
    "task": Key("what is learnt; one or a list", 'task = ["iris", "digits"]'),
    "model": Key("names of `[models]`; one or a list", 'model = "m"'),
    "recipe": Key("names of `[recipes]`; one or a list", 'recipe = "r"'),
    "adapters": Key("names; `*` alone means all", 'adapters = ["torch-nn", "jax-grad"]'),
    "environments": Key("names of `[environments]`, and `default`", 'environments = ["default", "older"]'),
    "modes": Key(
        "`all` usual modes, the first of each adapter, those of `guides` with the first, or names",
        'modes = ["eager", "jit"]',
    ),
    "track": Key("like for like, or each framework's own defaults", 'track = ["matched", "idiomatic"]'),
    "device": Key("`cpu`, `gpu:N` or `tpu:N`", 'device = "gpu:0"'),
    "precision": Key("of matrix products; `float64` in `[[learning]]` only", 'precision = ["float32", "bfloat16"]'),
    "replicas": Key("devices or ranks that share each batch", "replicas = [1, 2]"),
    "replication": Key("how several are made: devices of one process, or processes", 'replication = "ranks"'),
}

SPEED = {
    "blocks": Key("how often each cell is launched; with a budget, at most", "blocks = 12"),
    "start-up": Key("in the first blocks also time start-up and prediction, and watch the device", "start-up = false"),
    "threads": Key("of a launch: `all` cores, or a number", "threads = 1"),
    "seconds": Key("that the turns of the median launch last together: 5 to 20 of them", "seconds = 0.5"),
}

LEARNING = {
    "seeds": Key("how many launches of each cell, each with weights and order of its own", "seeds = 5"),
    "full-seeds": Key("how many with `--full`", "full-seeds = 30"),
    "every": Key("epochs between two evaluations", "every = 5"),
    "samples": Key("shares of the training split to learn from", "samples = [0.1, 1.0]"),
    "label-noise": Key("shares of the training labels that are changed to another class", "label-noise = [0.0, 0.2]"),
    "input-noise": Key("standard deviation of normal noise on the features of all splits", "input-noise = [0.0, 0.5]"),
    "parts": Key("disjoint parts of the training split, with a launch on each", "parts = 5"),
    "replays": Key(
        "whose initial weights, orders and end of training each launch has, see [published figures](published.md)",
        'replays = "scikit-learn"',
    ),
}
