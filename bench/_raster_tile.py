"""A whole Sentinel-2 tile, 10980 x 10980, through the command as a user calls it: memory, time, the answer.

The scene is a mosaic of seeded landscapes, written window by window: optical bands as 16-bit integers with 0
declared as no-data, radar in dB, clouds over a third of some parts, a wedge without optical data.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SIDE, PATCH = 10980, 549
CRS, ORIGIN = "EPSG:32633", (300000.0, 5000040.0)

# a small process in between: Linux counts what a child held before it became the command, its parent's copy
LAUNCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(code)
"""


def write_scene(folder: Path, height: int, width: int = SIDE) -> dict[str, Path]:
    """The two rasters, written patch by patch."""
    import rasterio
    from rasterio.windows import Window

    from heedful.arbitrate.raster import corrupt, landscape

    plain = [landscape(PATCH, seed=4000 + i) for i in range(4)]
    patches = plain + [corrupt(s, "cloud", i)[0] for i, s in enumerate(plain[:2])]
    paths = {"optical": folder / "optical.tif", "sar": folder / "sar.tif"}
    kind = {"optical": ("uint16", 0), "sar": ("float32", -9999.0)}
    rng = np.random.default_rng(7)
    files = {
        name: rasterio.open(
            path, "w", driver="GTiff", height=height, width=width, count=len(patches[0].bands[name]),
            dtype=kind[name][0], nodata=kind[name][1], crs=CRS, tiled=True, blockxsize=512, blockysize=512,
            transform=rasterio.transform.from_origin(*ORIGIN, 10, 10), BIGTIFF="IF_SAFER",
        )
        for name, path in paths.items()
    }  # fmt: skip
    for top in range(0, height, PATCH):
        for left in range(0, width, PATCH):
            s, flip = patches[rng.integers(len(patches))], rng.choice([-1, 1], 2)
            h, w = min(PATCH, height - top), min(PATCH, width - left)
            for name, f in files.items():
                x = s.sources[name][0][:, :: flip[0], :: flip[1]][:, :h, :w]
                if name == "optical":
                    wedge = np.add.outer(np.arange(top, top + h), np.arange(left, left + w)) < SIDE // 10
                    x = np.where(wedge, 0, np.maximum(np.rint(x), 1))
                f.write(x.astype(kind[name][0]), window=Window(left, top, w, h))
    for f in files.values():
        f.close()
    return paths


def tile(height: int = SIDE, width: int = SIDE, folder: str | None = None) -> list[dict]:
    """Fit with the defaults, run `heedful raster predict` in a process of its own, check its answer."""
    import rasterio

    from heedful.arbitrate.raster import SourceArbiter, landscape
    from heedful.arbitrate.raster.outlook import Outlook
    from heedful.arbitrate.raster.tiles import halo, layers
    from heedful.arbitrate.raster.tokens import Scene
    from heedful.files.raster import Raster, RasterStack

    with tempfile.TemporaryDirectory(dir=folder) as name:
        where = Path(name)
        model, out = where / "arbiter.safetensors", where / "answer.tif"
        arbiter = SourceArbiter(date_reference="sar").fit(landscape(320, seed=4100))
        arbiter.save(model)
        paths = write_scene(where, height, width)
        command = [sys.executable, "-m", "heedful", "raster", "predict", str(model), "--out", str(out)]
        command += [x for n, p in paths.items() for x in ("-s", f"{n}={p}")]
        command += ["--report", str(where / "r.html")]
        launch = [sys.executable, "-c", LAUNCH, *command]
        done = subprocess.run(launch, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        peak, cpu = map(float, done.stdout.split()[-2:])
        row = {
            "size": f"{height} x {width}",
            "GiB": peak / 2**20,
            "CPU s": cpu,
            "CPU s per megapixel": cpu / (height * width / 1e6),
            "answer, GB": out.stat().st_size / 1e9,
            "report, MB": (where / "r.html").stat().st_size / 1e6,
        }
        rates = [line.strip() for line in done.stdout.splitlines() if "of the scene" in line]
        with RasterStack(paths) as stack, Raster(out) as r, rasterio.open(out) as f:
            row["same place"] = str(stack.grid.differs(r.grid) is None and np.isnan(f.nodata))
            rate = Outlook.from_json(f.tags()["outlook"])
            rng, worst = np.random.default_rng(1), 0.0
            for _ in range(3):  # a window computed alone, off the windows' grid
                side, margin = 200, halo(arbiter.neighbourhood)
                i, j = (int(rng.integers(margin, n - side - margin)) for n in (height, width))
                wide = [slice(k - margin, k + side + margin) for k in (i, j)]
                answer = arbiter.arbitrate(Scene(stack.read(*wide)), rate=rate)
                alone = layers(answer)[1][:, margin:-margin, margin:-margin]
                kept = r.read(slice(i, i + side), slice(j, j + side))
                assert np.array_equal(np.isnan(alone), np.isnan(kept))
                worst = max(worst, float(np.nanmax(np.abs(alone - kept))))
            row["largest difference to a window alone"] = worst
            corner = r.read(slice(0, 64), slice(0, 64))  # of the wedge that only the radar covers
            row["answered where one source is missing"] = str(bool(np.isfinite(corner).all()))
    print("\n".join(rates))
    return [row]
