"""A Llama decoder in PyTorch, small enough to read in one sitting.

The names of modules follow the `transformers` library, so that
`state_dict()` already has the tensor names a checkpoint needs.  The forward
pass is written out plainly (no fused attention), because its logits are the
reference that other programs are compared with.  Training lives in
train.py; there is no cache and no sampling beyond greedy continuation.
"""

import torch
from torch import nn
from torch.nn import functional as F

# The shape of the example model.  Every row length (128 and 384) is a
# multiple of 128, so that each usual quantization group divides it.
CONFIG = {
    "vocab_size": 1024,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}

LINEAR_NAMES = ("q_proj", "k_proj", "v_proj", "o_proj",
                "gate_proj", "up_proj", "down_proj")


class RMSNorm(nn.Module):
    """y = w * x / sqrt(mean(x^2) + eps)"""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * (x * scale)


def rope_tables(config):
    """cos and sin of position * theta^(-2i/head_dim), each [T, head_dim]."""
    half = config["head_dim"] // 2
    exponent = torch.arange(half, dtype=torch.float32) / half
    frequency = 1.0 / (config["rope_theta"] ** exponent)
    position = torch.arange(config["max_position_embeddings"],
                            dtype=torch.float32)
    angle = torch.outer(position, frequency)
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Rotary embedding with half-split pairs: (i, i + head_dim/2)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """Causal attention in which several query heads share one key head."""

    def __init__(self, c):
        super().__init__()
        self.heads = c["num_attention_heads"]
        self.kv_heads = c["num_key_value_heads"]
        self.head_dim = c["head_dim"]
        width, kv_width = c["hidden_size"], self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(width, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(width, kv_width, bias=False)
        self.v_proj = nn.Linear(width, kv_width, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, width, bias=False)

    def forward(self, x, cos, sin, mask):
        B, T, _ = x.shape

        def split(y, heads):
            return y.view(B, T, heads, self.head_dim).transpose(1, 2)

        q = rotate(split(self.q_proj(x), self.heads), cos, sin)
        k = rotate(split(self.k_proj(x), self.kv_heads), cos, sin)
        v = split(self.v_proj(x), self.kv_heads)
        share = self.heads // self.kv_heads
        k = k.repeat_interleave(share, dim=1)
        v = v.repeat_interleave(share, dim=1)
        score = q @ k.transpose(-1, -2) * self.head_dim ** -0.5 + mask
        y = F.softmax(score, dim=-1) @ v
        return self.o_proj(y.transpose(1, 2).reshape(B, T, -1))


class MLP(nn.Module):
    """down(silu(gate(x)) * up(x))"""

    def __init__(self, c):
        super().__init__()
        width, inner = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn = Attention(c)
        self.mlp = MLP(c)
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(c["hidden_size"],
                                                c["rms_norm_eps"])

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c)
                                    for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])


class TinyLlama(nn.Module):
    """Token ids [B, T] to logits [B, T, vocab]; the head is the embedding."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self._tables = rope_tables(config)
        T = config["max_position_embeddings"]
        self._mask = torch.full((T, T), float("-inf")).triu(1)
        self._init_weights()

    def _init_weights(self):
        """Small normal weights; the two that write to the residual stream
        are divided by sqrt(2 * layers), as is usual, to keep its size."""
        residual = (2 * self.config["num_hidden_layers"]) ** -0.5
        for name, p in self.named_parameters():
            if p.dim() == 2:
                scale = residual if ("o_proj" in name or "down_proj" in name) \
                    else 1.0
                nn.init.normal_(p, std=0.04 * scale)

    def forward(self, ids):
        T = ids.shape[1]
        cos, sin = (t[:T] for t in self._tables)
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin, self._mask[:T, :T])
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)

    @torch.no_grad()
    def continue_greedily(self, ids, count, stop_id):
        """Append the most probable token until `stop_id` or `count`."""
        ids = list(ids)
        window = self.config["max_position_embeddings"]
        for _ in range(count):
            logits = self(torch.tensor([ids[-window:]]))
            best = int(logits[0, -1].argmax())
            if best == stop_id:
                break
            ids.append(best)
        return ids
