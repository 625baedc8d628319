"""From an experiment as it is written down to one with its sources, taxonomy and defaults written out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from emotion_kedro.config.analyses import analysis_config
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.base import ALL_ROWS, LEARNER, Config, choices
from emotion_kedro.config.data import IngestionConfig, SamplingConfig, SourceConfig, UnificationConfig, UnlabelledConfig
from emotion_kedro.config.experiment import Experiment, ExperimentFile, RecordsSpec, RowsOfSource, common_cleaning
from emotion_kedro.config.filters import default_filters, filter_config
from emotion_kedro.config.models import LinearConfig, learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig, spelling

FROM_DATA = "from_data"


def resolve(
    name: str,
    raw: Mapping[str, Any],
    *,
    ingestion: Mapping[str, Any],
    taxonomies: Mapping[str, Any],
    generators_of: Mapping[str, Collection[str]] | None = None,
) -> Experiment:
    """Return the experiment with its sources, taxonomy and defaults written out.

    ``ingestion`` are the cleaning steps and all sources that there are, ``generators_of`` the generators of
    other experiments by name, for ``records.from_experiment``.

    Raises:
        ValueError: if something does not fit; it names the experiment and the key.
    """
    file = ExperimentFile.model_validate(raw)
    records = file.records
    analyses = _parsed("analyses", file.analyses, analysis_config)
    is_own = records.from_experiment is None
    taxonomy = _taxonomy(records, taxonomies) if is_own else None
    tables = _ingestion(records, taxonomy, ingestion, taxonomies) if is_own else None
    experiment = Experiment(
        name=name,
        **file.model_dump(include={"question", "note", "reference", "score_by", "recommend"}),
        compare=_compared(file.compare, analyses),
        from_experiment=records.from_experiment,
        ingestion=tables,
        cleaning=common_cleaning(tables, ingestion["cleaning"]),
        unification=_unification(records, taxonomy) if is_own else None,
        sampling=SamplingConfig(**records.model_dump(include=set(SamplingConfig.model_fields))) if is_own else None,
        unlabelled=_unlabelled(records, ingestion),
        bases=file.bases,
        generators=_dumped(_parsed("generators", file.generators, lambda _, raw: generator_config(raw))),
        filters=_dumped({**default_filters(), **_parsed("filters", file.filters, filter_config)}),
        learners=_dumped(_parsed("learners", file.learners, lambda _, raw: learner_config(raw))),
        arms=file.arms,
        drawn_sizes={
            generator: tuple(dict.fromkeys(arm.sizes for arm in file.arms.values() if generator in arm.add))
            for generator in file.generators
        },
        design=file.design,
        evaluator=file.evaluator,
        analyses=_dumped(analyses),
        evaluation=file.evaluation,
    )
    others = generators_of or {}
    if records.from_experiment is not None:
        _known("records.from_experiment", [records.from_experiment], [other for other in others if other != name])
    _check_names(experiment, {*experiment.generators, *others.get(records.from_experiment or "", ())})
    parts = [*file.arms.values(), *analyses.values()]
    used = {*file.filters, *(name for part in parts for name in getattr(part, "filters", ()))}
    if experiment.ingestion is not None:
        sources = [arm.rows.source for arm in experiment.arms.values() if isinstance(arm.rows, RowsOfSource)]
        _known("arms.*.rows.source", sources, experiment.ingestion.sources)
    # A new kind of filter is no change of experiments that do not name it.
    return experiment.model_copy(
        update={"filters": {key: experiment.filters[key] for key in experiment.filters if key in used}}
    )


def _parsed(place: str, raw: Mapping[str, Any], parse: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return parameters of kinds, by their names; an error names the place they have in the experiment."""
    parsed = {}
    for key, value in raw.items():
        try:
            parsed[key] = parse(key, value)
        except ValidationError as error:
            entries = [
                InitErrorDetails(
                    type=entry["type"], loc=(place, key, *entry["loc"]), input=entry["input"], ctx=entry.get("ctx", {})
                )
                for entry in error.errors()
            ]
            raise ValidationError.from_exception_data(error.title, entries) from None
        except ValueError as error:
            raise ValueError(f"{place}.{key}: {error}") from None
    return parsed


def _dumped(configs: Mapping[str, Config]) -> dict[str, dict[str, Any]]:
    """Return parameters with their defaults written out."""
    return {name: config.model_dump(mode="json") for name, config in configs.items()}


def _compared(pairs: Sequence[tuple[str, str]], analyses: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the pairs and, after them, those of the analyses, which have arms of their own to compare."""
    for name, config in analyses.items():
        for first, second in config.compare:
            if (second, first) in pairs:
                raise ValueError(
                    f"compare has {second} - {first}, and analyses.{name} compares {first} - {second} of itself: "
                    "Holm's correction would count them twice; leave yours out"
                )
    return tuple(dict.fromkeys((*pairs, *(pair for each in analyses.values() for pair in each.compare))))


def _ingestion(
    records: RecordsSpec, taxonomy: Any, ingestion: Mapping[str, Any], taxonomies: Mapping[str, Any]
) -> IngestionConfig:
    sources = _sources(records.sources, ingestion)
    # Of those that the data have, any is known.
    is_given = taxonomy != FROM_DATA
    labels = _known_labels({*taxonomy.names, *records.label_map}, sources, taxonomies) if is_given else None
    return IngestionConfig(
        cleaning=ingestion["cleaning"],
        sources=sources,
        known_labels=labels,
        max_lost=records.max_lost,
    )


def _known_labels(
    labels: set[str], sources: Mapping[str, SourceConfig], taxonomies: Mapping[str, Any]
) -> frozenset[str]:
    """Return the experiment's own labels and those of its sources' sets; of a source without one, those of all sets.

    Of labels that differ by case or space alone the experiment's own stands for all.
    """
    known, every = set(labels), labels.union(*(taxonomy["labels"] for taxonomy in taxonomies.values()))
    for name, source in sources.items():
        _known(f"the label_map of the source {name}", source.label_map.values(), sorted(every))
        _known(f"taxonomy of the source {name}", [source.taxonomy] if source.taxonomy else [], taxonomies)
        known.update(source.label_map.values(), taxonomies[source.taxonomy]["labels"] if source.taxonomy else every)
    own = set(map(spelling, labels))
    return frozenset(label for label in known if label in labels or spelling(label) not in own)


def _sources(
    wanted: tuple[str, ...] | dict[str, SourceConfig], ingestion: Mapping[str, Any]
) -> dict[str, SourceConfig]:
    if isinstance(wanted, dict):
        return wanted
    available = ingestion["sources"]
    missing = [source for source in wanted if source not in available]
    if missing:
        raise ValueError(f"records.sources names {', '.join(missing)}; ingestion.sources has {', '.join(available)}")
    return {source: SourceConfig.model_validate(available[source]) for source in wanted}


def _taxonomy(records: RecordsSpec, taxonomies: Mapping[str, Any]) -> Any:
    if isinstance(records.taxonomy, TaxonomyConfig) or records.taxonomy == FROM_DATA:
        return records.taxonomy
    if records.taxonomy not in taxonomies:
        raise ValueError(
            f"records.taxonomy is {records.taxonomy!r}; there are: {', '.join(taxonomies)}, and {FROM_DATA}"
        )
    return TaxonomyConfig.model_validate(taxonomies[records.taxonomy])


def _unification(records: RecordsSpec, taxonomy: Any) -> UnificationConfig:
    if taxonomy != FROM_DATA:
        _known("records.label_map", records.label_map.values(), taxonomy.names)
    given = records.model_dump(include={"outside_taxonomy", "label_map", "max_lost"})
    return UnificationConfig(taxonomy=taxonomy, **given)


def _unlabelled(records: RecordsSpec, ingestion: Mapping[str, Any]) -> UnlabelledConfig | None:
    spec = records.unlabelled
    if spec is None:
        return None
    return UnlabelledConfig(
        cleaning=ingestion["cleaning"],
        sources=_sources(spec.sources, ingestion),
        near_duplicates=records.near_duplicates,
        **spec.model_dump(exclude={"sources"}),
    )


def _check_names(experiment: Experiment, generators: Collection[str]) -> None:
    """Every name that a part of the experiment uses is one that another part defines."""
    for name, arm in experiment.arms.items():
        _known(f"arms.{name}.add", arm.add, generators)
        _known(f"arms.{name}.filters", arm.filters, experiment.filters)
        _check_diverse(f"arms.{name}.filters", [experiment.filters[each]["kind"] for each in arm.filters], experiment)
    analyses = {name: analysis_config(name, raw) for name, raw in experiment.analyses.items()}
    arms = {*experiment.arms, *_arms_of(analyses, experiment)}
    for pair in experiment.compare:
        learners = any(name.startswith(LEARNER) for name in pair)
        _known("compare", pair, [LEARNER + name for name in experiment.learners] if learners else sorted(arms))
    if experiment.evaluation.primary is not None:
        _check_primary(*experiment.evaluation.primary, experiment, analyses)
    _known("recommend", experiment.recommend, experiment.arms)
    if any(arm.add for arm in experiment.arms.values()):
        # What is added may not judge itself.
        plain = [name for name, arm in experiment.arms.items() if not arm.add]
        _known("evaluator.arm", [experiment.evaluator.arm], plain)
    _check_learners(experiment, analyses)
    if "out_of_domain" in analyses and experiment.unlabelled and experiment.unlabelled.train_share == 1:
        raise ValueError("records.unlabelled.train_share is 1, and out_of_domain would have no text to read; lower it")
    if experiment.arms and not experiment.learners:
        raise ValueError("there are arms, but no learners")
    if not experiment.arms and not experiment.analyses:
        raise ValueError("there are neither arms nor analyses: nothing to run")
    _check_rows_of_source(experiment)
    _check_design(experiment)


def _check_primary(first: str, second: str, learner: str, experiment: Experiment, analyses: Mapping[str, Any]) -> None:
    """The comparison named beforehand is made: of nothing, Holm's correction would take it for one among all."""
    place, pair = "evaluation.primary", (first, second)
    _known(place, [" - ".join(pair)], [" - ".join(each) for each in experiment.compare])
    _known(place, [learner], sorted(experiment.learners))
    for config in analyses.values():
        if pair in config.compare:
            _known(place, [learner], [config.learner or next(iter(experiment.learners))])
    only = learner_config(experiment.learners[learner]).only
    if left_out := [arm for arm in pair if only.arms is not None and arm not in only.arms]:
        raise ValueError(f"{place} is by {learner}, and learners.{learner}.only.arms leaves {left_out[0]} out; add it")
    limits = [only.sizes, *(experiment.arms[arm].sizes for arm in pair if arm in experiment.arms)]
    if not {*experiment.design.sizes}.intersection(*(sizes for sizes in limits if sizes is not None)):
        raise ValueError(f"{place}: {first}, {second} and {learner} are run at no size that all three have")


def _check_diverse(place: str, kinds: Sequence[str], experiment: Experiment) -> None:
    """A filter that chooses among what the others keep comes after them, and knows how many."""
    if "diverse" in kinds[:-1]:
        raise ValueError(f"{place}: diverse chooses among what the other filters keep; put it last")
    if "diverse" in kinds and experiment.design.added_rows is None:
        raise ValueError(f"{place}: diverse keeps as many as design.added_rows says, which is not given")


def _arms_of(analyses: Mapping[str, Any], experiment: Experiment) -> set[str]:
    """Return the arms that analyses add; what they write is called like them, or like the analysis."""
    further = {arm for config in analyses.values() for pair in config.compare for arm in pair}
    if taken := sorted(experiment.arms.keys() & {*analyses, *further}):
        raise ValueError(f"arms.{taken[0]}: what an analysis writes is called so; give the arm another name")
    return further


def _check_learners(experiment: Experiment, analyses: Mapping[str, Any]) -> None:
    """The same of what names a learner, and of what a learner names."""
    for name, raw in experiment.filters.items():
        _known(f"filters.{name}.learner", [raw["learner"]] if raw.get("learner") else [], experiment.learners)
    for name, config in analyses.items():
        _check_analysis(f"analyses.{name}", config, experiment)
    _check_readers(experiment, analyses)
    for name, raw in experiment.learners.items():
        learner = learner_config(raw)
        base = getattr(learner, "base_model", None)
        _known(f"learners.{name}.base_model", [base] if base else [], experiment.bases)
        _known(f"learners.{name}.only.arms", learner.only.arms or (), experiment.arms)
        for arm in experiment.arms if learner.only.arms is None else learner.only.arms:
            if isinstance(learner, LinearConfig) and (order := experiment.arms[arm].order) != "mix":
                raise ValueError(
                    f"arms.{arm}.order is {order}, and the learner {name} (kind: linear) takes all rows at once; name "
                    f"the arms that it is for in learners.{name}.only.arms"
                )


def _check_readers(experiment: Experiment, analyses: Mapping[str, Any]) -> None:
    """A learner that filters read with, or that an analysis fits, starts from a model that is there beforehand."""
    used = {name for arm in experiment.arms.values() for name in arm.filters}
    asked = {
        f"filters.{name}.learner": raw.get("learner")
        for name, raw in experiment.filters.items()
        if raw["kind"] == "label_agreement"
        and (name in used or any(arm.weights == "agreement" for arm in experiment.arms.values()))
    } | {f"analyses.{name}.learner": config.learner for name, config in analyses.items() if hasattr(config, "learner")}
    for place, name in asked.items():
        learner = name or next(iter(experiment.learners), None)
        if learner is not None and getattr(learner_config(experiment.learners[learner]), "base_model", None):
            raise ValueError(
                f"{place} is {learner}, which starts from a model of `bases`: these are made for the arms alone; "
                "name another learner"
            )


def _check_analysis(place: str, config: Any, experiment: Experiment) -> None:
    """The same of what an analysis names."""
    _known(f"{place}.arms", config.classifier_arms, experiment.arms)
    filters = getattr(config, "filters", ())
    _known(f"{place}.filters", filters, experiment.filters)
    kinds = tuple(experiment.filters[each]["kind"] for each in filters)
    config.check_filters(place, kinds)
    _check_diverse(f"{place}.filters", kinds, experiment)
    for kind in ("learner", "generator"):
        _known(f"{place}.{kind}", filter(None, [getattr(config, kind, None)]), getattr(experiment, f"{kind}s"))
    if experiment.unification is not None and isinstance(experiment.unification.taxonomy, TaxonomyConfig):
        _known(place, config.labels, experiment.unification.taxonomy.names)
    if experiment.ingestion is not None:
        _known(place, config.sources, experiment.ingestion.sources)


def _check_rows_of_source(experiment: Experiment) -> None:
    """An arm of one source's rows takes all of them."""
    for name, arm in experiment.arms.items():
        if isinstance(arm.rows, RowsOfSource) and set(arm.sizes or experiment.design.sizes) != {ALL_ROWS}:
            why = "of which a draw of all sources has fewer rows"
            raise ValueError(f"arms.{name}.rows is one source, {why}: design.sizes has to be {ALL_ROWS}, all rows")


def _check_design(experiment: Experiment) -> None:
    """What is asked to run at some sizes or seeds alone is run at one of them; a curve over sizes has no leaks."""
    design = experiment.design
    if ALL_ROWS in design.sizes and len(design.data_seeds) > 1:
        raise ValueError(
            f"design.sizes has {ALL_ROWS} (all rows), of which each of several design.data_seeds draws the same: equal "
            "fits would count as draws of their own; take several design.seeds, or sizes that are smaller"
        )
    limits = [(f"arms.{name}.sizes", arm.sizes, "sizes") for name, arm in experiment.arms.items()]
    for name, raw in experiment.learners.items():
        only = learner_config(raw).only.model_dump(exclude={"arms"})
        limits.extend((f"learners.{name}.only.{kind}", values, kind) for kind, values in only.items())
    for place, values, kind in limits:
        if values and not {*values} & {*getattr(design, kind)}:
            shown = ", ".join(map(str, getattr(design, kind)))
            raise ValueError(f"{place} is {', '.join(map(str, values))}, which design.{kind} has none of: {shown}")
    if experiment.sampling is None:
        return
    split = experiment.sampling.split
    if len(design.sizes) > 1 and split.strategy == "plain":
        raise ValueError(
            "records.split.strategy is plain, by which copies of train texts are tested on: no study of several "
            "design.sizes is made on it; take grouped"
        )
    sources = experiment.ingestion.sources.values() if experiment.ingestion is not None else ()
    if experiment.arms and split.test == 0 and not any(source.test_file for source in sources):
        raise ValueError("records.split.test is 0, and no source has a test_file: there is nothing to test on")


def _known(place: str, names: Iterable[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{place} has {', '.join(unknown)}{choices(unknown[0], known)}")
