"""Measure the harness beside a plain recipe and the machine's limits, and print Markdown tables of ratios.

python -m benchmarks.speed [training | trial | suite]
"""

from __future__ import annotations

import argparse

from benchmarks.speed import suite, training, trial
from unlearnbench.system import machine
from unlearnbench.system.processes import cores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("parts", nargs="*", help="only these: training, trial, suite")
    wanted = parser.parse_args().parts or ["training", "trial", "suite"]
    hardware, versions = machine.hardware(machine.device()), machine.versions()
    print(f"{hardware['processor']}, {cores()} cores, {hardware['device']}; torch {versions['torch']}\n", flush=True)
    for part in wanted:
        {"training": print_training, "trial": print_trial, "suite": print_suite}[part]()


def print_training() -> None:
    threads = cores()
    peaks = {precision: training.alone(training.peak, precision, threads) for precision in ("float32", "bfloat16")}
    chosen = machine.precision("auto", machine.device())
    listed = ", ".join(f"{precision} {rate / 1e9:.0f} GFLOP/s" for precision, rate in peaks.items())
    print(f"Matrix peak: {listed}. The harness chooses {chosen}.\n")
    print(
        "| model | images/s | plain recipe | harness | ratio | a thread a trial | of float32 peak | of bfloat16 peak |"
    )
    print("| :-- | :-- | --: | --: | --: | --: | --: | --: |")
    for case in training.CASES:
        operations = training.flops(case)
        for what, plain, ours, passes in (
            ("training", training.plain_training, training.harness_training, 3),
            ("evaluation", training.plain_evaluation, training.harness_evaluation, 1),
        ):
            before = training.alone(plain, case, threads)
            after = training.alone(ours, case, chosen, threads)
            shared = training.at_once(ours, threads, case, chosen, 1)
            shares = [f"{max(after, shared) * operations * passes / peaks[name]:.0%}" for name in peaks]
            rates = f"{before:.0f} | {after:.0f} | {max(after, shared) / before:.1f} | {shared:.0f}"
            print(f"| {case.name} | {what} | {rates} | {' | '.join(shares)} |", flush=True)
    print()
    if machine.device() != "cpu":
        return
    print("| training in a forked process, as trials do | forked / direct |\n| :-- | --: |")
    for case in training.CASES:
        for precision in peaks:
            share = training.alone(training.forked, case, precision)
            print(f"| {case.name}, {precision} | {share:.2f} |", flush=True)
    print()


def print_trial() -> None:
    parts = trial.parts()
    print("| part of a trial | least | median | share of the median |\n| :-- | --: | --: | --: |")
    total = sum(median for _, median in parts.values())
    for name, (least, median) in parts.items():
        print(f"| {name} | {1000 * least:.1f} ms | {1000 * median:.1f} ms | {median / total:.1%} |")
    print(flush=True)


def print_suite() -> None:
    result = suite.compared()
    print(f"Trials of {', '.join(suite.METHODS)} on {result.trials // len(suite.METHODS)} cells of `digits`:\n")
    print("| | wall | a trial |\n| :-- | --: | --: |")
    for name, seconds in (("one process a trial, its own original", result.naive), ("the harness", result.harness)):
        print(f"| {name} | {seconds:.0f} s | {seconds / result.trials:.2f} s |")
    print(f"\nRatio {result.naive / result.harness:.1f}; the harness's own share {result.overhead:.1%}.", flush=True)


if __name__ == "__main__":
    main()
