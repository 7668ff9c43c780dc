"""Fill a hole in the CT slice that pydicom carries; ask one filled voxel where its value came from."""

import numpy as np
from pydicom.data import get_testdata_file

from heedful.files.scan import read_scan
from heedful.perceive.inpaint import Inpainter

scan = read_scan(get_testdata_file("CT_small.dcm"))
truth = scan.hu()
hidden = np.zeros(truth.shape, bool)
hidden[0, 70:82, 60:72] = True

filling = Inpainter(calibrate=True, seed=0).fit_predict(truth, hidden)
error = np.abs(filling.hu - truth)[hidden]
inside = ((truth >= filling.low) & (truth <= filling.high))[hidden].mean()
print(f"mean error {error.mean():.0f} HU; the 90 % interval holds {inside:.0%}")
print("visible voxels untouched:", bool((filling.hu == truth)[~hidden].all()))

voxel = filling.table(top=3).iloc[100]
sources = voxel["effective sources"]
print(f"row {voxel.y}, column {voxel.x}: {voxel.HU:.0f} HU, {sources:.0f} sources in effect")
for n in (1, 2, 3):
    y, x = voxel[f"source {n} y"], voxel[f"source {n} x"]
    print(f"  {voxel[f'weight {n}']:.3f} from row {y}, column {x} ({truth[0, y, x]:.0f} HU)")

part = filling.parts[0]
print(f"attention makes {part.share:.0%} of this fill; its sources explain that part")

stored, clipped = scan.with_hu(hidden, filling.hu[hidden])  # back in the file's own numbers
print(stored.dtype, "as stored;", clipped, "values beyond its range")
