"""Training of the example model, and the judging of it.

One thread, fixed seeds and a fixed order of batches: the same machine and
the same PyTorch give the same weights.
"""

import math
import random
import sys
import time
from array import array

import torch
from torch.nn import functional as F

from tiny_llama import LINEAR_NAMES, TinyLlama

BATCH = 8
PEAK_RATE = 3e-3
FINAL_RATE = 1e-4
WARMUP_STEPS = 150


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def token_stream(stories, tokenizer, rng):
    """All stories as one row of ids, and where the documents begin.

    A document begins with the special token.  Most hold one story; some hold
    several with a blank line between them, as a text file of stories has, so
    that the model knows both ways of starting anew."""
    ids, starts = array("H"), []
    i = 0
    while i < len(stories):
        count = rng.choice((1, 1, 1, 2, 4))
        starts.append(len(ids))
        ids.append(tokenizer.special_id)
        ids.extend(tokenizer.encode("\n\n".join(stories[i:i + count])))
        i += count
    return torch.tensor(ids, dtype=torch.int16), starts


def batches(ids, starts, window, rng):
    """Endless batches [BATCH, window + 1]; a quarter of the rows begin where
    a document begins, the others anywhere."""
    last = len(ids) - window - 1
    starts = [s for s in starts if s <= last]
    while True:
        at = [rng.choice(starts) if row % 4 == 0 else rng.randrange(last)
              for row in range(BATCH)]
        yield torch.stack([ids[a:a + window + 1] for a in at]).long()


def learning_rate(step, steps):
    """Linear warm-up, then half a cosine down to the final rate."""
    if step < WARMUP_STEPS:
        return PEAK_RATE * (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    fall = 0.5 * (1 + math.cos(math.pi * done))
    return FINAL_RATE + (PEAK_RATE - FINAL_RATE) * fall


def make_optimizer(model):
    """AdamW; norm weights are not decayed, as decay would pull them to 0."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1},
         {"params": vectors, "weight_decay": 0.0}],
        lr=PEAK_RATE, betas=(0.9, 0.95))


def train(config, ids, starts, steps, seed):
    torch.manual_seed(seed)
    model = TinyLlama(config)
    optimizer = make_optimizer(model)
    window = config["max_position_embeddings"]
    source = batches(ids, starts, window, random.Random(seed))
    begun, average = time.monotonic(), None
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        batch = next(source)
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average = loss.item() if average is None \
            else 0.98 * average + 0.02 * loss.item()
        if step % 100 == 99:
            speed = (step + 1) * BATCH * window / (time.monotonic() - begun)
            say(f"step {step + 1} of {steps}: loss {average:.4f}, "
                f"{speed:.0f} tokens per second")
    return model.eval()


@torch.no_grad()
def perplexity(model, ids):
    """Disjoint windows without a first token; the tail is dropped.

    Each window gives the mean of its window - 1 cross-entropies, and the
    perplexity is exp of the mean over windows."""
    window = model.config["max_position_embeddings"]
    means = []
    for start in range(0, len(ids) - window + 1, window):
        row = torch.tensor(ids[start:start + window])
        logits = model(row[None])[0]
        means.append(F.cross_entropy(logits[:-1], row[1:]).item())
    return math.exp(sum(means) / len(means)), len(means)


def round_weights(model, bits, group):
    """A copy of the model whose linear weights took the nearest value on a
    symmetric grid, with one scale (largest magnitude / limit) per group."""
    limit = 2 ** (bits - 1) - 1
    rounded = TinyLlama(model.config).eval()
    state = {}
    for name, weight in model.state_dict().items():
        if any(part in name for part in LINEAR_NAMES):
            blocks = weight.view(-1, group)
            scale = blocks.abs().amax(dim=1, keepdim=True) / limit
            safe = torch.where(scale > 0, scale, torch.ones_like(scale))
            weight = (torch.round(blocks / safe) * scale).view(weight.shape)
        state[name] = weight
    rounded.load_state_dict(state)
    return rounded
