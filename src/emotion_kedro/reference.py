"""The reference report's systems and figures, as far as it gives any: what the reference page sets ours beside.

Facts from "Final report, Engineering Practice and Technological Innovation IV-J" (Zhang and Xiao, in Chinese), numbered
S1 to S20 in the order in which it tells of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GPT2, BERT, CHINESE_BERT = "gpt2", "bert-base-uncased", "bert-base-chinese"


@dataclass(frozen=True)
class ReferenceSystem:
    """One system of the report."""

    number: str
    title: str
    pipelines: tuple[str, ...]
    """Registered pipelines that are this system here."""
    models: tuple[str, ...] = ()
    """The report's."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """Name of one of our findings -> the report's figure for the same thing, as it writes it."""
    remark: str = ""
    """What the report gives that has no counterpart, or what to know of its figure."""


SYSTEMS = (
    ReferenceSystem(
        "S1",
        "Prompted GPT-2 classifier",
        ("causal_prompt", "causal_prompt_thirteen"),
        (GPT2,),
        {"untuned, free arg-max": "about 0"},
        "The report scores the arg-max over the whole vocabulary, which untuned is almost always “i”.",
    ),
    ReferenceSystem(
        "S2", "Label unification", ("unification",), remark="Thirteen labels in GoEmotions' words, six of them shared."
    ),
    ReferenceSystem("S3", "Balanced sampling", ("sampling",), remark="At most 800 rows per label and data set."),
    ReferenceSystem(
        "S4",
        "Mixed six-label set",
        ("sampling",),
        figures={"six labels, train and test rows": "10,968 + 2,742"},
        remark="A plain split with repeats and conflicts kept; ours groups near-duplicates.",
    ),
    ReferenceSystem("S5", "Mixed thirteen-label set", ("augment_thirteen",), remark="No size is given."),
    ReferenceSystem(
        "S6",
        "Cross-set matrix",
        ("cross_dataset",),
        (GPT2,),
        {
            "EIT>EIT": ".905",
            "EIT>EDFT": ".149",
            "EDFT>EIT": ".26",
            "EDFT>EDFT": ".269",
            "EDFT>EABOT": ".115",
            "EABOT>EIT": ".068",
            "EABOT>EDFT": ".213",
            "EABOT>EABOT": ".914",
            "ALL>EIT": ".895",
            "ALL>EDFT": ".154",
            "ALL>EABOT": ".069",
        },
    ),
    ReferenceSystem("S7", "A generator per label", ("augment", "usability"), (GPT2,), remark="No figure."),
    ReferenceSystem(
        "S8",
        "Short continuation, 10 to 15 tokens",
        ("augment", "usability"),
        (GPT2,),
        remark="No figure; judged by eye.",
    ),
    ReferenceSystem(
        "S9",
        "Usability of generated text",
        ("usability",),
        (GPT2,),
        {"encoder: real to synthetic": ".59561", "encoder: synthetic to real": ".56018"},
    ),
    ReferenceSystem(
        "S10",
        "Augmented training",
        ("usability", "augment"),
        (GPT2,),
        {"encoder: real only": ".75784", "encoder: continued": ".75821"},
        "The report's gain is one row of 2,742.",
    ),
    ReferenceSystem("S11", "Iteration", ("iteration",), remark="Proposed, not run."),
    ReferenceSystem(
        "S12",
        "BERT masked-prompt classifier",
        ("masked_prompt", "masked_prompt_thirteen"),
        (BERT,),
        {
            "untuned, free arg-max": ".14 to .17",
            "tuned, 1 epoch": ".7323",
            "tuned, 3 epochs": ".7848",
            "tuned, 5 epochs": ".7739",
            "untuned, free arg-max (13 labels)": "about .06",
            "tuned, 1 epoch (13 labels)": ".6028",
            "tuned, 3 epochs (13 labels)": ".6368",
        },
    ),
    ReferenceSystem(
        "S13",
        "Emotion-lexicon tokenizer",
        ("lexicon", "lexicon_thirteen"),
        (BERT,),
        {
            "plain tokenizer": ".7848 (3 epochs)",
            "labels kept whole": ".7892 (3 epochs)",
            "plain tokenizer (13 labels)": ".6028 (1 epoch)",
            "labels kept whole (13 labels)": ".6171 (1 epoch)",
        },
        "One seed each; no interval.",
    ),
    ReferenceSystem("S14", "Where the feeling sits", ("attributions",), (BERT,), remark="Argued in prose; no figure."),
    ReferenceSystem(
        "S15", "Classifier and generator, tuned", ("tune",), (BERT, GPT2), {"tuned on validation": ".87892"}
    ),
    ReferenceSystem(
        "S16",
        "Chinese, two classes",
        ("chnsenticorp",),
        (CHINESE_BERT,),
        {"report's rows": ".82"},
        "100 test rows: an interval of about eight points either way.",
    ),
    ReferenceSystem(
        "S17",
        "Chinese, seven classes",
        ("ocemotion",),
        (CHINESE_BERT,),
        {"report's rows, 3 epochs": ".40", "report's rows, 5 epochs": ".37"},
        "100 test rows: an interval of about ten points either way.",
    ),
    ReferenceSystem("S18", "Special small sets", ("special_sets",), (GPT2, BERT), remark="No figure."),
    ReferenceSystem("S19", "Short jokes", ("special_sets",), (GPT2, BERT), remark="Judged by eye; no figure."),
    ReferenceSystem(
        "S20",
        "GoEmotions",
        ("goemotions", "goemotions_ekman", "goemotions_six", "goemotions_thirteen"),
        remark="The source of the labels' words; no classifier.",
    ),
)
"""All systems, in the report's order."""

REPORTING = (
    *("causal_prompt", "causal_prompt_thirteen", "cross_dataset", "usability", "iteration"),
    *("masked_prompt", "masked_prompt_thirteen", "lexicon", "lexicon_thirteen", "attributions", "tune"),
    *("chnsenticorp", "ocemotion", "special_sets"),
    *("goemotions", "goemotions_ekman", "goemotions_six", "goemotions_thirteen"),
)
"""Pipelines that hand over findings, each in a namespace of its own name."""
