"""Read a transformer that was built elsewhere: where each token looks, layer by layer, and rollout."""

import torch
from torch import nn

from heedful import reads, watch

words = ["the", "river", "rose", "after", "three", "days", "of", "rain"]
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
model = nn.TransformerEncoder(layer, 3).eval()  # any torch.nn.Module; a Hugging Face model as well
x = torch.randn(1, len(words), 32)

with torch.no_grad():
    alone = model(x)
    with watch(model, reads=[reads.TopK(3), reads.Entropy(), reads.Columns()], keep=True) as seen:
        out = model(x)
print("outputs bit for bit the same:", torch.equal(alone, out))

for call in seen:
    reading = call.reading(words)
    print(f"{call.layer}: {call.kind}, {call.shape}, {reading.certificate}")
frame = seen[-1].reading(words).to_pandas()
print(frame.query("head == 0 and query == 'rose'").round(3).to_string(index=False))

rose = torch.zeros(len(words))
rose[words.index("rose")] = 1.0
drawn = seen.stack().T @ rose  # rollout: what the output at "rose" draws on at the input, in three passes
print({word: round(float(share), 3) for word, share in zip(words, drawn[0], strict=True)})
