#!/usr/bin/env python3
"""Reads run.h5 with h5py and pandas, of a finished run or of one that goes on.

    pip install h5py pandas
    python docs/example/read_run.py results/runs/EXPERIMENT/ID [--watch SECONDS]
"""
import argparse
import pathlib
import time

import h5py
import pandas


def open_run(folder):
    """swmr=True (single writer, multiple readers) is what a running run needs; finished ones don't mind."""
    return h5py.File(pathlib.Path(folder) / "run.h5", "r", swmr=True)


def status(run):
    """"complete", "failed", "interrupted", or "running": also of a run that was killed together with its runner."""
    value = run.attrs["status"]
    return value.decode() if isinstance(value, bytes) else value


def curves(run):
    """All per-step series, long: unit, series, step, value."""
    frames = [pandas.DataFrame({"unit": [], "series": [], "step": [], "value": []})]
    for unit, group in run.get("tune", {}).items():
        for series, data in group.items():
            data["step"].refresh()
            data["value"].refresh()
            # A running run may have grown between the two.
            count = min(len(data["step"]), len(data["value"]))
            frames.append(pandas.DataFrame({"unit": unit, "series": series, "step": data["step"][:count],
                                            "value": data["value"][:count]}))
    return pandas.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def layers(run):
    """One row a layer: flip rate, SNR, ... (all diagnostics that are a single number)."""
    rows = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset) and item.shape == (1,):
            layer, diagnostic = name.rsplit("/", 1)
            rows.setdefault(layer, {})[diagnostic] = item[0]

    if "layers" in run:
        run["layers"].visititems(add)
    return pandas.DataFrame.from_dict(rows, orient="index")


def show(folder):
    with open_run(folder) as run:
        state = status(run)
        found = curves(run)
        loss = found[found["series"] == "loss"]
        print(f"{folder}: {state}, {loss['unit'].nunique()} units, {len(loss)} steps so far")
        if len(loss):
            by_unit = loss.groupby("unit", sort=False)["value"]
            print(pandas.DataFrame({"steps": by_unit.size(), "first": by_unit.first(), "least": by_unit.min(),
                                    "last": by_unit.last()}).to_string())
        table = layers(run)
        if len(table):
            print(table.describe().loc[["mean", "min", "max"]].to_string())
    return state


def main():
    parser = argparse.ArgumentParser(description="Shows the curves and layers of a run.")
    parser.add_argument("folder", help="of the run")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="again and again, until the run is complete")
    arguments = parser.parse_args()
    while show(arguments.folder) != "complete" and arguments.watch:
        time.sleep(arguments.watch)


if __name__ == "__main__":
    main()
