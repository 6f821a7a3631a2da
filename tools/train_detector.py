"""Train the intersection detector from nothing, and measure it.

    python -m tools.train_detector data train_a.npz --first-seed 1000 --groups 700
    python -m tools.train_detector fit v1.4
    python -m tools.train_detector export v1.4
    python -m tools.train_detector evaluate --model out/detector/v1.4.onnx
    python -m tools.train_detector shuffle BROKEN.onnx

`data`, `fit` and `export` need the dependency group `train`; the others do not. Data sets, weights
and results lie in `out/detector`. On two cores: data 2 min, fit 7 min, evaluate 30 min; `fit` and
`evaluate` go on where they were stopped. docs/detector.md holds the figures.
"""

import argparse
from pathlib import Path

FOLDER = Path("out/detector")


def main() -> None:
    """Parse the command line and run one of the commands."""
    parser = argparse.ArgumentParser(prog="train_detector", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for all files")
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="render a data set")
    data.add_argument("name", help="file name of the data set")
    data.add_argument("--first-seed", type=int, required=True)
    data.add_argument("--groups", type=int, required=True, help="of eight pictures")
    data.add_argument("--when", choices=("day", "night", "both"), default="both")
    data.add_argument("--processes", type=int, default=2)
    fit = commands.add_parser("fit", help="train a version, or go on with it")
    fit.add_argument("version")
    fit.add_argument("--seconds", type=float, default=3600.0, help="stop after this time")
    export = commands.add_parser("export", help="write a version's ONNX file")
    export.add_argument("version")
    evaluate = commands.add_parser("evaluate", help="judge a model on the demo's clips")
    evaluate.add_argument("--model", type=Path, help="ONNX file; the packaged one if not given")
    evaluate.add_argument("--first-seed", type=int, default=0)
    evaluate.add_argument("--seeds", type=int, default=40)
    evaluate.add_argument("--seconds", type=float, default=7200.0, help="stop after this time")
    shuffle = commands.add_parser("shuffle", help="write a model with its weights shuffled")
    shuffle.add_argument("output", type=Path)
    shuffle.add_argument("--model", type=Path, help="ONNX file; the packaged one if not given")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Run one command; each imports what it needs."""
    folder: Path = arguments.folder
    match arguments.command:
        case "data":
            from tools.detector_data import render_data_set

            render_data_set(
                folder / arguments.name,
                arguments.first_seed,
                arguments.groups,
                arguments.when,
                processes=arguments.processes,
            )
        case "fit":
            from tools.detector_fit import RECIPES, fit, restart_with_malloc_settings

            if arguments.version not in RECIPES:
                raise SystemExit(f"no recipe {arguments.version!r}; there is {', '.join(RECIPES)}")
            restart_with_malloc_settings()
            done = fit(arguments.version, folder, arguments.seconds)
            print("done" if done else "stopped; run it again to go on")
        case "export":
            from tools.detector_export import export

            version = arguments.version
            export(folder / f"{version}.npz", version, folder / f"{version}.onnx")
        case "evaluate":
            from tools.detector_evaluate import evaluate

            results = folder / "evaluation.jsonl"
            first = arguments.first_seed
            seeds = range(first, first + arguments.seeds)
            evaluate(arguments.model, seeds, results, arguments.seconds)
        case _:
            from inference.onnx import packaged_model_path
            from tools.detector_shuffle import shuffle_weights

            shuffle_weights(arguments.model or packaged_model_path(), arguments.output)


if __name__ == "__main__":
    main()
