"""Kedro datasets of this project."""

from emotion_kedro.datasets.folders import RawFolder
from emotion_kedro.datasets.model_directory import ModelDirectory
from emotion_kedro.datasets.table_folder import TableFolder
from emotion_kedro.datasets.whole_file import (
    ChunkedParquetDataset,
    CSVDataset,
    JSONDataset,
    OptionalCSV,
    OptionalJSON,
    OptionalParquet,
    ParquetDataset,
    PlotDataset,
    TextDataset,
    TimedParquetDataset,
)

__all__ = [
    "CSVDataset",
    "ChunkedParquetDataset",
    "JSONDataset",
    "ModelDirectory",
    "OptionalCSV",
    "OptionalJSON",
    "OptionalParquet",
    "ParquetDataset",
    "PlotDataset",
    "RawFolder",
    "TableFolder",
    "TextDataset",
    "TimedParquetDataset",
]
