"""Kedro datasets of this project."""

from emotion_kedro.datasets.folders import RawFolder
from emotion_kedro.datasets.model_directory import ModelDirectory
from emotion_kedro.datasets.optional_json import OptionalJSON
from emotion_kedro.datasets.pictures import PictureFolder
from emotion_kedro.datasets.whole_file import JSONDataset, ParquetDataset, TextDataset

__all__ = [
    "JSONDataset",
    "ModelDirectory",
    "OptionalJSON",
    "ParquetDataset",
    "PictureFolder",
    "RawFolder",
    "TextDataset",
]
