"""Byte-level BPE in the style of GPT-2: training, encoding, tokenizer.json.

Text is cut into pieces by the GPT-2 rule, each piece becomes bytes, and
pairs are merged in the order in which training found them.  The rule below
is written for ASCII, which is all the corpus has; the saved tokenizer uses
the general rule, which cuts ASCII text in the same way.
"""

import json
import re
from collections import Counter

SPECIAL = "<|endoftext|>"

_PIECE = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+"
                    r"| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_alphabet():
    """A visible character for each byte, as GPT-2 does it: printable bytes
    stand for themselves, the others are moved to code points from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in alphabet:
            alphabet[byte] = chr(256 + len(alphabet) - len(printable))
    return alphabet


def merge_pair(symbols, pair):
    """Replace each occurrence of the pair, from the left, by one symbol."""
    merged, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i:i + 2]) == pair:
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


class Tokenizer:
    def __init__(self, merges):
        self.merges = merges
        self.alphabet = byte_alphabet()
        tokens = [*self.alphabet.values(), *(a + b for a, b in merges),
                  SPECIAL]
        self.vocab = {token: i for i, token in enumerate(tokens)}
        self.special_id = self.vocab[SPECIAL]
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self._cache = {}
        self._byte = {c: b for b, c in self.alphabet.items()}
        self._token = tokens

    @classmethod
    def train(cls, text, vocab_size):
        """Merge the most frequent pair until the vocabulary is full.

        Equal counts are decided by the alphabet, so that the result does not
        depend on the order of a hash table."""
        alphabet = byte_alphabet()
        pieces = Counter(_PIECE.findall(text))
        words = [([alphabet[b] for b in piece.encode()], count)
                 for piece, count in sorted(pieces.items())]
        merges = []
        while len(merges) < vocab_size - len(alphabet) - 1:
            counts = Counter()
            for symbols, count in words:
                for pair in zip(symbols, symbols[1:]):
                    counts[pair] += count
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges.append(best)
            words = [(merge_pair(symbols, best), count)
                     for symbols, count in words]
        return cls(merges)

    def _encode_piece(self, piece):
        symbols = [self.alphabet[b] for b in piece.encode()]
        while len(symbols) > 1:
            pair = min(zip(symbols, symbols[1:]),
                       key=lambda p: self._rank.get(p, len(self._rank)))
            if pair not in self._rank:
                break
            symbols = merge_pair(symbols, pair)
        return [self.vocab[s] for s in symbols]

    def encode(self, text):
        ids = []
        for piece in _PIECE.findall(text):
            if piece not in self._cache:
                self._cache[piece] = self._encode_piece(piece)
            ids.extend(self._cache[piece])
        return ids

    def decode(self, ids):
        data = bytes(self._byte[c] for i in ids if i != self.special_id
                     for c in self._token[i])
        return data.decode(errors="replace")

    def to_json(self):
        """The contents of a version 1.0 tokenizer.json."""
        byte_level = {"type": "ByteLevel", "add_prefix_space": False,
                      "trim_offsets": True, "use_regex": True}
        tokenizer = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{
                "id": self.special_id, "content": SPECIAL,
                "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True}],
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": dict(byte_level, trim_offsets=False),
            "decoder": byte_level,
            "model": {
                "type": "BPE", "dropout": None, "unk_token": None,
                "continuing_subword_prefix": None, "end_of_word_suffix": None,
                "fuse_unk": False, "byte_fallback": False,
                "ignore_merges": False,
                "vocab": self.vocab,
                "merges": [f"{a} {b}" for a, b in self.merges]},
        }
        return json.dumps(tokenizer, indent=1, ensure_ascii=False) + "\n"
