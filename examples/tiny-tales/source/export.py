"""Writing the model folder: config, weights, tokenizer, text, reference."""

import json
import struct

import torch

from bpe import SPECIAL
from train import perplexity, round_weights

# The grids on which the reference rounds the linear weights: bits, group.
GRIDS = ((8, 32), (4, 32), (4, 128), (3, 32))
# A few logits from all over the vocabulary; its first ids are bytes that the
# text never has, and all of those have nearly the same logit.
SAMPLED_IDS = range(5, 1024, 64)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_config(folder, config, special_id):
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": special_id,
        "eos_token_id": special_id,
        "head_dim": config["head_dim"],
        "hidden_act": "silu",
        "hidden_size": config["hidden_size"],
        "initializer_range": 0.02,
        "intermediate_size": config["intermediate_size"],
        "max_position_embeddings": config["max_position_embeddings"],
        "mlp_bias": False,
        "num_attention_heads": config["num_attention_heads"],
        "num_hidden_layers": config["num_hidden_layers"],
        "num_key_value_heads": config["num_key_value_heads"],
        "rms_norm_eps": config["rms_norm_eps"],
        "rope_scaling": None,
        "rope_theta": config["rope_theta"],
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": config["vocab_size"],
    })


def write_safetensors(path, tensors):
    """8 bytes of header length, a JSON header, then the bytes of the tensors.

    The header is padded with spaces so that the data begins at a multiple
    of 8 and a mapped file can be read in place."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().astype("<f4").tobytes())


def write_tokenizer(folder, tokenizer, context):
    (folder / "tokenizer.json").write_text(tokenizer.to_json(),
                                           encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": {str(tokenizer.special_id): {
            "content": SPECIAL, "lstrip": False, "normalized": False,
            "rstrip": False, "single_word": False, "special": True}},
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": SPECIAL,
        "clean_up_tokenization_spaces": False,
        "eos_token": SPECIAL,
        "model_max_length": context,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    })


def reference(model, tokenizer, text):
    """What this script measured, for other programs to compare with."""
    ids = tokenizer.encode(text)
    first = ids[:32]
    with torch.no_grad():
        logits = model(torch.tensor([first]))[0]
    ppl, windows = perplexity(model, ids)
    rounded = {}
    for bits, group in GRIDS:
        value, _ = perplexity(round_weights(model, bits, group), ids)
        rounded[f"perplexity_int{bits}_group{group}_absmax"] = value
    return {
        "protocol": "gptq",
        "window": model.config["max_position_embeddings"],
        "n_tokens": len(ids),
        "n_windows": windows,
        "perplexity": ppl,
        **rounded,
        "first_token_ids": first,
        "logits_at_last_position": {
            "ids": list(SAMPLED_IDS),
            "logits": [logits[-1, i].item() for i in SAMPLED_IDS],
            "sum": logits[-1].sum().item(),
            "max": logits[-1].max().item(),
            "argmax": int(logits[-1].argmax()),
        },
    }


def sample(model, tokenizer, prompt):
    """Greedy continuation of a prompt that stands at the start of a story."""
    ids = [tokenizer.special_id] + tokenizer.encode(prompt)
    return tokenizer.decode(
        model.continue_greedily(ids, 160, tokenizer.special_id))
