"""Many systems on Dask: speed-up by workers, killed workers, broken inputs.

python benchmarks/many.py scaling   # 40 peptides on one and two workers, and on one with two threads
python benchmarks/many.py kills     # a worker is killed 20 times at random moments
python benchmarks/many.py broken    # 3 of 40 inputs are broken, mended, and run again
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, LocalCluster

from openmm_mdgen import simulate_many
from openmm_mdgen.many.results import ManyResult
from openmm_mdgen.many.workers import local_settings

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def peptides(count: int, seed: int = 0) -> list[str]:
    """Sequences of 2 to 8 residues."""
    rng = random.Random(seed)
    return ["".join(rng.choices(LETTERS, k=2 + k % 7)) for k in range(count)]


@contextmanager
def workers(count: int) -> Iterator[Client]:
    """Processes of this machine that have loaded everything once."""
    with (
        local_settings(),
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        client.run(_import)
        yield client


def _import() -> None:
    from openmm_mdgen.many.settings import Settings
    from openmm_mdgen.many.simulating import loaded_task

    loaded_task(Settings(1, 10.0))


def load() -> str:
    """Processes that want a core, in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def built(folder: Path, count: int) -> list[Path]:
    """Structures of the peptides, built once, so that what is timed is the network."""
    with workers(2) as client:
        result = simulate_many(
            sequences=peptides(count), time=10, interval=10, output=folder / "start", scheduler=client
        )
    assert not result.failed, result.table()
    return sorted((folder / "start").glob("*.pdb"))


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    names = sorted(p.name for p in one.glob("[!.]*"))
    return names == sorted(p.name for p in other.glob("[!.]*")) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def scaling(folder: Path, count: int, picoseconds: float) -> None:
    """Wall time, and the CPU time of each worker, which does not depend on what else runs here."""
    files = built(folder, count)
    print(f"{count} peptides of 2 to 8 residues, {picoseconds:g} ps each, {os.cpu_count()} cores")
    first = 0.0
    for n_workers, threads in ((1, 1), (2, 1), (1, 2)):
        output = folder / f"{n_workers}x{threads}"
        with workers(n_workers) as client:
            before, begin, own = client.run(time.process_time), time.perf_counter(), time.process_time()
            result = simulate_many(files, picoseconds, output=output, scheduler=client, threads=threads)
            seconds, own = time.perf_counter() - begin, time.process_time() - own
            after = client.run(time.process_time)
        assert len(result.made) == count, result.table()
        spent = [after[address] - before[address] for address in after]
        first = first or seconds
        print(
            f"{n_workers} workers, {threads} threads each: {seconds:6.2f} s, {first / seconds:.2f} x; CPU seconds of "
            f"the workers {', '.join(f'{s:.2f}' for s in spent)}, the longest {sum(spent) / max(spent):.2f} x below "
            f"their sum, and of this process {own:.2f}; load {load()}; frames as with one worker: "
            f"{same(folder / '1x1', output)}"
        )


def kills(folder: Path, count: int, picoseconds: float, n_kills: int) -> None:
    """Each run loses a worker at a moment drawn evenly over an undisturbed run."""
    files = built(folder, count)
    rng = random.Random(1)
    with workers(2) as client:
        begin = time.perf_counter()
        simulate_many(files, picoseconds, output=folder / "quiet", scheduler=client, batch=2, wait=600)
        whole = time.perf_counter() - begin
        lost = doubled = different = in_time = 0
        for number in range(n_kills):
            moment, output = rng.uniform(0, whole), folder / f"killed{number}"
            timer = threading.Timer(moment, _kill_one, (client, rng))
            begin = time.perf_counter()
            timer.start()
            result = simulate_many(files, picoseconds, output=output, scheduler=client, batch=2, wait=600)
            in_time += not timer.is_alive()
            timer.cancel()
            names = [o.name for o in result.made]
            lost += count - len(set(names)) + len(result.failed)
            doubled += len(names) - len(set(names))
            equal = same(folder / "quiet", output)
            different += not equal
            left = list((output / ".openmm-mdgen").glob("part-*"))
            print(
                f"kill {number + 1} at {moment:.1f} of {whole:.1f} s: {len(names)} of {count} made in "
                f"{time.perf_counter() - begin:.1f} s, {len(left)} strays, files {'equal' if equal else 'DIFFERENT'}, "
                f"load {load()}",
                flush=True,
            )
            client.wait_for_workers(1)
    print(f"{n_kills} kills, {in_time} before the end: {lost} systems lost, {doubled} doubled, {different} runs differ")


def _kill_one(client: Client, rng: random.Random) -> None:
    address = rng.choice(sorted(client.scheduler_info()["workers"]))
    os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)


def broken(folder: Path, count: int, picoseconds: float) -> None:
    """Three inputs are broken: an unknown residue, a missing atom, no file. Two are mended."""
    files = built(folder, count)
    texts = {path: path.read_text() for path in files[:3]}
    files[0].write_text(texts[files[0]].replace(texts[files[0]].split("\n")[1][17:20], "XXX"))
    files[1].write_text("\n".join(line for line in texts[files[1]].split("\n") if " CA " not in line))
    files[2].unlink()
    with workers(2) as client:
        for attempt in ("first run", "after mending two", "again"):
            begin = time.perf_counter()
            result = simulate_many(files, picoseconds, output=folder / "out", scheduler=client)
            _tell(attempt, result, time.perf_counter() - begin)
            for path in files[:2]:
                path.write_text(texts[path])


def _tell(attempt: str, result: ManyResult, seconds: float) -> None:
    print(f"{attempt}: {result.summary()}; {seconds:.1f} s, load {load()}")
    for outcome in result.failed:
        print(f"  {outcome.name}: {outcome.error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scaling", "kills", "broken"])
    parser.add_argument("--peptides", type=int, default=40)
    parser.add_argument("--picoseconds", type=float, default=630.0)
    parser.add_argument("--kills", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if chosen.what == "kills":
            kills(Path(folder), chosen.peptides, chosen.picoseconds, chosen.kills)
        else:
            {"scaling": scaling, "broken": broken}[chosen.what](Path(folder), chosen.peptides, chosen.picoseconds)


if __name__ == "__main__":
    main()
