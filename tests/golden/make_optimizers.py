"""Writes optimizers.txt beside this file: reference trajectories and schedules in float64.

Needs Python with torch. Run by hand; the result is committed and read by
tests/optimizers/golden_test.cpp. sgd, adam, adamw and the schedules are torch's own; sign_sgd and
lion are the few lines below, from their papers' formulas, without torch.

The problem: six parameters in two groups, the second at half the learning rate, a linear schedule
over 30 steps. gradient_i = c_i (p_i - t_i) + ((7 step + 3 i) mod 11 - 5) / 10; the last parameter's
is always 0. With votes, micro-batch m of 3 takes 3 step + m for step.
"""
import datetime
import pathlib
import platform

import torch

STEPS = 30
SAMPLED = (1, 2, 3, 10, 29, 30)
START = (1.0, -0.7, 0.3, 0.5, -1.2, 0.8)
TARGET = (0.23, 0.41, -0.37, 0.11, -0.53, 0.0)
CURVE = (1.3, 0.7, 2.1, 0.9, 1.7, 0.0)
VOTERS = 3

OPTIMIZERS = [
    {"type": "sgd", "lr": 0.1},
    {"type": "sgd", "lr": 0.1, "momentum": 0.9},
    {"type": "sgd", "lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.05},
    {"type": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"type": "adam", "lr": 0.05},
    {"type": "adam", "lr": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.1},
    {"type": "adam", "lr": 0.05, "amsgrad": True},
    {"type": "adamw", "lr": 0.05},
    {"type": "adamw", "lr": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.3,
     "amsgrad": True},
    {"type": "sign_sgd"},
    {"type": "sign_sgd", "lr": 0.07},
    {"type": "sign_sgd", "lr": 0.07, "momentum": 0.9},
    {"type": "sign_sgd", "lr": 0.07, "momentum": 0.9, "dampening": 0.9},
    {"type": "sign_sgd", "lr": 0.07, "momentum": 0.9, "nesterov": True},
    {"type": "sign_sgd", "lr": 0.07, "weight_decay": 0.8},
    {"type": "sign_sgd", "lr": 0.07, "momentum": 0.7, "nesterov": True, "weight_decay": 0.8},
    {"type": "sign_sgd", "lr": 0.07, "vote": "majority"},
    {"type": "sign_sgd", "lr": 0.07, "vote": "majority", "momentum": 0.9, "weight_decay": 0.8},
    {"type": "lion"},
    {"type": "lion", "lr": 0.07},
    {"type": "lion", "lr": 0.07, "beta1": 0.5, "beta2": 0.8, "weight_decay": 0.3},
]
SCHEDULES = [
    ({"type": "constant"}, 3),
    ({"type": "linear"}, 1),
    ({"type": "linear"}, 7),
    ({"type": "linear", "end_factor": 0.25}, 10),
    ({"type": "cosine"}, 1),
    ({"type": "cosine"}, 9),
    ({"type": "cosine", "end_factor": 0.1}, 10),
]


def gradient(p, step):
    noise = [((7 * step + 3 * i) % 11 - 5) / 10 for i in range(6)]
    noise[5] = 0.0
    return [c * (x - t) + n for c, x, t, n in zip(CURVE, p, TARGET, noise)]


def sign(x):
    return (x > 0) - (x < 0)


def lrs(options, default, step):
    lr = options.get("lr", default) * (1 - step / STEPS)
    return [lr] * 3 + [lr / 2] * 3


def sign_sgd(options):
    mu, decay = options.get("momentum", 0), options.get("weight_decay", 0)
    p, m = list(START), None
    for step in range(STEPS):
        if options.get("vote") == "majority":
            votes = [gradient(p, VOTERS * step + k) for k in range(VOTERS)]
            g = [sum(map(sign, column)) for column in zip(*votes)]
        else:
            g = gradient(p, step)
        d = [a + decay * x for a, x in zip(g, p)]
        if mu:
            tau = options.get("dampening", 0)
            m = d if m is None else [mu * b + (1 - tau) * a for a, b in zip(d, m)]
            d = [a + mu * b for a, b in zip(d, m)] if options.get("nesterov") else m
        p = [x - lr * sign(a) for x, lr, a in zip(p, lrs(options, 5e-3, step), d)]
        yield p


def lion(options):
    b1, b2 = options.get("beta1", 0.9), options.get("beta2", 0.99)
    decay = options.get("weight_decay", 0)
    p, m = list(START), [0.0] * 6
    for step in range(STEPS):
        g = gradient(p, step)
        c = [b1 * b + (1 - b1) * a for a, b in zip(g, m)]
        p = [x - lr * (sign(a) + decay * x) for x, lr, a in zip(p, lrs(options, 1e-4, step), c)]
        m = [b2 * b + (1 - b2) * a for a, b in zip(g, m)]
        yield p


def torch_optimizer(options):
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    rest = {k: v for k, v in options.items() if k not in ("type", "beta1", "beta2")}
    if "beta1" in options:
        rest["betas"] = (options["beta1"], options["beta2"])
    groups = [torch.tensor(START[k:k + 3], dtype=torch.float64) for k in (0, 3)]
    optimizer = kinds[options["type"]]([{"params": [g]} for g in groups], **rest)
    for step in range(STEPS):
        g = gradient([x.item() for x in torch.cat(groups)], step)
        for k in (0, 1):
            groups[k].grad = torch.tensor(g[3 * k:3 * k + 3], dtype=torch.float64)
            optimizer.param_groups[k]["lr"] = lrs(options, None, step)[3 * k]
        optimizer.step()
        yield torch.cat(groups).tolist()


def factors(options, steps):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    end = options.get("end_factor", 0)
    if options["type"] == "linear":
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, end, total_iters=steps)
    elif options["type"] == "cosine":
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=end)
    else:
        schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    for _ in range(steps + 1):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()


def recipe(options):
    text = {True: "true", False: "false"}
    items = (f"{k}: {text[v] if isinstance(v, bool) else v}" for k, v in options.items())
    return "{" + ", ".join(items) + "}"


def main():
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    lines = [f"# make_optimizers.py, {versions}, {datetime.date.today()}"]
    for options in OPTIMIZERS:
        run = {"sign_sgd": sign_sgd, "lion": lion}.get(options["type"], torch_optimizer)
        lines.append("optimizer " + recipe(options))
        for step, p in enumerate(run(options), start=1):
            if step in SAMPLED:
                lines.append(f"{step} " + " ".join(map(repr, p)))
    for options, steps in SCHEDULES:
        lines.append("schedule " + recipe(options))
        lines.append(f"{steps} " + " ".join(map(repr, factors(options, steps))))
    pathlib.Path(__file__).with_name("optimizers.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
