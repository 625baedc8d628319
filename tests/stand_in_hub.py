"""Small models in the layout of a hub's cache, with the files, settings and names of weights of the real ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

REVISION = "0123456789abcdef0123456789abcdef01234567"
WIDTH, LAYERS, HEADS = 32, 2, 2
END = "<|endoftext|>"
OF_BERT = {
    **{"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_act": "gelu", "type_vocab_size": 2},
    **{"attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "layer_norm_eps": 1e-12, "pad_token_id": 0},
    **{"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 4 * WIDTH},
    **{"initializer_range": 0.02, "max_position_embeddings": 512},
}
OF_UNCASED = {"gradient_checkpointing": False, "position_embedding_type": "absolute", "use_cache": True}
OF_CHINESE = {
    **{"directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3},
    **{"pooler_size_per_head": 128, "pooler_type": "first_token_transform"},
}
OF_GPT2 = {
    **{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new"},
    **{"attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1, "initializer_range": 0.02, "layer_norm_epsilon": 1e-5},
    **{"n_ctx": 1024, "n_positions": 1024, "n_embd": WIDTH, "n_head": HEADS, "n_layer": LAYERS},
    **{"summary_activation": None, "summary_first_dropout": 0.1, "summary_proj_to_labels": True},
    **{"summary_type": "cls_index", "summary_use_proj": True},
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
}


def put_in_cache(cache: Path, name: str, directory: Path) -> Path:
    """Lay the files of a directory into a hub's cache as a download of ``name`` does; return the snapshot's folder."""
    folder = cache / f"models--{name.replace('/', '--')}"
    snapshot = folder / "snapshots" / REVISION
    for part in (folder / "blobs", folder / "refs", snapshot):
        part.mkdir(parents=True)
    (folder / "refs" / "main").write_text(REVISION)
    for file in sorted(directory.iterdir()):
        blob = folder / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(Path("../../blobs", blob.name))
    return snapshot


def small_gpt2(directory: Path, texts: Sequence[str]) -> Path:
    """Write what ``gpt2`` consists of, with a vocabulary learned from the texts; its last token ends a text."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model.save(str(directory))
    vocabulary = json.loads((directory / "vocab.json").read_text("utf-8"))
    end = vocabulary[END] = len(vocabulary)
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    tokenizer.add_special_tokens([END])
    tokenizer.save(str(directory / "tokenizer.json"))
    ends = {"bos_token_id": end, "eos_token_id": end}
    _write(directory, "config.json", {**OF_GPT2, **ends, "vocab_size": end + 1})
    _write(directory, "generation_config.json", {"_from_model_config": True, **ends})
    _write(directory, "tokenizer_config.json", {"model_max_length": 1024})

    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config.from_pretrained(directory))
    # Published without the prefix and without the output layer, which is the embeddings; with the masks.
    weights = {name.removeprefix("transformer."): value for name, value in model.state_dict().items()}
    del weights["lm_head.weight"]
    masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, 1024, 1024).tril() for layer in range(LAYERS)}
    return _with_weights(directory, {**weights, **masks})


def small_bert(directory: Path, words: Iterable[str], settings: dict[str, Any], *, lower: bool, decoder: bool) -> Path:
    """Write what a BERT of 2018 consists of: old names of the norms, and heads for both of its tasks.

    Args:
        directory: where.
        words: its vocabulary beside special tokens.
        settings: fields of its configuration beside those of all.
        lower: whether text is made lower case.
        decoder: whether the output layer, which is the embeddings, is among the weights too.
    """
    import torch
    from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

    special = ["[PAD]", *(f"[unused{number}]" for number in range(1, 10)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = list(dict.fromkeys([*special, *words]))
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    # Only for the file: real ones have it too.
    BertTokenizerFast(str(directory / "vocab.txt"), do_lower_case=lower).backend_tokenizer.save(
        str(directory / "tokenizer.json")
    )
    _write(directory, "tokenizer_config.json", {"do_lower_case": lower, "model_max_length": 512})
    _write(directory, "config.json", {**OF_BERT, **settings, "vocab_size": len(vocabulary)})
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig.from_pretrained(directory))
    weights = {_old(name): value for name, value in model.state_dict().items()}
    tied = {"cls.predictions.decoder.bias", *(() if decoder else ("cls.predictions.decoder.weight",))}
    return _with_weights(directory, {name: value for name, value in weights.items() if name not in tied})


def _old(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def _with_weights(directory: Path, weights: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    whole = {name: value.detach().clone().contiguous() for name, value in weights.items()}
    save_file(whole, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def _write(directory: Path, name: str, content: dict[str, Any]) -> None:
    (directory / name).write_text(json.dumps(content, indent=2), "utf-8")
